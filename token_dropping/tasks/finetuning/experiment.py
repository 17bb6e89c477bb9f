# SPDX-License-Identifier: Apache-2.0
"""Experiments of fine-tuning: most of their config is already written down.

`--pretrained` gives encoder, vocabulary and weights; `task.data_dir` paths,
sequence length, classes and metrics; the number of records the steps. The rest
are BERT's published settings (Devlin et al., NAACL 2019, 4.1 and 4.2): batch
32, 3 epochs, AdamW, warm-up over a tenth of the steps, linear decay to 0.
"""

import abc
import functools
import math
import os
from collections.abc import Callable, Collection

import tensorflow as tf
from official.core import config_definitions as cfg
from official.core import exp_factory
from official.nlp.configs import encoders

from token_dropping.common import errors
from token_dropping.common import files
from token_dropping.common import vocabulary
from token_dropping.data.batches import finetuning_rules
from token_dropping.data.finetuning import finetune_folder
from token_dropping.data.text import tokenizer_config
from token_dropping.dropping import config as dropping_config
from token_dropping.dropping.importance import importance_types
from token_dropping.dropping.importance import token_scorer
from token_dropping.models import multiply_adds
from token_dropping.models import network_config
from token_dropping.models import networks
from token_dropping.tasks import encoder_checks
from token_dropping.tasks import hooks
from token_dropping.tasks import optimizers
from token_dropping.tasks.finetuning import task as task_lib

BATCH_SIZE = 32
# The records are in random order already; this makes epochs differ.
SHUFFLE_BUFFER = 10_000
MOST_STEPS_PER_LOOP = 100
_ENCODER = "task.model.encoder.any"
# Of the pretraining run's encoder; fine-tuning computes the whole sequence
# unless its own config says otherwise.
_WHOLE_SEQUENCE = {
  "token_keep_ratio": None,
  "token_keep_k": None,
  "drop_layer": None,
  "restore_layer": None,
  "stages": [],
  "drop": dropping_config.DropConfig().as_dict(),
  "drop_at_inference": False,
}


def make_experiment(
  task: cfg.TaskConfig,
  network: type[network_config.NetworkConfig],
  learning_rate: float,
) -> cfg.ExperimentConfig:
  """Returns the experiment of a task; 0 steps stand for what the data give."""
  task.model.encoder = encoders.EncoderConfig(type="any", any=network())
  for data in (task.train_data, task.validation_data):
    data.is_training = data.drop_remainder = data is task.train_data
    data.global_batch_size = BATCH_SIZE
    data.shuffle_buffer_size = SHUFFLE_BUFFER
  return cfg.ExperimentConfig(
    task=task,
    trainer=cfg.TrainerConfig(
      train_steps=0,
      steps_per_loop=0,
      summary_interval=0,
      checkpoint_interval=0,
      validation_interval=0,
      max_to_keep=1,
      best_checkpoint_export_subdir="best",
      optimizer_config=optimizers.adamw_config(learning_rate),
    ),
    restrictions=[
      "task.train_data.is_training != None",
      "task.validation_data.is_training != None",
    ],
  )


def register(name: str, make: Callable) -> list[str]:
  """Registers an experiment for each network; returns their names.

  `make` makes it of the class of a network's config.
  """
  makers = {
    f"{network.network}/{name}": functools.partial(make, network)
    for network in networks.CONFIGS
    if network.reads == token_scorer.ENCODER
  }
  for key, maker in makers.items():
    exp_factory.register_config_factory(key)(maker)
  return [*makers]


