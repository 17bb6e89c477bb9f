# SPDX-License-Identifier: Apache-2.0
"""What a run asks of fine-tuning on sentences."""

import numpy as np

from token_dropping.common import errors
from token_dropping.data.finetuning import glue_tasks
from token_dropping.tasks import hooks
from token_dropping.tasks.finetuning import hooks as finetune_hooks
from token_dropping.tasks.sentences import task as sentence_task


class SentenceHooks(finetune_hooks.FinetuneHooks):
  """Answers for classes, or a number."""

  data_kinds = ("classification", "regression")

  def fill_in_data(self, card: dict) -> None:
    """Sets paths, sizes, labels and the names of the texts."""
    task, set_fields = self.task, finetune_hooks.set_from_data
    set_fields(task, "task", labels=tuple(card["labels"]))
    set_fields(task.model, "task.model", num_classes=card["num_classes"])
    validation = [n for n in card["splits"] if n.startswith("validation")]
    for name, splits in (
      ("train_data", ["train"]),
      ("validation_data", validation),
    ):
      set_fields(
        getattr(task, name),
        f"task.{name}",
        input_path=finetune_hooks.record_paths(task.data_dir, splits),
        seq_length=card["seq_length"],
        label_type="float" if card["kind"] == "regression" else "int",
        text_fields=_text_fields(card),
      )

  def check(self) -> None:
    """Refuses fields of Model Garden's task that have no effect here, too."""
    super().check()
    errors.require(
      self.task.metric_type == "accuracy",
      "task.metric_type must be unset: task.data_dir says how to score",
      repr(self.task.metric_type),
    )
    errors.require(
      not self.task.init_cls_pooler,
      "task.init_cls_pooler must be false: the encoder's own pooler is used",
      "true",
    )

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
