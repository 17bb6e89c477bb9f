# SPDX-License-Identifier: Apache-2.0
"""The loss of the next token, and its metrics.

Shapes: B batch, S sequence length, P positions with a loss, V vocabulary.
"""

import math

import tensorflow as tf
import tf_keras

from token_dropping.data.text import byte_tokenizer
from token_dropping.dropping import tokens as tokens_lib
from token_dropping.tasks.pretraining import metrics as pretraining_metrics

LOSS, ACCURACY = "lm_example_loss", "next_token_accuracy"
PERPLEXITY, BITS = "perplexity", "bits_per_byte"
METRICS = {
  LOSS: tf_keras.metrics.Mean,
  ACCURACY: tf_keras.metrics.SparseCategoricalAccuracy,
  PERPLEXITY: pretraining_metrics.Perplexity,
}


def with_targets(batch: dict) -> dict[str, tf.Tensor]:
  """Adds what follows each token, `next_ids` [B, S], and `next_weights`.

  These are 1.0, but 0.0 where nothing follows: at padding and at the end.

  >>> batch = with_targets({"input_word_ids": tf.constant([[7, 8, 1, 0]])})
  >>> batch["next_ids"].numpy(), batch["next_weights"].numpy()
  (array([[8, 1, 0, 0]], dtype=int32), array([[1., 1., 0., 0.]], dtype=float32))
  """
  ids = tf.pad(batch["input_word_ids"][:, 1:], [[0, 0], [0, 1]])
  weights = tf.cast(ids != byte_tokenizer.PAD_ID, tf.float32)
  return batch | {"next_ids": ids, "next_weights": weights}


def with_positions(
  batch: dict, count: int, scores: tf.Tensor
) -> dict[str, tf.Tensor]:
  """Restricts targets to `loss_positions` [B, P], the highest of scores [B, S].

  Positions at which nothing follows are taken last.
  """
  has_target = batch["next_weights"]
  positions = tokens_lib.select(scores, count, has_target)
  return at_positions(batch, positions) | {"loss_positions": positions}


def at_positions(batch: dict, positions: tf.Tensor) -> dict[str, tf.Tensor]:
  """Restricts targets to those of some positions, int [B, P]."""
  there = {
    name: tf.gather(batch[name], positions, batch_dims=1)
    for name in ("next_ids", "next_weights")
  }
  return batch | there


def expected_count(batch: dict, keep: int) -> tf.Tensor:
  """Returns how many of `keep` tokens that stay by lot have a target.

  This is their number on average, summed over the sequences of a batch. Padding
  stays only where there are too few others.

  >>> batch = with_targets({"input_word_ids": tf.constant([[7, 8, 9, 1, 0]])})
  >>> float(expected_count(batch, keep=2))  # half of three
  1.5
  """
  real = tf.cast(batch["input_word_ids"] != byte_tokenizer.PAD_ID, tf.float32)
  real = tf.reduce_sum(real, axis=1)  # [B]
  share = tf.math.divide_no_nan(tf.minimum(float(keep), real), real)
  return tf.reduce_sum(share * tf.reduce_sum(batch["next_weights"], axis=1))


def token_losses(batch: dict, outputs: dict) -> tf.Tensor:
  """Returns the cross-entropy of the next token, [B, P], in nats."""
  return tf_keras.losses.sparse_categorical_crossentropy(
    batch["next_ids"], tf.cast(outputs["logits"], tf.float32), from_logits=True
  )


def mean_loss(
  batch: dict, losses: tf.Tensor, count: tf.Tensor | None = None
) -> tf.Tensor:
  """Averages the losses of a batch, or their share of a `count` of tokens."""
  weights = batch["next_weights"]
  count = tf.reduce_sum(weights) if count is None else count
  return tf.math.divide_no_nan(tf.reduce_sum(losses * weights), count)


class BitsPerByte(tf_keras.metrics.Mean):
  """A mean loss per token in nats, as bits per byte of the text.

  >>> bits = BitsPerByte(bytes_per_token=4.0, name="bits_per_byte")
  >>> _ = bits.update_state(8 * math.log(2))
  >>> f"{float(bits.result()):.2f}"
  '2.00'
  """

  def __init__(self, bytes_per_token: float, **kwargs):
    super().__init__(**kwargs)
    self._bytes_per_token = bytes_per_token

  def result(self) -> tf.Tensor:
    return super().result() / (math.log(2) * self._bytes_per_token)


def update_metrics(
  metrics: list, batch: dict, outputs: dict, losses: tf.Tensor, prefix=""
) -> None:
  """Feeds a batch to those of the next token."""
  means = dict.fromkeys((LOSS, PERPLEXITY, BITS), mean_loss(batch, losses))
  targets = batch["next_ids"], outputs["logits"], batch["next_weights"]
  pretraining_metrics.update_predictions(
    metrics, means, ACCURACY, *targets, prefix
  )
