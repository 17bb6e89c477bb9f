# SPDX-License-Identifier: Apache-2.0
"""Masked-LM pretraining with token dropping.

Model Garden's `MaskedLMTask`, whose losses also teach the importance scorer
which tokens are hard (Hou et al., ACL 2022, section 3.2).
"""

import functools

import tensorflow as tf
import tf_keras
from official.core import task_factory
from official.nlp.modeling import layers
from official.nlp.tasks import masked_lm

from token_dropping.data.batches import bad_records
from token_dropping.data.batches import pretrain_data
from token_dropping.data.batches import record_rules
from token_dropping.dropping import keep_schedule
from token_dropping.models import checkpoints
from token_dropping.models import pretrainer
from token_dropping.tasks import optimizers
from token_dropping.tasks.masked_lm import config as masked_lm_config
from token_dropping.tasks.masked_lm import losses as mlm_losses
from token_dropping.tasks.masked_lm import semantic_consistency


@task_factory.register_task_cls(masked_lm_config.TokenDropMaskedLMConfig)
class TokenDropMaskedLMTask(masked_lm.MaskedLMTask):
  """Pretrains a `TokenDropEncoder`; evaluates it on whole sequences."""

  def __init__(self, *args, **kwargs):
    super().__init__(*args, **kwargs)
    self.skippers = {}  # `RecordSkipper`s by dotted path of their data config

  def create_optimizer(self, optimizer_config, runtime_config=None):
    """Builds the optimizer; its rate may follow the schedule of this task."""
    return optimizers.create_optimizer(
      optimizer_config, runtime_config, self._wrap_rate
    )

  def _wrap_rate(self, rate):
    task = self.task_config
    if not task.learning_rate_by_layer_tokens:
      return rate
    return optimizers.LayerTokenRate(
      rate,
      masked_lm_config.schedule_of(task),
      task.keep_schedule.train_steps,
      task.train_data.seq_length,
    )

  def build_model(self, params=None) -> pretrainer.TokenDropPretrainer:
    config = params or self.task_config.model
    network = config.encoder.get()
    model = network.build_pretrainer(
      pretrainer.TokenDropPretrainer,
      network.build(),
      config.mlm_activation,
      tf_keras.initializers.TruncatedNormal(
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
      checkpoints.restore(*self.initial_items(model), checkpoints.INITIAL)

  def initial_items(self, model, evaluates: bool = False) -> tuple[dict, str]:
    """Returns what `init_checkpoint` initializes, and its prefix, checked.

    The whole encoder. Heads and importance that it lacks, such as a plain
    BERT's, keep their values; to be evaluated, heads must be there, and
    importance where an evaluation drops by it.
    """
    items, config = model.checkpoint_items, self.task_config
    optional = items.keys() - {"encoder"}
    if evaluates:
      encoder = config.model.encoder.get()
      drops = config.dropped_validation or encoder.drop_at_inference
      optional = set() if drops else {"importance"}
    return checkpoints.find_items(items, optional, config.init_checkpoint)

  def build_inputs(self, params, input_context=None) -> tf.data.Dataset:
    """Reads batches, masks them where asked to, and checks their values."""
    encoder = self.task_config.model.encoder.get()
    path = f"task.{'train' if params.is_training else 'validation'}_data"
    rules = record_rules.RecordRules(params, encoder, path)
    made_up = params.input_path == "dummy"
    if not isinstance(params, pretrain_data.PretrainDataConfig) or made_up:
      dataset = super().build_inputs(params, input_context)
      return dataset.map(rules.check_batch)
    # A run that goes on reads on from where its checkpoint was written.
    step = checkpoints.latest_step(self.logging_dir)
    loader = pretrain_data.PretrainDataLoader(params)
    if pretrain_data.skips_bad_records(params):
      self.skippers[path] = bad_records.RecordSkipper(rules)
      return loader.load(input_context, step, self.skippers[path])
    return loader.load(input_context, step).map(rules.check_batch)

  def build_metrics(self, training: bool | None = None) -> list:
    """Model Garden's metrics; also those of the options that are used."""
    metrics = super().build_metrics(training=training)
    data = self.task_config.validation_data
    if training:
      data = self.task_config.train_data
      metrics.append(tf_keras.metrics.Mean(name="kept_share"))
      if self.task_config.semantic_consistency.interval:
        metrics += [
          mlm_losses.OccasionalMean(name=name)
          for name in semantic_consistency.METRICS
        ]
    elif self.task_config.dropped_validation:
      metrics += mlm_losses.make_dropped()
    if pretrain_data.skips_bad_records(data):
      metrics.append(tf_keras.metrics.Sum(name=record_rules.SKIPPED))
    return metrics

  def process_metrics(self, metrics, labels, model_outputs) -> None:
    """Feeds a batch to the accuracies, and counts its skipped records."""
    by_name = {metric.name: metric for metric in metrics}
    sentences = by_name.pop("next_sentence_accuracy", None)
    super().process_metrics(list(by_name.values()), labels, model_outputs)
    if sentences is not None:
      sentences.update_state(
        labels["next_sentence_labels"],
        model_outputs["next_sentence"],
        sample_weight=mlm_losses.sentence_weights(labels),
      )
    skipped = by_name.get(record_rules.SKIPPED)
    if skipped is not None:
      skipped.update_state(labels[record_rules.SKIPPED])

  def build_losses(self, labels, model_outputs, metrics, aux_losses=None):
    """Returns the mean loss of this replica's batch and records its parts."""
    token_losses = mlm_losses.masked_lm_losses(labels, model_outputs)
    parts = mlm_losses.mean_losses(labels, model_outputs, token_losses)
    weights = mlm_losses.loss_counts(labels)
    mlm_losses.update_means(metrics, parts, weights)
    return tf.add_n([*parts.values(), *(aux_losses or [])])

  def validation_step(self, inputs, model, metrics) -> dict:
    """Evaluates whole sequences and, where asked for, dropped ones.

    The metrics have the loss: the trainer would average it over batches.
    """
    if self.task_config.dropped_validation:
      mlm_losses.update_dropped(inputs, model, metrics)
    super().validation_step(inputs, model, metrics)
    return {}

  def train_step(self, inputs, model, optimizer, metrics) -> dict:
    """Runs forward and backward passes, then moves weights and importance.

    `inputs` is one replica's batch. Where a step has a second, full pass, loss,
    metrics and importance are still of the first, which drops. Returns scalars:
    `loss`, the mean of the global batch, without `scale_loss` of this
    replica's; `objective`, what the step minimises; `gradient_norm`, of this
    replica's share of the gradients, before they are clipped.
    """
    slices = self.task_config.gradient_accumulation_steps
    counts = self._counts(inputs)
    shares = slices
    if self.task_config.scale_loss:
      counts = _global_sum(counts)
      shares *= tf.distribute.get_strategy().num_replicas_in_sync

    def forward_and_backward(kind, batch):
      with tf.GradientTape() as tape:
        passes = [model(batch, training=True, plan=p) for p in kind.plans]
        token_losses = mlm_losses.masked_lm_losses(batch, passes[0])
        loss, total = self._losses(batch, passes, token_losses, counts)
        objective = tf.add_n([total, *(more / shares for more in model.losses)])
        objective = optimizers.scaled(optimizer, objective)
      gradients = tape.gradient(objective, model.trainable_variables)
      self._record(metrics, batch, passes, token_losses)
      gradients = optimizers.dense(gradients)
      return ((loss, total), gradients), token_losses  # [B, P]

    def run(kind):
      step = functools.partial(forward_and_backward, kind)
      return optimizers.accumulate(step, inputs, slices)

    schedule = masked_lm_config.schedule_of(self.task_config)
    with tf.init_scope():  # as optimizers do: reading it may make it
      steps_done = optimizer.iterations
    (losses, gradients), token_losses = schedule.run(steps_done, run)
    optimizers.apply(optimizer, gradients, model.trainable_variables)
    model.encoder_network.importance_scorer.update(
      inputs["masked_lm_ids"], token_losses, inputs["masked_lm_weights"]
    )
    if self.task_config.scale_loss:
      losses = _global_sum(losses)
    return {
      self.loss: losses[0],
      "objective": losses[1],
      "gradient_norm": optimizers.norm(optimizer, gradients),
    }

  def _counts(self, batch: dict) -> dict[str, tf.Tensor]:
    """Returns over how many labels or records each loss is a mean."""
    if self.task_config.semantic_consistency.interval:
      return semantic_consistency.counts(batch)
    return mlm_losses.loss_counts(batch)

  def _losses(self, batch, passes, token_losses, counts) -> tuple:
    """Returns the loss of the first pass, and what the step minimises."""
    outputs, *full = passes
    parts = mlm_losses.mean_losses(batch, outputs, token_losses, counts)
    loss = tf.add_n(list(parts.values()))
    if not full:
      return loss, loss
    config = self.task_config.semantic_consistency
    added = semantic_consistency.terms(
      batch, outputs, *full, config.detach, counts
    )
    return loss, semantic_consistency.objective(config, loss, added)

  def _record(self, metrics, batch, passes, token_losses) -> None:
    outputs, *full = passes
    means = mlm_losses.mean_losses(batch, outputs, token_losses)
    means["kept_share"] = _kept_share(batch, outputs)
    weights = self._counts(batch)
    weights["kept_share"] = tf.reduce_sum(
      tf.cast(batch["input_mask"], tf.float32)
    )
    if full:
      means |= semantic_consistency.terms(batch, outputs, *full, detach=True)
      weights["full_lm_example_loss"] = weights["lm_example_loss"]
    mlm_losses.update_means(metrics, means, weights)
    self.process_metrics(metrics, batch, outputs)


def _make_weights(model: pretrainer.TokenDropPretrainer) -> None:
  """Calls the model once, since a branch of a step cannot make variables.

  The call drops nothing: its one token may be fewer than what stays.
  """
  names = ["input_word_ids", "input_mask", "input_type_ids"]
  one = tf.zeros([1, 1], tf.int32)
  plan = keep_schedule.full_plan(model.encoder_network.drop_plan)
  model(dict.fromkeys([*names, "masked_lm_positions"], one), plan=plan)


def _global_sum(values):
  replica = tf.distribute.get_replica_context()
  return replica.all_reduce(tf.distribute.ReduceOp.SUM, values)


def _kept_share(inputs: dict, outputs: dict) -> tf.Tensor:
  """Returns the share of real tokens computed in the middle layers, a mean."""
  if "computed_share" not in outputs:
    return tf.constant(1.0)
  mask = tf.cast(inputs["input_mask"], tf.float32)
  computed = outputs["computed_share"] * mask
  return tf.math.divide_no_nan(tf.reduce_sum(computed), tf.reduce_sum(mask))
