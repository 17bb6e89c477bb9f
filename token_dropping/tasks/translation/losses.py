# SPDX-License-Identifier: Apache-2.0
"""The loss of a translation, and its metrics.

Shapes: B batch, T positions of the translations, V vocabulary.
"""

import math

import tensorflow as tf
import tf_keras

from token_dropping.tasks.pretraining import metrics as pretraining_metrics

# The first is what training minimises, the others are of the targets alone.
SMOOTHED, LOSS = "smoothed_loss", "token_loss"
ACCURACY, PERPLEXITY = "token_accuracy", "perplexity"
METRICS = {
  SMOOTHED: tf_keras.metrics.Mean,
  LOSS: tf_keras.metrics.Mean,
  ACCURACY: tf_keras.metrics.SparseCategoricalAccuracy,
  PERPLEXITY: pretraining_metrics.Perplexity,
}


def token_losses(batch: dict, outputs: dict, smoothing: float) -> dict:
  """Returns the cross-entropy at each target, both [B, T], in nats."""
  logits = tf.cast(outputs["logits"], tf.float32)
  plain = tf.nn.sparse_softmax_cross_entropy_with_logits(
    batch["targets"], logits
  )
  return {LOSS: plain, SMOOTHED: smoothed(plain, logits, smoothing)}


def smoothed(
  losses: tf.Tensor, logits: tf.Tensor, smoothing: float
) -> tf.Tensor:
  """Returns Model Garden's loss with smoothed labels, [B, T].

  Szegedy et al., arXiv 1512.00567, section 7: a target has the probability
  `1 - smoothing`, each other id an even share of the rest; the least that this
  can be is subtracted. `losses` are those without smoothing. No targets of
  shape [B, T, V] are made.

  >>> logits = tf.math.log([[[0.7, 0.2, 0.1]]])
  >>> loss = smoothed(-logits[..., 0], logits, smoothing=0.2)
  >>> wanted = sum(q * math.log(q / p)
  ...              for q, p in [(0.8, 0.7), (0.1, 0.2), (0.1, 0.1)])
  >>> abs(float(loss[0, 0]) - wanted) < 1e-6
  True
  """
  if not smoothing:
    return losses
  size = logits.shape[-1]
  confidence, share = 1 - smoothing, smoothing / (size - 1)
  of_all = size * tf.reduce_logsumexp(logits, -1) - tf.reduce_sum(logits, -1)
  least = -confidence * math.log(confidence) - smoothing * math.log(share)
  return losses * (1 - share * size) + share * of_all - least


def weights(batch: dict) -> tf.Tensor:
  """Returns 1.0 at targets and 0.0 at padding, [B, T]."""
  return tf.cast(batch["targets"] != 0, tf.float32)


def mean_losses(
  batch: dict, losses: dict, count: tf.Tensor | None = None
) -> dict[str, tf.Tensor]:
  """Averages the losses of a batch, or their share of a `count` of targets."""
  real = weights(batch)
  count = tf.reduce_sum(real) if count is None else count
  return {
    name: tf.math.divide_no_nan(tf.reduce_sum(losses[name] * real), count)
    for name in (SMOOTHED, LOSS)
  }


def update_metrics(
  metrics: list, batch: dict, outputs: dict, losses: dict, prefix: str = ""
) -> None:
  """Feeds a batch to those of the targets."""
  means = mean_losses(batch, losses)
  means[PERPLEXITY] = means[LOSS]
  targets = batch["targets"], outputs["logits"], weights(batch)
  pretraining_metrics.update_predictions(
    metrics, means, ACCURACY, *targets, prefix
  )
