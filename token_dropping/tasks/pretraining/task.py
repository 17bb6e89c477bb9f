# SPDX-License-Identifier: Apache-2.0
"""A step of pretraining, whatever is predicted: passes, losses, importance."""

import abc
import functools
from collections.abc import Callable

import tensorflow as tf
import tf_keras
from official.core import base_task
from official.core import config_definitions as cfg
from official.nlp.data import data_loader_factory

from token_dropping.data.batches import bad_records
from token_dropping.data.batches import pretrain_data
from token_dropping.data.batches import record_rules
from token_dropping.data.batches import rules
from token_dropping.dropping import step_schedule
from token_dropping.models import checkpoints
from token_dropping.tasks import optimizers
from token_dropping.tasks.pretraining import config as pretraining_config
from token_dropping.tasks.pretraining import metrics as metrics_lib


class PretrainingTask(base_task.Task, abc.ABC):
  """Pretrains a network that drops; evaluates it on whole sequences.

  A subclass knows what is predicted: its losses also teach the importance
  scorers which tokens are hard (Hou et al., ACL 2022, section 3.2). Models have
  `encoder_network`, whose scorer is the first, and `checkpoint_items`.
  """

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
      self._schedule,
      task.keep_schedule.train_steps,
      task.train_data.seq_length,
    )

  @property
  def _schedule(self) -> step_schedule.StepSchedule:
    return pretraining_config.schedule_of(self.task_config)

  def initialize(self, model: tf_keras.Model) -> None:
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
      optional = set() if drops else checkpoints.IMPORTANCE
    return checkpoints.find_items(items, optional, config.init_checkpoint)

  def build_inputs(self, params, input_context=None) -> tf.data.Dataset:
    """Reads batches, and checks their values."""
    own_rules = self._rules(params)
    loader = data_loader_factory.get_data_loader(params)
    # A run that goes on reads on from where its checkpoint was written.
    step = checkpoints.latest_step(self.logging_dir)
    if pretrain_data.skips_bad_records(params):
      skipper = bad_records.RecordSkipper(own_rules)
      self.skippers[own_rules.path] = skipper
      return loader.load(input_context, step, skipper)
    return loader.load(input_context, step).map(own_rules.check_batch)

  def _rules(self, data: cfg.DataConfig) -> record_rules.BatchRules:
    path = f"task.{'train' if data.is_training else 'validation'}_data"
    return rules.of(data, self.task_config.model.encoder.get(), path)

  def build_metrics(self, training: bool | None = None) -> list:
    """Of training, or of whole sequences and, where asked for, dropped ones."""
    task, prefixes = self.task_config, [""]
    if not training and task.dropped_validation:
      prefixes.append(metrics_lib.DROPPED)
    metrics = [
      make(name=f"{prefix}{name}")
      for prefix in prefixes
      for name, make in self._metrics(training).items()
    ]
    data = task.train_data if training else task.validation_data
    if pretrain_data.skips_bad_records(data):
      metrics.append(tf_keras.metrics.Sum(name=record_rules.SKIPPED))
    return metrics

  def validation_step(self, inputs, model, metrics) -> dict:
    """Evaluates whole sequences and, where asked for, dropped ones.

    The metrics have the loss: the trainer would average it over batches.
    """
    plans = {"": {}}
    if self.task_config.dropped_validation:
      plans[metrics_lib.DROPPED] = self._plans(model)
    batch = self._with_targets(inputs)
    for prefix, plan in plans.items():
      outputs = model(batch, training=False, **plan)
      self._evaluate(metrics, batch, outputs, prefix)
    metrics_lib.count_skipped(metrics, batch)
    return {}

  def train_step(self, inputs, model, optimizer, metrics) -> dict:
    """Runs forward and backward passes, then moves weights and importance.

    `inputs` is one replica's batch. Where a step has a second, full pass, loss,
    metrics and importance are still of the first, which drops. Returns scalars:
    `loss`, the mean of the global batch, without `scale_loss` of this
    replica's; `objective`, what the step minimises; `gradient_norm`, of this
    replica's share of the gradients, before they are clipped.
    """
    inputs = self._prepare(inputs, model)
    slices = self.task_config.gradient_accumulation_steps
    counts = self._counts(inputs)
    scorers = self._scorers(model)
    shares = slices
    if self.task_config.scale_loss:
      counts = _global_sum(counts)
      shares *= tf.distribute.get_strategy().num_replicas_in_sync

    def forward_and_backward(kind, batch):
      with tf.GradientTape() as tape:
        passes = [model(batch, training=True, plan=p) for p in kind.plans]
        token_losses = self._token_losses(batch, passes[0])
        loss, total = self._losses(batch, passes, token_losses, counts)
        objective = tf.add_n([total, *(more / shares for more in model.losses)])
        objective = optimizers.scaled(optimizer, objective)
      gradients = tape.gradient(objective, model.trainable_variables)
      self._record(metrics, batch, passes, token_losses)
      metrics_lib.count_skipped(metrics, batch)
      gradients = optimizers.dense(gradients)
      told = zip(scorers, self._told(passes[0]), strict=True)
      sums = [scorer.selector.sums_of(outputs) for scorer, outputs in told]
      return ((loss, total), gradients, sums), token_losses

    def run(kind):
      step = functools.partial(forward_and_backward, kind)
      return optimizers.accumulate(step, inputs, slices)

    with tf.init_scope():  # as optimizers do: reading it may make it
      steps_done = optimizer.iterations
    (losses, gradients, sums), token_losses = self._schedule.run(
      steps_done, run
    )
    optimizers.apply(optimizer, gradients, model.trainable_variables)
    self._teach(scorers, inputs, token_losses)
    for scorer, moved in zip(scorers, sums, strict=True):
      scorer.selector.move(moved)
    if self.task_config.scale_loss:
      losses = _global_sum(losses)
    return {
      self.loss: losses[0],
      "objective": losses[1],
      "gradient_norm": optimizers.norm(optimizer, gradients),
    }

  def _with_targets(self, inputs: dict) -> dict:
    """Returns a batch with what is predicted."""
    return inputs

  def _prepare(self, inputs: dict, model: tf_keras.Model) -> dict:
    """Returns a batch to train on, before it is sliced, with what is predicted.

    And where it is, if it is not everywhere.
    """
    return self._with_targets(inputs)

  def _plans(self, model: tf_keras.Model) -> dict:
    """Returns, as arguments of the model, what it drops where it can."""
    return {"plan": model.encoder_network.drop_plan}

  def _scorers(self, model: tf_keras.Model) -> list:
    """Returns what chooses among tokens: a scorer for each that drops."""
    return [model.encoder_network.importance_scorer]

  def _told(self, outputs: dict) -> list[dict]:
    """Returns the outputs that tell what each of the scorers has chosen."""
    return [outputs]

  @abc.abstractmethod
  def _metrics(self, training: bool | None) -> dict[str, Callable]:
    """Returns what makes the metrics, by their names."""

  @abc.abstractmethod
  def _evaluate(self, metrics, batch: dict, outputs: dict, prefix: str) -> None:
    """Feeds a batch to the metrics whose names begin with a prefix."""

  @abc.abstractmethod
  def _token_losses(self, batch: dict, outputs: dict):
    """Returns the loss of every prediction, [B, P], in nats.

    Or a structure of what scorers learn, with the batch in front.
    """

  @abc.abstractmethod
  def _counts(self, batch: dict) -> dict[str, tf.Tensor]:
    """Returns over how many labels or records each loss is a mean."""

  @abc.abstractmethod
  def _losses(self, batch, passes, token_losses, counts) -> tuple:
    """Returns the loss of the first pass, and what the step minimises."""

  @abc.abstractmethod
  def _record(self, metrics, batch, passes, token_losses) -> None:
    """Feeds a batch, or a slice of one, to the metrics."""

  @abc.abstractmethod
  def _teach(self, scorers: list, batch: dict, token_losses) -> None:
    """Tells importance what a step has lost where."""


def _global_sum(values):
  replica = tf.distribute.get_replica_context()
  return replica.all_reduce(tf.distribute.ReduceOp.SUM, values)
