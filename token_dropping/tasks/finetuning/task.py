# SPDX-License-Identifier: Apache-2.0
"""What fine-tuning tasks share: the encoder, restored whole, and reading."""

import dataclasses

import tensorflow as tf
import tf_keras
from official.core import config_definitions as cfg
from official.core import input_reader
from official.modeling import hyperparams

from token_dropping.data.batches import epochs
from token_dropping.data.batches import finetuning_rules
from token_dropping.models import checkpoints
from token_dropping.models import network_config
from token_dropping.tasks import optimizers


@dataclasses.dataclass
class FinetuneConfig(hyperparams.Config):
  """Fields beside those of Model Garden's fine-tuning tasks.

  Attributes:
    data_dir: folder that `token_dropping.data.finetune` made. Input paths,
      sequence length, `labels` (names of classes) and `metrics` come from it.
    epochs: passes over the training data, unless `trainer.train_steps` is set.
    warmup_share: part of the steps in which the learning rate rises, unless the
      schedule's `warmup_steps` is set.
    seed: of new weights, dropout and the order of the data.
    deterministic: as in pretraining.
  """

  data_dir: str = ""
  epochs: float = 3.0
  warmup_share: float = 0.1
  seed: int = 0
  deterministic: bool = False
  labels: tuple[str, ...] = ()
  metrics: tuple[str, ...] = ()


def record_rules(
  task: FinetuneConfig, data: cfg.DataConfig, path: str
) -> finetuning_rules.FinetuningRules:
  """Returns the rules of the records that a data config, at a path, names."""
  return finetuning_rules.FinetuningRules(
    data,
    task.model.encoder.get(),
    path,
    getattr(task.model, "num_classes", None),
  )


class FinetuneTask:
  """Mixed into Model Garden's tasks: encoder, initialization, seed, reading.

  Only training drops tokens, where the config says so; then the importance that
  the pretraining run has learnt is part of the model.
  """

  @classmethod
  def create_optimizer(cls, optimizer_config, runtime_config=None):
    return optimizers.create_optimizer(optimizer_config, runtime_config)

  def build_encoder(self) -> tf_keras.layers.Layer:
    """Builds the encoder of the pretraining run, with random weights."""
    tf_keras.utils.set_random_seed(self.task_config.seed)
    return self.task_config.model.encoder.get().build(drop_in_training=True)

  def make_initializer(self) -> tf_keras.initializers.Initializer:
    """Returns that of a head's weights, as the encoder's are made."""
    config = self.task_config.model.encoder.get()
    return tf_keras.initializers.TruncatedNormal(
      stddev=config.initializer_range
    )

  def initialize(self, model) -> None:
    """Restores all of the encoder, and of importance if tokens drop."""
    checkpoints.restore(*self.initial_items(model), checkpoints.INITIAL)

  def initial_items(self, model, evaluates: bool = False) -> tuple[dict, str]:
    """Returns what `init_checkpoint` initializes, and its prefix, checked.

    To be evaluated, it must also have the head, which else is new.
    """
    items = model.checkpoint_items
    encoder = items["encoder"]
    names = ("encoder", *network_config.beside(encoder), "importance")
    items = {name: items[name] for name in names if name in items}
    if evaluates:
      items |= model.head_items
    return checkpoints.find_items(
      items, set(), self.task_config.init_checkpoint
    )

  def read(self, loader, input_context=None) -> tf.data.Dataset:
    """Reads on from the step of the run's last checkpoint.

    The batches are a function of the config of Model Garden's `loader`, which
    decodes and parses records, and of the step alone.
    """
    data, step = loader._params, checkpoints.latest_step(self.logging_dir)
    path = f"task.{'train' if data.is_training else 'validation'}_data"
    rules = record_rules(self.task_config, data, path)
    # `epochs` has shuffled and kept the records.
    reader = input_reader.InputReader(
      data.replace(cache=False, shuffle_buffer_size=1),
      decoder_fn=lambda record: loader._decode(rules.check(record)),
      parser_fn=loader._parse,
    )
    records = epochs.read_epochs(data, input_context, step)
    return reader.read(input_context, records.map(lambda one: one.record))


class FinetuneModel:
  """Mixed into Model Garden's models: importance is saved if tokens drop."""

  @property
  def head_items(self) -> dict:
    """The head, by its path in a checkpoint, where it is part of the model."""
    names = ("classifier", "span_labeling")
    there = {f"model/{name}": getattr(self, name, None) for name in names}
    return {path: head for path, head in there.items() if head is not None}

  @property
  def checkpoint_items(self) -> dict:
    encoder = self._network
    items = super().checkpoint_items | network_config.beside(encoder)
    if not encoder.drop_plan.drops:
      return items
    return items | {"importance": encoder.importance_scorer}
