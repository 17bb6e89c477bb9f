# SPDX-License-Identifier: Apache-2.0
"""The losses of pretraining, and the metrics of them beside Model Garden's.

The loss of whole sequences, which is what is shipped, may stay behind because
the network learns less, or learns for dropped passes alone. The loss with
dropping, beside it, tells which.
"""

import tensorflow as tf
import tf_keras

DROPPED_LOSS = "dropped_lm_example_loss"
DROPPED_ACCURACY = "dropped_masked_lm_accuracy"


def masked_lm_losses(labels: dict, outputs: dict) -> tf.Tensor:
  """Returns the cross-entropy of every prediction slot, [B, P], in nats."""
  return tf_keras.losses.sparse_categorical_crossentropy(
    labels["masked_lm_ids"],
    tf.cast(outputs["mlm_logits"], tf.float32),
    from_logits=True,
  )


def loss_counts(labels: dict) -> dict[str, tf.Tensor]:
  """Returns over how many labels each loss is a mean, by metric name."""
  counts = {"lm_example_loss": tf.reduce_sum(labels["masked_lm_weights"])}
  if "next_sentence_labels" in labels:
    counts["next_sentence_loss"] = tf.reduce_sum(sentence_weights(labels))
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
  sums = {
    "lm_example_loss": tf.reduce_sum(token_losses * labels["masked_lm_weights"])
  }
  if "next_sentence_labels" in labels:
    losses = tf_keras.losses.sparse_categorical_crossentropy(
      labels["next_sentence_labels"],
      tf.cast(outputs["next_sentence"], tf.float32),
      from_logits=True,
    )
    sums["next_sentence_loss"] = tf.reduce_sum(
      losses * sentence_weights(labels)
    )
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
  token_losses = masked_lm_losses(labels, outputs)
  weights = labels["masked_lm_weights"]  # [B, P]
  by_name = {metric.name: metric for metric in metrics}
  by_name[DROPPED_LOSS].update_state(token_losses, sample_weight=weights)
  by_name[DROPPED_ACCURACY].update_state(
    labels["masked_lm_ids"],
    tf.cast(outputs["mlm_logits"], tf.float32),
    sample_weight=weights,
  )
