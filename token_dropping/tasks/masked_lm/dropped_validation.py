# SPDX-License-Identifier: Apache-2.0
"""What training optimises, measured in evaluation: loss with dropping.

The loss of whole sequences, which is what is shipped, may stay behind for two
reasons: the network learns less, or it learns for dropped passes alone. Beside
one another the two losses tell which.
"""

import tensorflow as tf
import tf_keras

from token_dropping.tasks.masked_lm import losses as mlm_losses

LOSS = "dropped_lm_example_loss"
ACCURACY = "dropped_masked_lm_accuracy"


def make_metrics() -> list[tf_keras.metrics.Metric]:
  """Returns the metrics of dropped passes."""
  return [
    tf_keras.metrics.Mean(name=LOSS),
    tf_keras.metrics.SparseCategoricalAccuracy(name=ACCURACY),
  ]


def update(labels: dict, model: tf_keras.Model, metrics: list) -> None:
  """Runs a batch with dropping, but without dropout, and records it.

  Args:
    labels: the batch.
    model: the `TokenDropPretrainer`; the shares are those of its encoder.
    metrics: those of `make_metrics` are fed, others left alone.
  """
  plan = model.encoder_network.drop_plan
  outputs = model(labels, training=False, plan=plan)
  losses = mlm_losses.masked_lm_losses(labels, outputs)
  weights = labels["masked_lm_weights"]  # [B, P]
  found = {metric.name: metric for metric in metrics}
  found[LOSS].update_state(losses, sample_weight=weights)
  found[ACCURACY].update_state(
    labels["masked_lm_ids"],
    tf.cast(outputs["mlm_logits"], tf.float32),
    sample_weight=weights,
  )
