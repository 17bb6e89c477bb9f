# SPDX-License-Identifier: Apache-2.0
"""Masked-language-model pretraining with token dropping.

Model Garden's `MaskedLMTask` with one more thing in the training step: the
losses that it computes anyway teach the importance scorer which tokens are hard
(Hou et al., ACL 2022, section 3.2).
"""

import dataclasses

import tensorflow as tf
import tf_keras
from official.core import task_factory
from official.modeling import tf_utils
from official.nlp.configs import encoders
from official.nlp.modeling import layers
from official.nlp.tasks import masked_lm

from token_dropping import checkpoints
from token_dropping import pretrain_data
from token_dropping import pretrainer
from token_dropping import record_checks


@dataclasses.dataclass
class TokenDropMaskedLMConfig(masked_lm.MaskedLMConfig):
  """Model Garden's masked-LM task config.

  Attributes:
    scale_loss: divide by the weights of the *global* batch, so that the number
      of replicas changes nothing. `False` is Model Garden's sum over replicas.
    seed: of initial weights and dropout. Another one, another run.
    deterministic: use TensorFlow's deterministic operations alone, slower on
      accelerators: the same command gives the same bits on the same machine.
    on_bad_numbers: `stop` ends the run at a loss or a weight that is NaN or
      Inf; `skip` leaves such a step out and counts it.
    max_skipped_steps: how many steps of a run may be left out.
  """

  scale_loss: bool = True
  seed: int = 0
  deterministic: bool = False
  on_bad_numbers: str = "stop"
  max_skipped_steps: int = 10


@task_factory.register_task_cls(TokenDropMaskedLMConfig)
class TokenDropMaskedLMTask(masked_lm.MaskedLMTask):
  """Pretrains a `TokenDropEncoder`; evaluates it on whole sequences."""

  def build_model(self, params=None) -> pretrainer.TokenDropPretrainer:
    """Builds the encoder with its masked-LM and sentence heads."""
    config = params or self.task_config.model
    return pretrainer.TokenDropPretrainer(
      encoder_network=encoders.build_encoder(config.encoder),
      mlm_activation=tf_utils.get_activation(config.mlm_activation),
      mlm_initializer=tf_keras.initializers.TruncatedNormal(
        stddev=config.mlm_initializer_range
      ),
      classification_heads=[
        layers.ClassificationHead(**head.as_dict()) for head in config.cls_heads
      ],
    )

  def initialize(self, model: pretrainer.TokenDropPretrainer) -> None:
    """Loads `init_checkpoint`, if one is set, into the model."""
    if self.task_config.init_checkpoint:
      checkpoints.initialize_from(model, self.task_config.init_checkpoint)

  def build_inputs(self, params, input_context=None) -> tf.data.Dataset:
    """Reads batches, masks them where asked to, and checks their values."""
    if isinstance(params, pretrain_data.PretrainDataConfig):
      # A run that goes on reads on from where its checkpoint was written.
      step = checkpoints.latest_step(self.logging_dir)
      loader = pretrain_data.PretrainDataLoader(params)
      dataset = loader.load(input_context, first_step=step)
    else:
      dataset = super().build_inputs(params, input_context)
    vocab_size = self.task_config.model.encoder.get().vocab_size
    static = not pretrain_data.is_dynamic(params)
    return record_checks.with_checked_values(dataset, vocab_size, static)

  def build_metrics(self, training: bool | None = None) -> list:
    """Model Garden's metrics; in training also the share of kept tokens."""
    metrics = super().build_metrics(training=training)
    if training:
      metrics.append(tf_keras.metrics.Mean(name="kept_share"))
    return metrics

  def build_losses(self, labels, model_outputs, metrics, aux_losses=None):
    """Returns the mean loss of this replica's batch and records its parts."""
    token_losses = masked_lm_losses(labels, model_outputs)
    parts = mean_losses(labels, model_outputs, token_losses)
    _update_means(metrics, parts, labels)
    return tf.add_n([*parts.values(), *(aux_losses or [])])

  def train_step(self, inputs, model, optimizer, metrics) -> dict:
    """Runs forward and backward pass, then moves weights and importance.

    Args:
      inputs: dictionary of tensors, one replica's batch.
      model: the `TokenDropPretrainer`.
      optimizer: of the trainer.
      metrics: list of Keras metrics.

    Returns:
      `{"loss": scalar}`, the mean loss of this replica's batch.
    """
    with tf.GradientTape() as tape:
      outputs = model(inputs, training=True)
      token_losses = masked_lm_losses(inputs, outputs)  # [B, P]
      parts = mean_losses(inputs, outputs, token_losses)
      objective = parts
      if self.task_config.scale_loss:
        objective = mean_losses(inputs, outputs, token_losses, _global_sum)
      objective = tf.add_n([*objective.values(), *model.losses])
    variables = model.trainable_variables
    gradients = tape.gradient(objective, variables)
    # Without a sentence head nothing reads the pooler: it has no gradient.
    pairs = zip(gradients, variables, strict=True)
    optimizer.apply_gradients([pair for pair in pairs if pair[0] is not None])
    model.encoder_network.importance_scorer.update(
      inputs["masked_lm_ids"], token_losses, inputs["masked_lm_weights"]
    )
    kept_share = {"kept_share": _kept_share(inputs, outputs)}
    _update_means(metrics, parts | kept_share, inputs)
    self.process_metrics(metrics, inputs, outputs)
    return {self.loss: tf.add_n(list(parts.values()))}


