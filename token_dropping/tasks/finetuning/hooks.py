# SPDX-License-Identifier: Apache-2.0
"""What a run asks of fine-tuning: most of its config is already written down.

`--pretrained` gives encoder, vocabulary and weights; `task.data_dir` paths,
sequence length, classes and metrics; the number of records the steps.
"""

import math
import os

import tensorflow as tf

from token_dropping.common import errors
from token_dropping.common import files
from token_dropping.common import vocabulary
from token_dropping.data.finetuning import finetune_folder
from token_dropping.data.text import tokenizer_config
from token_dropping.dropping import config as dropping_config
from token_dropping.dropping.importance import importance_types
from token_dropping.models import encoder_config
from token_dropping.models import multiply_adds
from token_dropping.tasks import hooks

MOST_STEPS_PER_LOOP = 100
_FROM_RUN = "so that all weights come from --pretrained"
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


class FinetuneHooks(hooks.TaskHooks):
  """Answers for what is fine-tuned; a subclass says what its data give."""

  takes_pretrained = True
  # What `dataset.json` may say that the data are.
  data_kinds: tuple[str, ...] = ()

  def fill_in_data(self, card: dict) -> None:
    """Sets the fields of both data configs, and of the head, from a card."""
    raise NotImplementedError

  def use_pretrained(self, encoder, vocab_file: str, checkpoint: str) -> None:
    """Takes all but what was dropped."""
    config = encoder_config.TokenDropEncoderConfig(**encoder.as_dict())
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
    errors.require(
      bool(task.data_dir),
      "task.data_dir must be a folder that token_dropping.data.finetune made",
      repr(task.data_dir),
    )
    card = finetune_folder.read_card(task.data_dir)
    self._check_kind(card)
    self.fill_in_data(card)
    if not encoder.vocab_file:  # without --pretrained
      encoder.vocab_file = os.path.join(task.data_dir, vocabulary.FILE)
    self._check_vocabulary(card)
    set_from_data(task, "task", metrics=tuple(card["metrics"]))
    if task.train_data.seed is None:
      task.train_data.seed = task.seed
    self._fill_in_steps(card["splits"]["train"]["records"])
    trainer = self.params.trainer
    if not trainer.best_checkpoint_eval_metric:
      trainer.best_checkpoint_eval_metric = self.score_names()[0]

  def check(self) -> None:
    task = self.task
    errors.require(
      bool(task.init_checkpoint),
      "--pretrained must be the folder of a pretraining run",
      "nothing",
    )
    errors.require(
      not task.hub_module_url,
      f"task.hub_module_url must be unset, {_FROM_RUN}",
      repr(task.hub_module_url),
    )
    errors.require(
      0 <= task.warmup_share <= 1,
      "task.warmup_share must be in [0, 1]",
      task.warmup_share,
    )
    errors.require(task.seed >= 0, "task.seed must be at least 0", task.seed)
    self._check_validation()
    encoder_config.check_encoder(task)
    errors.require(
      not task.model.encoder.any.drop_at_inference,
      f"{_ENCODER}.drop_at_inference must be false: what is evaluated is what "
      "is exported, the whole sequence",
      "true",
    )

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

  def mean_macs(self, shape: multiply_adds.BertShape) -> float:
    """Returns those of every step: a plan does not change."""
    plan = self.task.model.encoder.any.drop_plan
    return multiply_adds.finetuning_macs(shape, plan)

  def _check_kind(self, card: dict) -> None:
    """Refuses data of another task, and says which experiment is for them."""
    names = [
      name
      for name, other in hooks.EXPERIMENTS.items()
      if card["kind"] in getattr(other, "data_kinds", ())
    ]
    errors.require(
      card["kind"] in self.data_kinds and "train" in card["splits"],
      f"task.data_dir must hold {' or '.join(self.data_kinds)} data to train "
      "on",
      f"{self.task.data_dir!r} of {card['task']} ({card['kind']}, "
      f"--experiment={' '.join(names)})",
    )

  def _check_vocabulary(self, card: dict) -> None:
    path = self.vocab_file()
    checksum = files.describe(path)["crc32"]
    errors.require(
      checksum == card["tokenizer"]["vocab_crc32"],
      f"task.data_dir must be made with the vocabulary of the run, {path}",
      f"{self.task.data_dir!r}, made with another one",
    )

  def _check_validation(self) -> None:
    """Scores are of the whole dev set, and decide on the best checkpoint."""
    trainer, data = self.params.trainer, self.task.validation_data
    errors.require(
      data.global_batch_size >= 1,
      "task.validation_data.global_batch_size must be at least 1",
      data.global_batch_size,
    )
    errors.require(
      trainer.validation_steps == -1,
      "trainer.validation_steps must be -1: scores are of all data",
      trainer.validation_steps,
    )
    errors.require(
      not data.drop_remainder,
      "task.validation_data.drop_remainder must be false: scores are of all "
      "data",
      "true",
    )
    names, metric = self.score_names(), trainer.best_checkpoint_eval_metric
    errors.require(
      metric in names,
      f"trainer.best_checkpoint_eval_metric must be one of {', '.join(names)}",
      repr(metric),
    )

  def _fill_in_steps(self, records: int) -> None:
    """Turns epochs into steps, where steps are unset."""
    task, trainer = self.task, self.params.trainer
    batch = task.train_data.global_batch_size
    errors.require(
      task.epochs > 0, "task.epochs must be greater than 0", task.epochs
    )
    errors.require(
      batch >= 1, "task.train_data.global_batch_size must be at least 1", batch
    )
    if not trainer.train_steps:
      trainer.train_steps = math.ceil(task.epochs * records / batch)
    epoch = max(1, min(math.ceil(records / batch), trainer.train_steps))
    for name, value in (
      ("validation_interval", epoch),
      ("checkpoint_interval", epoch),
      ("steps_per_loop", min(MOST_STEPS_PER_LOOP, epoch)),
    ):
      if not getattr(trainer, name):
        setattr(trainer, name, value)
    if not trainer.summary_interval:
      trainer.summary_interval = trainer.steps_per_loop
    warmup = trainer.optimizer_config.warmup.get()
    if warmup is not None and warmup.warmup_steps is None:
      warmup.warmup_steps = round(task.warmup_share * trainer.train_steps)


def record_paths(folder: str, splits: list[str]) -> str | tuple[str, ...]:
  """Returns the file of each split of prepared data; of one, no tuple."""
  paths = tuple(tf.io.gfile.join(folder, f"{s}.tfrecord") for s in splits)
  return paths[0] if len(paths) == 1 else paths


def set_from_data(config, path: str, **values) -> None:
  """Sets fields that are unset; one with another value is a `UserError`."""
  for name, value in values.items():
    current = getattr(config, name)
    if isinstance(value, tuple) and isinstance(current, list):
      current = tuple(current)
    errors.require(
      current in (getattr(type(config), name, None), value),
      f"{path}.{name} must be unset or that of task.data_dir, {value!r}",
      repr(current),
    )
    setattr(config, name, value)