class FinetuneHooks(hooks.TaskHooks, abc.ABC):
  """Answers for what is fine-tuned; a subclass says what its data give."""

  takes_pretrained = True
  # What `dataset.json` may say that the data are.
  data_kinds: tuple[str, ...] = ()
  # The scores that the data may ask for.
  known_metrics: Collection[str] = ()

  @abc.abstractmethod
  def fill_in_data(self, card: dict) -> None:
    """Sets the fields of both data configs, and of the head, from a card."""

  def use_pretrained(self, encoder, vocab_file: str, checkpoint: str) -> None:
    """Takes all but what was dropped."""
    own = self.task.model.encoder.any.network
    rule = f"--pretrained must be a run of the experiment's network, {own}"
    errors.require(encoder.network == own, rule, f"one of {encoder.network}")
    config = encoder.replace()
    config.importance.type = config.importance_type
    config.override(_WHOLE_SEQUENCE)
    config.vocab_file = vocab_file
    self.task.model.encoder.any = config
    self.task.init_checkpoint = checkpoint

  def fill_in(self) -> None:
    """Sets what the data decide; refuses what was set to something else."""
    task, encoder = self.task, self.task.model.encoder.any
    given = (encoder.token_keep_ratio, encoder.token_keep_k, *encoder.stages)
    if given == (None, None):
      encoder.token_keep_ratio = 1.0
      encoder.importance = importance_types.ImportanceConfig()  # not asked
    rule = "must be a folder that token_dropping.data.finetune made"
    folder = task.data_dir
    errors.require(bool(folder), f"task.data_dir {rule}", repr(folder))
    card = finetune_folder.read_card(folder)
    self._check_kind(card)
    self.fill_in_data(card)
    if not encoder.vocab_file:  # without --pretrained
      encoder.vocab_file = os.path.join(folder, vocabulary.FILE)
    self._check_vocabulary(card)
    for name in card["metrics"] or [""]:
      where = f"metrics in {files.join(folder, finetune_folder.CARD)}"
      errors.require_choice(name, self.known_metrics, where)
    set_from_data(task, "task", metrics=tuple(card["metrics"]))
    if task.train_data.seed is None:
      task.train_data.seed = task.seed
    self._fill_in_steps(card["splits"]["train"]["records"])
    trainer = self.params.trainer
    if not trainer.best_checkpoint_eval_metric:
      trainer.best_checkpoint_eval_metric = self.score_names()[0]

  def check(self) -> None:
    task = self.task
    rule = "--pretrained must be the folder of a pretraining run"
    errors.require(bool(task.init_checkpoint), rule, "nothing")
    url = task.hub_module_url
    rule = "must be unset, so that all weights come from --pretrained"
    errors.require(not url, f"task.hub_module_url {rule}", repr(url))
    self._check_validation()
    encoder_checks.check_encoder(task)
    optimizers.check_privacy(task)
    errors.require(
      not task.model.encoder.any.drop_at_inference,
      f"{_ENCODER}.drop_at_inference must be false: what is evaluated is what "
      "is exported, the whole sequence",
      "true",
    )

  def record_rules(
    self, data: cfg.DataConfig, path: str
  ) -> finetuning_rules.FinetuningRules:
    return task_lib.record_rules(self.task, data, path)

  def find_doubts(self) -> list[str]:
    """Doubts what describes dropping where nothing drops."""
    encoder = self.task.model.encoder.any
    if encoder.token_keep_ratio != 1.0:
      return []
    unset = {
      "drop_layer": (encoder.drop_layer, None),
      "restore_layer": (encoder.restore_layer, None),
      "drop.type": (encoder.drop.type, dropping_config.DropConfig.type),
    }
    return [
      f"{_ENCODER}.{name} should be set with token_keep_ratio or token_keep_k: "
      f"nothing drops. Received: {value}"
      for name, (value, default) in unset.items()
      if value != default
    ]

  def vocab_file(self) -> str:
    return self.task.model.encoder.any.vocab_file

  def tokenizer_config(self) -> tokenizer_config.TokenizerConfig:
    return tokenizer_config.TokenizerConfig.from_folder(self.task.data_dir)

  def labels(self) -> tuple[str, ...]:
    return self.task.labels

  def mean_macs(self, shape: multiply_adds.Shape) -> float:
    """Returns those of every step: a plan does not change."""
    plan = self.task.model.encoder.any.drop_plan
    return multiply_adds.finetuning_macs(shape, plan)

  def set_data(self, card: dict, validation: list[str], **fields) -> None:
    """Sets paths of the splits, lengths and other fields of both data configs.

    The path of several splits to validate is a tuple.
    """
    folder = self.task.data_dir
    for name, splits in (("train", ["train"]), ("validation", validation)):
      paths = tuple(tf.io.gfile.join(folder, f"{s}.tfrecord") for s in splits)
      set_from_data(
        getattr(self.task, f"{name}_data"),
        f"task.{name}_data",
        input_path=paths[0] if len(paths) == 1 else paths,
        seq_length=card["seq_length"],
        **fields,
      )

  def _check_kind(self, card: dict) -> None:
    """Refuses data of another task, and says which experiment is for them."""
    kind, kinds = card["kind"], " or ".join(self.data_kinds)
    names = [
      name
      for name, other in hooks.EXPERIMENTS.items()
      if kind in getattr(other, "data_kinds", ())
    ]
    errors.require(
      kind in self.data_kinds and "train" in card["splits"],
      f"task.data_dir must hold {kinds} data to train on",
      f"{self.task.data_dir!r} of {card['task']} ({kind}, "
      f"--experiment={' '.join(names)})",
    )

  def _check_vocabulary(self, card: dict) -> None:
    path, folder = self.vocab_file(), self.task.data_dir
    vocabulary.Vocabulary.from_file(path)  # checks it
    rule = f"task.data_dir must be made with the vocabulary of the run, {path}"
    same = files.describe(path)["crc32"] == card["tokenizer"]["vocab_crc32"]
    errors.require(same, rule, f"{folder!r}, made with another one")

  def _check_validation(self) -> None:
    """Scores are of the whole dev set, and decide on the best checkpoint."""
    trainer, data = self.params.trainer, self.task.validation_data
    steps, why = trainer.validation_steps, "scores are of all data"
    rule = f"trainer.validation_steps must be -1: {why}"
    errors.require(steps == -1, rule, steps)
    rule = f"task.validation_data.drop_remainder must be false: {why}"
    errors.require(not data.drop_remainder, rule, "true")
    errors.require_choice(
      trainer.best_checkpoint_eval_metric,
      self.score_names(),
      "trainer.best_checkpoint_eval_metric",
    )

  def _fill_in_steps(self, records: int) -> None:
    """Turns epochs into steps, where steps are unset."""
    task, trainer = self.task, self.params.trainer
    data, epochs = task.train_data, task.epochs
    batch = data.global_batch_size
    steps = trainer.train_steps or math.ceil(epochs * records / batch)
    epoch = max(1, min(math.ceil(records / batch), steps))
    loop = trainer.steps_per_loop or min(MOST_STEPS_PER_LOOP, epoch)
    trainer.train_steps, trainer.steps_per_loop = steps, loop
    trainer.summary_interval = trainer.summary_interval or loop
    trainer.validation_interval = trainer.validation_interval or epoch
    trainer.checkpoint_interval = trainer.checkpoint_interval or epoch
    warmup = trainer.optimizer_config.warmup.get()
    if warmup is not None and warmup.warmup_steps is None:
      warmup.warmup_steps = round(task.warmup_share * steps)


def set_from_data(config, path: str, **values) -> None:
  """Sets fields that are unset; one with another value is a `UserError`."""
  for name, value in values.items():
    current, unset = getattr(config, name), getattr(type(config), name, None)
    if isinstance(value, tuple) and isinstance(current, list):
      current = tuple(current)
    rule = f"{path}.{name} must be unset or that of task.data_dir, {value!r}"
    errors.require(current in (unset, value), rule, repr(current))
    setattr(config, name, value)
