# SPDX-License-Identifier: Apache-2.0
"""Which outputs of a task a run shows, and what it calls them."""

import dataclasses
from collections.abc import Mapping

from official.core import config_definitions as cfg

from token_dropping.tasks.finetuning import filling as finetune_filling
from token_dropping.tasks.sentences import task as sentence_task
from token_dropping.tasks.spans import task as span_task


@dataclasses.dataclass(frozen=True)
class ShownOutputs:
  """Names of outputs by the word that is shown for each.

  Attributes:
    train: of a training loop.
    evaluation: of an evaluation.
  """

  train: Mapping[str, str]
  evaluation: Mapping[str, str]


_MASKED_LM = {"loss": "lm_example_loss", "accuracy": "masked_lm_accuracy"}
MASKED_LM = ShownOutputs(_MASKED_LM, _MASKED_LM)


def of(task: cfg.TaskConfig) -> ShownOutputs:
  """Returns what to show of a task: losses and, of fine-tuning, the scores."""
  if not finetune_filling.is_finetuning(task):
    return MASKED_LM
  scores = {name: name for name in finetune_filling.score_names(task)}
  train = {"loss": "training_loss"}
  if isinstance(task, span_task.SpanTaskConfig):
    train["start accuracy"] = "start_position_accuracy"
    train["end accuracy"] = "end_position_accuracy"
    return ShownOutputs(train, scores)
  if task.model.num_classes > 1:
    train["accuracy"] = sentence_task.ACCURACY
  return ShownOutputs(train, {"loss": sentence_task.VALIDATION_LOSS} | scores)


def format_outputs(names: Mapping[str, str], outputs: Mapping) -> str:
  """Returns outputs on one line.

  Example:

  >>> format_outputs(MASKED_LM.train, {"lm_example_loss": 6.5})
  'loss 6.500  accuracy nan'
  """
  return "  ".join(
    f"{word} {outputs.get(name, float('nan')):.3f}"
    for word, name in names.items()
  )
