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
from token_dropping import pretrain_losses
from token_dropping import pretrainer
from token_dropping import record_skipper
from token_dropping import value_checks


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
    on_bad_numbers: `stop` ends the run at a loss or a gradient that is NaN or
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
  """Pretrains a `TokenDropEncoder`; evaluates it on whole sequences.

  Args:
    *args: of Model Garden's task.
    **kwargs: likewise.

  Attributes:
    skippers: the `RecordSkipper`s of the inputs that were built, by dotted path
      of their data config.
  """

  def __init__(self, *args, **kwargs):
    super().__init__(*args, **kwargs)
    self.skippers = {}

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
    vocab_size = self.task_config.model.encoder.get().vocab_size
    made_up = params.input_path == "dummy"
    if not isinstance(params, pretrain_data.PretrainDataConfig) or made_up:
      dataset = super().build_inputs(params, input_context)
      # Made up records have no weights.
      return value_checks.with_checked_values(dataset, vocab_size, not made_up)
    # A run that goes on reads on from where its checkpoint was written.
    step = checkpoints.latest_step(self.logging_dir)
    loader = pretrain_data.PretrainDataLoader(params)
    if pretrain_data.skips_bad_records(params):
      skipper = self._make_skipper(params, vocab_size)
      return loader.load(input_context, step, skipper)
    static = not pretrain_data.is_dynamic(params)
    dataset = loader.load(input_context, step)
    return value_checks.with_checked_values(dataset, vocab_size, static)

  def _make_skipper(self, params, vocab_size: int):
    name = "train_data" if params.is_training else "validation_data"
    path = f"task.{name}"
    skipper = record_skipper.RecordSkipper(params, vocab_size, path)
    self.skippers[path] = skipper
    return skipper

  def build_metrics(self, training: bool | None = None) -> list:
    """Model Garden's metrics; also kept tokens and skipped records."""
    metrics = super().build_metrics(training=training)
    data = self.task_config.validation_data
    if training:
      data = self.task_config.train_data
      metrics.append(tf_keras.metrics.Mean(name="kept_share"))
    if pretrain_data.skips_bad_records(data):
      metrics.append(tf_keras.metrics.Sum(name=value_checks.SKIPPED))
    return metrics

  def process_metrics(self, metrics, labels, model_outputs) -> None:
    """Feeds a batch to the accuracies, and counts its skipped records."""
    found = {metric.name: metric for metric in metrics}
    sentences = found.pop("next_sentence_accuracy", None)
    super().process_metrics(list(found.values()), labels, model_outputs)
    if sentences is not None:
      sentences.update_state(
        labels["next_sentence_labels"],
        model_outputs["next_sentence"],
        sample_weight=pretrain_losses.sentence_weights(labels),
      )
    if value_checks.SKIPPED in found:
      found[value_checks.SKIPPED].update_state(labels[value_checks.SKIPPED])

  def validation_step(self, inputs, model, metrics) -> dict:
    """Feeds a batch to the metrics of validation; returns nothing else.

    Not the loss: the trainer would average it over batches, whatever they hold.
    """
    super().validation_step(inputs, model, metrics)
    return {}

  def build_losses(self, labels, model_outputs, metrics, aux_losses=None):
    """Returns the mean loss of this replica's batch and records its parts."""
    token_losses = pretrain_losses.masked_lm_losses(labels, model_outputs)
    parts = pretrain_losses.mean_losses(labels, model_outputs, token_losses)
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
      `loss`, a scalar, the mean loss of the global batch, or without
      `scale_loss` that of this replica's batch; `gradient_norm`, a scalar, of
      this replica's share of the gradients, before they are clipped.
    """
    slices = self.task_config.gradient_accumulation_steps
    counts = pretrain_losses.loss_counts(inputs)
    shares = slices
    if self.task_config.scale_loss:
      counts = _global_sum(counts)
      shares *= tf.distribute.get_strategy().num_replicas_in_sync

    def forward_and_backward(batch):
      with tf.GradientTape() as tape:
        outputs = model(batch, training=True)
        token_losses = pretrain_losses.masked_lm_losses(
          batch, outputs
        )  # [B, P]
        parts = pretrain_losses.mean_losses(
          batch, outputs, token_losses, counts
        )
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
      self.loss: _global_sum(loss) if self.task_config.scale_loss else loss,
      "gradient_norm": _norm(optimizer, gradients),
    }

  def _record(self, metrics, batch, outputs, token_losses) -> None:
    """Feeds a batch to the metrics of training."""
    parts = pretrain_losses.mean_losses(batch, outputs, token_losses)
    kept_share = {"kept_share": _kept_share(batch, outputs)}
    _update_means(metrics, parts | kept_share, batch)
    self.process_metrics(metrics, batch, outputs)


def _make_weights(model: pretrainer.TokenDropPretrainer) -> None:
  """Calls the model once, since a branch of a step cannot make variables."""
  names = ["input_word_ids", "input_mask", "input_type_ids"]
  one = tf.zeros([1, 1], tf.int32)
  model(dict.fromkeys([*names, "masked_lm_positions"], one))


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


def _norm(optimizer, gradients: dict[int, tf.Tensor]) -> tf.Tensor:
  """Returns the norm of all gradients together.

  With a loss scale it is 0: Keras leaves out a step whose gradients overflow,
  and lowers the scale.
  """
  if isinstance(optimizer, tf_keras.mixed_precision.LossScaleOptimizer):
    return tf.constant(0.0)
  return tf.linalg.global_norm(list(gradients.values()))


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
  weights = pretrain_losses.loss_counts(labels) | {
    "kept_share": tf.reduce_sum(tf.cast(labels["input_mask"], tf.float32))
  }
  for metric in metrics:
    if metric.name in values:
      metric.update_state(
        values[metric.name], sample_weight=weights[metric.name]
      )
