# SPDX-License-Identifier: Apache-2.0
"""What a run asks of any pretraining, and of one that drops tokens."""

import abc
from collections.abc import Mapping, Sequence

import tf_keras
from official.core import config_definitions as cfg

from token_dropping.common import errors
from token_dropping.data.batches import dataset_card
from token_dropping.data.batches import record_rules
from token_dropping.data.batches import rules
from token_dropping.dropping.importance import importance_types
from token_dropping.dropping.importance import token_scorer
from token_dropping.models import multiply_adds
from token_dropping.tasks import hooks
from token_dropping.tasks.pretraining import checks
from token_dropping.tasks.pretraining import config as pretraining_config
from token_dropping.tasks.pretraining import metrics


class PretrainingHooks(hooks.TaskHooks, abc.ABC):
  """Answers for a language model: a subclass words its losses."""

  # Whether an evaluation leaves tokens out, as training does.
  evaluation_drops = False

  @property
  def _data(self) -> dict[str, cfg.DataConfig]:
    names = ("train_data", "validation_data")
    return {f"task.{name}": getattr(self.task, name) for name in names}

  def record_rules(
    self, data: cfg.DataConfig, path: str
  ) -> record_rules.BatchRules:
    return rules.of(data, self.task.model.encoder.get(), path)

  @abc.abstractmethod
  def _losses(self, outputs: Mapping, prefix: str = "") -> str:
    """Words outputs, whose names have a prefix, for the end of a run."""

  def summarize(
    self, train: Mapping, evaluation: Mapping, best: dict | None
  ) -> list[tuple[str, str]]:
    """Puts the loss beside that with dropping and that of a guess."""
    del best
    lines = []
    if train:
      lines.append(("training loss", self._losses(train)))
    if evaluation:
      seen = "with dropping" if self.evaluation_drops else "whole sequences"
      text = f"{self._losses(evaluation)}  ({seen})"
      lines.append(("validation loss", text))
    if any(name.startswith(metrics.DROPPED) for name in evaluation):
      text = self._losses(evaluation, metrics.DROPPED)
      text += "  (validation, with dropping)"
      lines.append(("dropped loss", text))
    unigram_loss = dataset_card.unigram_loss(self.task.validation_data)
    if unigram_loss is not None and evaluation:
      text = f"{unigram_loss:.3f}  (best guess without context)"
      lines.append(("unigram loss", text))
    places = {"training": train, "the last evaluation": evaluation}
    skipped = [
      f"{outputs[record_rules.SKIPPED]:,.0f} in {where}"
      for where, outputs in places.items()
      if outputs.get(record_rules.SKIPPED)
    ]
    if skipped:
      lines.append(("skipped records", ", ".join(skipped)))
    return lines


class DroppingHooks(hooks.TaskHooks):
  """Answers for pretraining with token dropping; comes before other hooks."""

  @property
  def evaluation_drops(self) -> bool:
    encoder = self.task.model.encoder.any
    if not encoder.drop_at_inference:
      return False
    length = self.task.validation_data.seq_length
    return any(k < length for k in encoder.drop_plan.keep_counts(length))

  def fill_in(self) -> None:
    """A schedule of keep ratios changes to the end."""
    super().fill_in()
    schedule = self.task.keep_schedule
    if schedule.changes and not schedule.train_steps:
      schedule.train_steps = self.params.trainer.train_steps

  def check(self) -> None:
    super().check()
    checks.check_options(self.task)
    checks.check_learning_rate(self.params)

  def find_doubts(self) -> list[str]:
    """Doubts fields that the chosen types do not read."""
    schedule, encoder = self.task.keep_schedule, self.task.model.encoder.any
    doubts = super().find_doubts()
    for path, kind, config, names in (
      ("task.keep_schedule", schedule.type, schedule, schedule.unread),
      (
        "task.model.encoder.any.importance",
        encoder.importance_type,
        encoder.importance,
        importance_types.unread(encoder),
      ),
    ):
      doubts += [
        f"{path}.{name} should be unset with {path}.type={kind}, which does "
        f"not read it. Received: {errors.shorten(getattr(config, name))}"
        for name in names
      ]
    return doubts

  def importance_scorer(
    self, model: tf_keras.Model
  ) -> token_scorer.TokenScorer:
    return model.encoder_network.importance_scorer

  def mean_macs(self, shape: multiply_adds.Shape) -> float:
    schedule = pretraining_config.schedule_of(self.task)
    steps = self.params.trainer.train_steps
    shape = self.training_shape(shape)
    return multiply_adds.mean_macs(shape, schedule, steps)


class TokenizerHooks(DroppingHooks, PretrainingHooks):
  """Answers for a network whose records lie beside a tokenizer in one file.

  A subclass names class and file of this `tokenizer`, its `loss`, and what else
  there is of it with the `words` before.
  """

  tokenizer: type
  tokenizer_file: str
  loss: str
  words: Mapping[str, str]

  def run_files(self) -> dict[str, str]:
    name = self.tokenizer_file
    path = dataset_card.find_beside(self.task.train_data, name)
    return {name: path} if path else {}

  def token_names(self) -> Sequence[str]:
    paths = self.run_files().values()
    return next((self.tokenizer.from_file(path).names for path in paths), ())

  def _losses(self, outputs: Mapping, prefix: str = "") -> str:
    words = {self.loss: ""} | {n: f"{word} " for n, word in self.words.items()}
    values = {name: outputs.get(f"{prefix}{name}") for name in words}
    return "  ".join(
      f"{words[name]}{value:.3f}"
      for name, value in values.items()
      if value is not None
    )
