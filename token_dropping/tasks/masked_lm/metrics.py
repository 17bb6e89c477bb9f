# SPDX-License-Identifier: Apache-2.0
"""What pretraining reports beside Model Garden's metrics.

The loss of whole sequences, which is what is shipped, may stay behind because
the network learns less, or learns for dropped passes alone. The loss with
dropping, beside it, tells which.
"""

import tensorflow as tf
import tf_keras

from token_dropping.tasks.masked_lm import losses as mlm_losses

DROPPED_LOSS = "dropped_lm_example_loss"
DROPPED_ACCURACY = "dropped_masked_lm_accuracy"


class OccasionalMean(tf_keras.metrics.Mean):
  """A mean over the steps that have a value; NaN where none had one.

  >>> mean = OccasionalMean(name="kl")
  >>> float(mean.result())
  nan
  >>> _ = mean.update_state(2.0, sample_weight=8)
  >>> float(mean.result())
  2.0
  """

  def result(self) -> tf.Tensor:
    return self.total / self.count


def update_means(
  metrics: list,
  values: dict[str, tf.Tensor],
  weights: dict[str, tf.Tensor],
) -> None:
  """Feeds a batch's means, scalars, to the metrics of the same name.

  By weight, so that uneven batches, slices or replicas make no difference.
  """
  for metric in metrics:
    if metric.name in values:
      name = metric.name
      metric.update_state(values[name], sample_weight=weights[name])


def make_dropped() -> list[tf_keras.metrics.Metric]:
  """Returns the metrics of passes that drop."""
  return [
    tf_keras.metrics.Mean(name=DROPPED_LOSS),
    tf_keras.metrics.SparseCategoricalAccuracy(name=DROPPED_ACCURACY),
  ]


def update_dropped(labels: dict, model: tf_keras.Model, metrics: list) -> None:
  """Runs a batch with the encoder's plan, without dropout, and records it."""
  plan = model.encoder_network.drop_plan
  outputs = model(labels, training=False, plan=plan)
  losses = mlm_losses.masked_lm_losses(labels, outputs)
  weights = labels["masked_lm_weights"]  # [B, P]
  by_name = {metric.name: metric for metric in metrics}
  by_name[DROPPED_LOSS].update_state(losses, sample_weight=weights)
  by_name[DROPPED_ACCURACY].update_state(
    labels["masked_lm_ids"],
    tf.cast(outputs["mlm_logits"], tf.float32),
    sample_weight=weights,
  )
