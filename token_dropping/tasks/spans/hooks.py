# SPDX-License-Identifier: Apache-2.0
"""What a run asks of fine-tuning on SQuAD."""

import numpy as np

from token_dropping.tasks import hooks
from token_dropping.tasks.finetuning import hooks as finetune_hooks


class SpanHooks(finetune_hooks.FinetuneHooks):
  """Answers for questions whose answer is a part of a text."""

  data_kinds = ("span",)

  def fill_in_data(self, card: dict) -> None:
    """Sets paths and how texts were cut into windows."""
    settings = card["settings"]
    for split in ("train", "validation"):
      finetune_hooks.set_from_data(
        getattr(self.task, f"{split}_data"),
        f"task.{split}_data",
        input_path=finetune_hooks.record_paths(self.task.data_dir, [split]),
        seq_length=card["seq_length"],
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
