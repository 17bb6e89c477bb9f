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
from token_dropping import keep_schedule as schedules
from token_dropping import micro_batches
from token_dropping import optimizers
from token_dropping import pretrain_data
from token_dropping import pretrainer
from token_dropping import record_checks


@dataclasses.dataclass
class TokenDropMaskedLMConfig(masked_lm.MaskedLMConfig):
  """Model Garden's masked-LM task config.

  Attributes:
    scale_loss: divide by the weights of the *global* batch, so that the number
      of replicas changes nothing. `False` is Model Garden's sum over replicas.
    gradient_accumulation_steps: into how many slices each replica's batch is
      cut. They are computed one after the other and make one optimizer step, so
      that a large batch fits a small device.
    seed: of initial weights and dropout. Another one, another run.
    deterministic: use TensorFlow's deterministic operations alone, slower on
      accelerators: the same command gives the same bits on the same machine.
    on_bad_numbers: `stop` ends the run at a loss or a weight that is NaN or
      Inf; `skip` leaves such a step out and counts it.
    max_skipped_steps: how many steps of a run may be left out.
    keep_schedule: how many tokens stay in the course of training.
  """

  scale_loss: bool = True
  gradient_accumulation_steps: int = 1
  seed: int = 0
  deterministic: bool = False
  on_bad_numbers: str = "stop"
  max_skipped_steps: int = 10
  keep_schedule: schedules.KeepScheduleConfig = dataclasses.field(
    default_factory=schedules.KeepScheduleConfig
  )


@task_factory.register_task_cls(TokenDropMaskedLMConfig)
class TokenDropMaskedLMTask(masked_lm.MaskedLMTask):
  """Pretrains a `TokenDropEncoder`; evaluates it on whole sequences."""

  @classmethod
  def create_optimizer(cls, optimizer_config, runtime_config=None):
    """Builds the optimizer; it clips the gradients of the global batch."""
    return optimizers.create_optimizer(optimizer_config, runtime_config)

  def build_model(self, params=None) -> pretrainer.TokenDropPretrainer:
    """Builds the encoder with its masked-LM and sentence heads."""
    config = params or self.task_config.model
    model = pretrainer.TokenDropPretrainer(
      encoder_network=encoders.build_encoder(config.encoder),
      mlm_activation=tf_utils.get_activation(config.mlm_activation),
      mlm_initializer=tf_keras.initializers.TruncatedNormal(
        stddev=config.mlm_initializer_range
      ),
      classification_heads=[
        layers.ClassificationHead(**head.as_dict()) for head in config.cls_heads
      ],
    )
    _make_weights(model)
    return model

  def initialize(self, model: pretrainer.TokenDropPretrainer) -> None:
    """Loads `init_checkpoint`, if one is set, into the model."""
    if self.task_config.init_checkpoint:
      checkpoints.initialize_from(model, self.task_config.init_checkpoint)

  def build_inputs(self, params, input_context=None) -> tf.data.Dataset:
    """Reads batches, masks them where asked to, and checks their values."""
    made_up = params.input_path == "dummy"
    if isinstance(params, pretrain_data.PretrainDataConfig) and not made_up:
      # A run that goes on reads on from where its checkpoint was written.
      step = checkpoints.latest_step(self.logging_dir)
      loader = pretrain_data.PretrainDataLoader(params)
      dataset = loader.load(input_context, first_step=step)
    else:
      dataset = super().build_inputs(params, input_context)
    vocab_size = self.task_config.model.encoder.get().vocab_size
    # Those of Model Garden's have no weights; neither have unmasked ones.
    static = not (made_up or pretrain_data.is_dynamic(params))
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
    """Runs forward and backward passes, then moves weights and importance.

    Args:
      inputs: dictionary of tensors, one replica's batch.
      model: the `TokenDropPretrainer`.
      optimizer: of the trainer.
      metrics: list of Keras metrics.

    Returns:
      `{"loss": scalar}`, the mean loss of the global batch; without
      `scale_loss` that of this replica's batch.
    """
    slices = self.task_config.gradient_accumulation_steps
    counts = loss_counts(inputs)
    shares = slices
    if self.task_config.scale_loss:
      counts = _global_sum(counts)
      shares *= tf.distribute.get_strategy().num_replicas_in_sync

    def forward_and_backward(batch):
      with tf.GradientTape() as tape:
        outputs = model(batch, training=True)
        token_losses = masked_lm_losses(batch, outputs)  # [B, P]
        parts = mean_losses(batch, outputs, token_losses, counts)
        loss = tf.add_n(list(parts.values()))
        objective = tf.add_n([loss, *(each / shares for each in model.losses)])
        objective = _scaled(optimizer, objective)
      gradients = tape.gradient(objective, model.trainable_variables)
      self._record(metrics, batch, outputs, token_losses)
      return (loss, _dense(gradients)), token_losses

    def follow(plan):
      with model.encoder_network.following(plan):
        return micro_batches.accumulate(forward_and_backward, inputs, slices)

    phases = schedules.phases(
      self.task_config.keep_schedule, model.encoder_network.drop_plan
    )
    (loss, gradients), token_losses = schedules.run_phase(
      phases, _steps_done(optimizer), follow
    )
    _apply(optimizer, gradients, model.trainable_variables)
    model.encoder_network.importance_scorer.update(
      inputs["masked_lm_ids"], token_losses, inputs["masked_lm_weights"]
    )
    return {
      self.loss: _global_sum(loss) if self.task_config.scale_loss else loss
    }

  def _record(self, metrics, batch, outputs, token_losses) -> None:
    """Feeds a batch to the metrics of training."""
    parts = mean_losses(batch, outputs, token_losses)
    kept_share = {"kept_share": _kept_share(batch, outputs)}
    _update_means(metrics, parts | kept_share, batch)
    self.process_metrics(metrics, batch, outputs)


