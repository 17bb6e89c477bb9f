# SPDX-License-Identifier: Apache-2.0
"""Metrics of pretraining, fed with means by the numbers behind them."""

import tensorflow as tf


def update_means(
  metrics: list, values: dict[str, tf.Tensor], weights: dict[str, tf.Tensor]
) -> None:
  """Feeds a batch's means, scalars, to the metrics of the same name.

  By weight, so that uneven batches, slices or replicas make no difference.
  """
  for metric in metrics:
    name = metric.name
    if name in values:
      metric.update_state(values[name], sample_weight=weights[name])


def kept_share(real: tf.Tensor, outputs: dict) -> tf.Tensor:
  """Returns the share of real tokens computed in the middle layers, a mean.

  `real` is 1 at tokens and 0 at padding, [B, S].
  """
  if "computed_share" not in outputs:
    return tf.constant(1.0)
  mask = tf.cast(real, tf.float32)
  computed = outputs["computed_share"] * mask
  return tf.math.divide_no_nan(tf.reduce_sum(computed), tf.reduce_sum(mask))
