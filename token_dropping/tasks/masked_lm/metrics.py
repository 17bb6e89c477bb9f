# SPDX-License-Identifier: Apache-2.0
"""What pretraining reports beside Model Garden's metrics."""

import tensorflow as tf
import tf_keras


class OccasionalMean(tf_keras.metrics.Mean):
  """A mean over the steps that have a value; NaN where none had one.

  Example:

  >>> mean = OccasionalMean(name="kl")
  >>> float(mean.result())
  nan
  >>> _ = mean.update_state(2.0, sample_weight=8)
  >>> float(mean.result())
  2.0
  """

  def result(self) -> tf.Tensor:
    """Returns the mean, a scalar."""
    return self.total / self.count


def update_means(
  metrics: list,
  values: dict[str, tf.Tensor],
  weights: dict[str, tf.Tensor],
) -> None:
  """Feeds a batch's means to the metrics of the same name.

  Each counts by what it is a mean of, so that the mean over uneven batches,
  slices or replicas is still the mean over all labels.

  Args:
    metrics: Keras metrics.
    values: scalars by name; those without a metric are left out.
    weights: of each value.
  """
  for metric in metrics:
    if metric.name in values:
      name = metric.name
      metric.update_state(values[name], sample_weight=weights[name])
