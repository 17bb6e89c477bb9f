# SPDX-License-Identifier: Apache-2.0
"""What a run asks of its task, and who answers.

A task is a folder beside this file: config and step (`task.py`), and hooks,
registered for `--experiment` (`experiment.py`). It stands in the list of
`experiments.py` and nowhere else.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tf_keras
from official.core import config_definitions as cfg

from token_dropping.common import vocabulary
from token_dropping.data.text import tokenizer_config
from token_dropping.dropping.importance import token_scorer
from token_dropping.models import multiply_adds


@dataclasses.dataclass(frozen=True)
class ShownOutputs:
  """Names of outputs, of training and of evaluation, by the word shown."""

  train: Mapping[str, str]
  evaluation: Mapping[str, str]


class TaskHooks:
  """The answers of a task; here those of one that adds nothing."""

  # Whether `--pretrained` gives it encoder, vocabulary and weights.
  takes_pretrained = False

  def __init__(self, params: cfg.ExperimentConfig):
    self.params = params  # whole, since a task looks at the trainer too
    self.task = params.task

  # From flags to a checked config.

  def use_pretrained(self, encoder, vocab_file: str, checkpoint: str) -> None:
    """Takes the encoder's config and weights of a run, before all overrides."""
    raise NotImplementedError

  def fill_in(self) -> None:
    """Sets, after overrides, what data or other fields say; may refuse some."""

  def check(self) -> None:
    """Raises `UserError` at the first rule that the config breaks."""

  def record_rules(self, data: cfg.DataConfig, path: str):
    """Returns the rules of a data config's records, at a path, if it has any.

    They have `data`, `path` and `check_record`.
    """
    del data, path

  def check_beside(self, data: cfg.DataConfig) -> None:
    """Raises `UserError` for other files beside records, if these are wrong."""
    del data

  def find_doubts(self) -> list[str]:
    """Returns one line for each setting that is allowed but looks wrong."""
    return []

  # What stands in the folder of the run.

  def vocab_file(self) -> str:
    """Returns the path of the vocabulary; empty: not known."""
    return ""

  def token_names(self) -> Sequence[str]:
    """Returns what each id stands for, for people; empty: not known."""
    path = self.vocab_file()
    return vocabulary.Vocabulary.from_file(path).tokens if path else ()

  def tokenizer_config(self) -> tokenizer_config.TokenizerConfig | None:
    """Returns how text was normalized; `None`: not known."""
    return None

  def run_files(self) -> dict[str, str]:
    """Returns the paths of other files to be copied there, by name."""
    return {}

  def labels(self) -> tuple[str, ...]:
    """Returns the names of the classes, if it has any."""
    return ()

  # What the run shows.

  def score_names(self) -> list[str]:
    """Returns the names of the scores to compare runs by, the leading first."""
    return []

  def shown_outputs(self) -> ShownOutputs:
    return ShownOutputs({"loss": "training_loss"}, {"loss": "validation_loss"})

  def summarize(
    self, train: Mapping, evaluation: Mapping, best: dict | None
  ) -> list[tuple[str, str]]:
    """Returns the lines at the end of a run, each a name and a text.

    `best` has `scores` by name and `step` of the best checkpoint.
    """
    shown = self.shown_outputs()
    lines = []
    if train:
      lines.append(("training", format_outputs(shown.train, train)))
    if evaluation:
      text = format_outputs(shown.evaluation, evaluation)
      lines.append(("validation", text))
    if best:
      scores, names = best["scores"], shown.evaluation
      names = {word: name for word, name in names.items() if name in scores}
      text = format_outputs(names, scores)
      lines.append(("best", f"{text}  (step {best['step']:,})"))
    return lines

  def importance_scorer(
    self, model: tf_keras.Model
  ) -> token_scorer.TokenScorer | None:
    """Returns what scores tokens, if training shows how the scores move."""
    del model
    return None

  # What a dry run needs.

  def made_up_batch(self, batch_size: int) -> Any:
    """Returns one random batch as the task's input yields it, of arrays."""
    raise NotImplementedError

  def training_shape(self, shape: multiply_adds.Shape) -> multiply_adds.Shape:
    """Returns a network's sizes as a pass of training has them."""
    return shape

  def mean_macs(self, shape: multiply_adds.Shape) -> float | None:
    """Returns training's mean forward multiply-adds; `None`: nothing drops."""
    del shape
    return None

  def _made_up_features(self, batch_size: int) -> dict[str, np.ndarray]:
    """Returns what the encoder reads, int32 [B, S]."""
    size = [batch_size, self.task.train_data.seq_length]
    vocab_size = self.task.model.encoder.get().vocab_size
    ids = np.random.default_rng(0).integers(0, vocab_size, size, np.int32)
    return {
      "input_word_ids": ids,
      "input_mask": np.ones_like(ids),
      "input_type_ids": np.zeros_like(ids),
    }


# By name of the experiment, in the order in which they are listed.
EXPERIMENTS: dict[str, type[TaskHooks]] = {}
_BY_CONFIG: dict[type[cfg.TaskConfig], type[TaskHooks]] = {
  cfg.TaskConfig: TaskHooks
}


def register(
  config: type[cfg.TaskConfig], hooks: type[TaskHooks], *experiments: str
) -> None:
  """Makes hooks answer for a config class, and for experiments by name."""
  _BY_CONFIG[config] = hooks
  EXPERIMENTS.update(dict.fromkeys(experiments, hooks))


def of(params: cfg.ExperimentConfig) -> TaskHooks:
  """Returns the hooks of an experiment's task, or of the nearest base class."""
  classes = (c for c in type(params.task).__mro__ if c in _BY_CONFIG)
  return _BY_CONFIG[next(classes)](params)


def format_outputs(names: Mapping[str, str], outputs: Mapping) -> str:
  """Returns outputs on one line.

  >>> format_outputs({"loss": "a", "accuracy": "b"}, {"a": 6.5})
  'loss 6.500  accuracy nan'
  """
  return "  ".join(
    f"{word} {outputs.get(name, float('nan')):.3f}"
    for word, name in names.items()
  )