def masked_lm_losses(labels: dict, model_outputs: dict) -> tf.Tensor:
  """Returns the cross-entropy of every prediction slot, [B, P], in nats."""
  return tf_keras.losses.sparse_categorical_crossentropy(
    labels["masked_lm_ids"],
    tf.cast(model_outputs["mlm_logits"], tf.float32),
    from_logits=True,
  )


def mean_losses(
  labels: dict, model_outputs: dict, token_losses: tf.Tensor, total=tf.identity
) -> dict[str, tf.Tensor]:
  """Averages the losses of a batch.

  Args:
    labels: the batch.
    model_outputs: what the model returned for it.
    token_losses: [B, P], of `masked_lm_losses`.
    total: turns this replica's sum of weights into the divisor. With a sum over
      replicas, the results are this replica's shares of the global mean.

  Returns:
    The masked-LM loss, and the next-sentence loss where the batch has labels,
    as scalars by metric name.
  """
  weights = labels["masked_lm_weights"]
  parts = {
    "lm_example_loss": tf.math.divide_no_nan(
      tf.reduce_sum(token_losses * weights), total(tf.reduce_sum(weights))
    )
  }
  if "next_sentence_labels" in labels:
    losses = tf_keras.losses.sparse_categorical_crossentropy(
      labels["next_sentence_labels"],
      tf.cast(model_outputs["next_sentence"], tf.float32),
      from_logits=True,
    )
    count = tf.cast(tf.size(losses), losses.dtype)
    parts["next_sentence_loss"] = tf.math.divide_no_nan(
      tf.reduce_sum(losses), total(count)
    )
  return parts


def _global_sum(value: tf.Tensor) -> tf.Tensor:
  """Sums over replicas."""
  replica = tf.distribute.get_replica_context()
  return replica.all_reduce(tf.distribute.ReduceOp.SUM, value)


def _kept_share(inputs: dict, outputs: dict) -> tf.Tensor:
  """Returns the share of real tokens that stayed in the middle layers."""
  if "kept_positions" not in outputs:
    return tf.constant(1.0)
  mask = tf.cast(inputs["input_mask"], tf.float32)
  kept = tf.gather(mask, outputs["kept_positions"], batch_dims=1)
  return tf.math.divide_no_nan(tf.reduce_sum(kept), tf.reduce_sum(mask))


def _update_means(
  metrics: list, values: dict[str, tf.Tensor], labels: dict
) -> None:
  """Feeds a batch's means to the metrics of the same name.

  The masked-LM loss counts by its prediction weights, so that the mean over an
  uneven last batch is still the mean over all predictions.
  """
  predictions = tf.reduce_sum(labels["masked_lm_weights"])
  for metric in metrics:
    if metric.name in values:
      weight = predictions if metric.name == "lm_example_loss" else None
      metric.update_state(values[metric.name], sample_weight=weight)
