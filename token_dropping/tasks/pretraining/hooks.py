# SPDX-License-Identifier: Apache-2.0
"""What a run asks of any pretraining, and of one that drops tokens."""

import abc
from collections.abc import Mapping

import tf_keras
from official.core import config_definitions as cfg

from token_dropping.data.batches import dataset_card
from token_dropping.data.batches import record_rules
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

  def importance_scorer(
    self, model: tf_keras.Model
  ) -> token_scorer.TokenScorer:
    return model.encoder_network.importance_scorer

  def mean_macs(self, shape: multiply_adds.Shape) -> float:
    schedule = pretraining_config.schedule_of(self.task)
    steps = self.params.trainer.train_steps
    shape = self.training_shape(shape)
    return multiply_adds.mean_macs(shape, schedule, steps)


def worded(
  outputs: Mapping, loss: str, words: Mapping[str, str], prefix: str = ""
) -> str:
  """Returns a loss and, after their words, what else there is of it.

  >>> worded({"a": 6.5, "b": 0.25}, "a", {"b": "accuracy", "c": "perplexity"})
  '6.500  accuracy 0.250'
  """
  found = {name: outputs.get(f"{prefix}{name}") for name in (loss, *words)}
  return "  ".join(
    f"{words[name]} {value:.3f}" if name in words else f"{value:.3f}"
    for name, value in found.items()
    if value is not None
  )
