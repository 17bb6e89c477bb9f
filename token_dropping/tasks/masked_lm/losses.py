# SPDX-License-Identifier: Apache-2.0
"""The losses of pretraining, and their metrics.

The loss of whole sequences, which is what is shipped, may stay behind because
the network learns less, or learns for dropped passes alone. The loss with
dropping, beside it, tells which.
"""

import tensorflow as tf
import tf_keras

from token_dropping.tasks.pretraining import metrics as pretraining_metrics

LOSS, ACCURACY = "lm_example_loss", "masked_lm_accuracy"
SENTENCE_LOSS = "next_sentence_loss"
SENTENCE_ACCURACY = "next_sentence_accuracy"
METRICS = {
  ACCURACY: tf_keras.metrics.SparseCategoricalAccuracy,
  LOSS: tf_keras.metrics.Mean,
}
SENTENCE_METRICS = {
  SENTENCE_ACCURACY: tf_keras.metrics.SparseCategoricalAccuracy,
  SENTENCE_LOSS: tf_keras.metrics.Mean,
}


def masked_lm_losses(labels: dict, outputs: dict) -> tf.Tensor:
  """Returns the cross-entropy of every prediction slot, [B, P], in nats."""
  return tf_keras.losses.sparse_categorical_crossentropy(
    labels["masked_lm_ids"],
    tf.cast(outputs["mlm_logits"], tf.float32),
    from_logits=True,
  )


def loss_counts(labels: dict) -> dict[str, tf.Tensor]:
  """Returns over how many labels each loss is a mean, by metric name."""
  counts = {LOSS: tf.reduce_sum(labels["masked_lm_weights"])}
  if "next_sentence_labels" in labels:
    counts[SENTENCE_LOSS] = tf.reduce_sum(sentence_weights(labels))
  return counts


def sentence_weights(labels: dict) -> tf.Tensor:
  """Returns 1.0 for each record that has tokens, and so a sentence, [B]."""
  return tf.cast(tf.reduce_any(labels["input_mask"] > 0, axis=1), tf.float32)


def mean_losses(
  labels: dict,
  outputs: dict,
  token_losses: tf.Tensor,
  counts: dict[str, tf.Tensor] | None = None,
) -> dict[str, tf.Tensor]:
  """Averages the losses of a batch; returns scalars by metric name.

  With `counts` of a larger batch they are this one's shares of its mean.
  """
  sums = {LOSS: tf.reduce_sum(token_losses * labels["masked_lm_weights"])}
  if "next_sentence_labels" in labels:
    losses = tf_keras.losses.sparse_categorical_crossentropy(
      labels["next_sentence_labels"],
      tf.cast(outputs["next_sentence"], tf.float32),
      from_logits=True,
    )
    sums[SENTENCE_LOSS] = tf.reduce_sum(losses * sentence_weights(labels))
  counts = counts or loss_counts(labels)
  return {
    name: tf.math.divide_no_nan(total, counts[name])
    for name, total in sums.items()
  }


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


def update_metrics(
  metrics: list,
  labels: dict,
  outputs: dict,
  token_losses: tf.Tensor,
  prefix: str = "",
) -> None:
  """Feeds a batch to the metrics of its predictions and of its sentences."""
  means = mean_losses(labels, outputs, token_losses)
  of_tokens = {LOSS: means.pop(LOSS)}
  targets = labels["masked_lm_ids"], outputs["mlm_logits"]
  pretraining_metrics.update_predictions(
    metrics, of_tokens, ACCURACY, *targets, labels["masked_lm_weights"], prefix
  )
  if means:
    targets = labels["next_sentence_labels"], outputs["next_sentence"]
    pretraining_metrics.update_predictions(
      *(metrics, means, SENTENCE_ACCURACY, *targets),
      *(sentence_weights(labels), prefix),
    )