def _make_weights(model: pretrainer.TokenDropPretrainer) -> None:
  """Calls the model once, since a branch of a step cannot make variables."""
  names = ["input_word_ids", "input_mask", "input_type_ids"]
  one = tf.zeros([1, 1], tf.int32)
  model(dict.fromkeys([*names, "masked_lm_positions"], one))


def masked_lm_losses(labels: dict, model_outputs: dict) -> tf.Tensor:
  """Returns the cross-entropy of every prediction slot, [B, P], in nats."""
  return tf_keras.losses.sparse_categorical_crossentropy(
    labels["masked_lm_ids"],
    tf.cast(model_outputs["mlm_logits"], tf.float32),
    from_logits=True,
  )


def loss_counts(labels: dict) -> dict[str, tf.Tensor]:
  """Returns over how many labels each loss is a mean, by metric name."""
  counts = {"lm_example_loss": tf.reduce_sum(labels["masked_lm_weights"])}
  if "next_sentence_labels" in labels:
    size = tf.size(labels["next_sentence_labels"])
    counts["next_sentence_loss"] = tf.cast(size, tf.float32)
  return counts


def mean_losses(
  labels: dict,
  model_outputs: dict,
  token_losses: tf.Tensor,
  counts: dict[str, tf.Tensor] | None = None,
) -> dict[str, tf.Tensor]:
  """Averages the losses of a batch.

  Args:
    labels: the batch.
    model_outputs: what the model returned for it.
    token_losses: [B, P], of `masked_lm_losses`.
    counts: what to divide the sums by; default: the counts of this batch. With
      those of a larger batch, the results are this one's shares of its mean.

  Returns:
    The masked-LM loss, and the next-sentence loss where the batch has labels,
    as scalars by metric name.
  """
  sums = {
    "lm_example_loss": tf.reduce_sum(token_losses * labels["masked_lm_weights"])
  }
  if "next_sentence_labels" in labels:
    losses = tf_keras.losses.sparse_categorical_crossentropy(
      labels["next_sentence_labels"],
      tf.cast(model_outputs["next_sentence"], tf.float32),
      from_logits=True,
    )
    sums["next_sentence_loss"] = tf.reduce_sum(losses)
  counts = counts or loss_counts(labels)
  return {
    name: tf.math.divide_no_nan(total, counts[name])
    for name, total in sums.items()
  }


def _global_sum(values):
  """Sums a structure of tensors over replicas."""
  replica = tf.distribute.get_replica_context()
  return replica.all_reduce(tf.distribute.ReduceOp.SUM, values)


def _scaled(optimizer, objective: tf.Tensor) -> tf.Tensor:
  """Multiplies by the loss scale, where float16 needs one."""
  if isinstance(optimizer, tf_keras.mixed_precision.LossScaleOptimizer):
    return optimizer.get_scaled_loss(objective)
  return objective


def _steps_done(optimizer) -> tf.Variable:
  with tf.init_scope():  # as optimizers do: reading it may make it
    return optimizer.iterations


def _dense(gradients: list) -> dict[int, tf.Tensor]:
  """Returns the gradients that there are, by their place.

  Without a sentence head nothing reads the pooler: it has none. Those of
  embeddings become dense, since the head's share of them is, and TPUs add no
  others.
  """
  return {
    index: tf.convert_to_tensor(gradient)
    for index, gradient in enumerate(gradients)
    if gradient is not None
  }


def _apply(optimizer, gradients: dict[int, tf.Tensor], variables) -> None:
  """Moves the variables that have a gradient, by their place."""
  values = list(gradients.values())
  if isinstance(optimizer, tf_keras.mixed_precision.LossScaleOptimizer):
    values = optimizer.get_unscaled_gradients(values)
  moved = [variables[index] for index in gradients]
  optimizer.apply_gradients(list(zip(values, moved, strict=True)))


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

  Each counts by what it is a mean of, so that the mean over uneven batches,
  slices or replicas is still the mean over all labels.
  """
  weights = loss_counts(labels) | {
    "kept_share": tf.reduce_sum(tf.cast(labels["input_mask"], tf.float32))
  }
  for metric in metrics:
    if metric.name in values:
      metric.update_state(
        values[metric.name], sample_weight=weights[metric.name]
      )
