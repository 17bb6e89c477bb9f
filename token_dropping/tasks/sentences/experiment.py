# SPDX-License-Identifier: Apache-2.0
"""Registers `bert/token_drop_glue` and that of each network, and answers.

BERT on GLUE takes the best of 2e-5 to 5e-5 on the dev set (`--sweep`).
"""

import numpy as np
from official.core import config_definitions as cfg

from token_dropping.common import errors
from token_dropping.data.finetuning import glue_tasks
from token_dropping.models import network_config
from token_dropping.tasks import hooks
from token_dropping.tasks.finetuning import experiment
from token_dropping.tasks.sentences import task as sentence_task


def make_experiment(
  network: type[network_config.NetworkConfig],
) -> cfg.ExperimentConfig:
  """Fine-tunes a pretrained encoder on sentences or pairs of them."""
  task = sentence_task.SentenceTaskConfig()
  task.model.use_encoder_pooler = network.has_pooler
  return experiment.make_experiment(task, network, learning_rate=2e-5)


class SentenceHooks(experiment.FinetuneHooks):
  """Answers for classes, or a number."""

  data_kinds = ("classification", "regression")
  known_metrics = tuple(sentence_task.SCORES)

  def fill_in_data(self, card: dict) -> None:
    """Sets paths, sizes, labels and the names of the texts."""
    task, set_fields = self.task, experiment.set_from_data
    rule = f"num_classes in {task.data_dir} must be the number of labels, or 1"
    fits = card["num_classes"] == (len(card["labels"]) or 1)
    errors.require(fits, rule, card["num_classes"])
    set_fields(task, "task", labels=tuple(card["labels"]))
    set_fields(task.model, "task.model", num_classes=card["num_classes"])
    self.set_data(
      card,
      [name for name in card["splits"] if name.startswith("validation")],
      label_type="float" if card["kind"] == "regression" else "int",
      text_fields=_text_fields(card),
    )

  def check(self) -> None:
    """Refuses fields of Model Garden's task that have no effect here, too."""
    super().check()
    metric, own_pooler = self.task.metric_type, not self.task.init_cls_pooler
    rule = "task.metric_type must be unset: task.data_dir says how to score"
    errors.require(metric == "accuracy", rule, repr(metric))
    pools = self.task.model.use_encoder_pooler
    has_pooler = self.task.model.encoder.any.has_pooler
    rule = "task.model.use_encoder_pooler must be false: the network has none"
    errors.require(has_pooler or not pools, rule, "true")
    rule = "must be false: the encoder's own pooler is used"
    errors.require(own_pooler, f"task.init_cls_pooler {rule}", "true")

  def score_names(self) -> list[str]:
    return sentence_task.score_names(self.task)

  def shown_outputs(self) -> hooks.ShownOutputs:
    train = {"loss": "training_loss"}
    if self.task.model.num_classes > 1:
      train["accuracy"] = sentence_task.ACCURACY
    scores = {name: name for name in self.score_names()}
    loss = {"loss": sentence_task.VALIDATION_LOSS}
    return hooks.ShownOutputs(train, loss | scores)

  def made_up_batch(self, batch_size: int) -> tuple[dict, dict]:
    kind = np.float32 if self.task.model.num_classes == 1 else np.int32
    labels = {self.task.train_data.label_field: np.zeros([batch_size], kind)}
    return self._made_up_features(batch_size), labels


def _text_fields(card: dict) -> tuple[str, ...]:
  """Returns the names of the texts: those of GLUE, or of the tables."""
  if card["task"] in glue_tasks.TASKS:
    task = glue_tasks.TASKS[card["task"]]
    return task.tfds_texts or task.texts
  names = ("text_column", "second_text_column")
  return tuple(filter(None, (card["settings"][name] for name in names)))


NAMES = experiment.register("token_drop_glue", make_experiment)
hooks.register(sentence_task.SentenceTaskConfig, SentenceHooks, *NAMES)
