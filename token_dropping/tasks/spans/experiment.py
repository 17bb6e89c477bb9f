# SPDX-License-Identifier: Apache-2.0
"""Registers `bert/token_drop_squad` and that of each network, and answers."""

import numpy as np
from official.core import config_definitions as cfg

from token_dropping.models import network_config
from token_dropping.tasks import hooks
from token_dropping.tasks.finetuning import experiment
from token_dropping.tasks.spans import task as span_task


def make_experiment(
  network: type[network_config.NetworkConfig],
) -> cfg.ExperimentConfig:
  """Fine-tunes a pretrained encoder to find answers in a text."""
  task = span_task.SpanTaskConfig()
  return experiment.make_experiment(task, network, learning_rate=5e-5)


class SpanHooks(experiment.FinetuneHooks):
  """Answers for questions whose answer is a part of a text."""

  data_kinds = ("span",)
  known_metrics = ("exact_match", "f1")

  def fill_in_data(self, card: dict) -> None:
    """Sets paths and how texts were cut into windows."""
    settings = card["settings"]
    experiment.set_from_data(self.task, "task", labels=())
    self.set_data(
      card,
      ["validation"],
      doc_stride=settings["doc_stride"],
      query_length=settings["query_length"],
      version_2_with_negative=card["version_2_with_negative"],
    )

  def score_names(self) -> list[str]:
    """Returns exact match and F1, which leads, as on SQuAD's board."""
    return list(self.task.metrics)[::-1]

  def shown_outputs(self) -> hooks.ShownOutputs:
    train = {
      "loss": "training_loss",
      "start accuracy": "start_position_accuracy",
      "end accuracy": "end_position_accuracy",
    }
    scores = {name: name for name in self.score_names()}
    return hooks.ShownOutputs(train, scores)

  def made_up_batch(self, batch_size: int) -> tuple[dict, dict]:
    zeros = np.zeros([batch_size], np.int32)
    labels = {"start_positions": zeros, "end_positions": zeros}
    return self._made_up_features(batch_size), labels


NAMES = experiment.register("token_drop_squad", make_experiment)
hooks.register(span_task.SpanTaskConfig, SpanHooks, *NAMES)
