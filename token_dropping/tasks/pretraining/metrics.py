# SPDX-License-Identifier: Apache-2.0
"""Metrics of pretraining, fed with means by the numbers behind them."""

import tensorflow as tf
import tf_keras

from token_dropping.data.batches import record_rules

DROPPED = "dropped_"  # before the names of what is found with dropping
KEPT_SHARE = "kept_share"


class Perplexity(tf_keras.metrics.Mean):
  """The exponential of a mean loss.

  >>> perplexity = Perplexity(name="perplexity")
  >>> _ = perplexity.update_state(tf.math.log(32.0))
  >>> f"{float(perplexity.result()):.2f}"
  '32.00'
  """

  def result(self) -> tf.Tensor:
    return tf.exp(super().result())


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


def update_predictions(
  metrics: list,
  means: dict[str, tf.Tensor],
  accuracy: str,
  ids: tf.Tensor,
  logits: tf.Tensor,
  weights: tf.Tensor,
  prefix: str = "",
) -> None:
  """Feeds means of a batch of predictions, by name, and whether they are right.

  The latter goes to the metric `accuracy`. The prefix is before all the names.
  The `ids` to predict and their `weights` are [B, P], `logits` [B, P, V].
  """
  means = {f"{prefix}{name}": mean for name, mean in means.items()}
  counts = dict.fromkeys(means, tf.reduce_sum(weights))
  update_means(metrics, means, counts)
  for metric in metrics:
    if metric.name == f"{prefix}{accuracy}":
      metric.update_state(ids, logits, sample_weight=weights)


def update_kept_share(
  metrics: list, real: tf.Tensor, outputs: dict, name: str = KEPT_SHARE
) -> None:
  """Feeds the share of real tokens that the middle layers computed, a mean.

  `real` is 1 at tokens and 0 at padding, [B, S].
  """
  mask = tf.cast(real, tf.float32)
  count, share = tf.reduce_sum(mask), tf.constant(1.0)
  if "computed_share" in outputs:
    computed = tf.reduce_sum(outputs["computed_share"] * mask)
    share = tf.math.divide_no_nan(computed, count)
  update_means(metrics, {name: share}, {name: count})


def count_skipped(metrics: list, batch: dict) -> None:
  """Feeds the number of bad records that were skipped, if it is counted."""
  for metric in metrics:
    if metric.name == record_rules.SKIPPED:
      metric.update_state(batch[record_rules.SKIPPED])
