# SPDX-License-Identifier: Apache-2.0
"""What a fine-tuned classifier or regressor says of a split."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from official.nlp.data import sentence_prediction_dataloader as dataloader

from token_dropping.data.finetuning import finetune_folder
from token_dropping.tasks.sentences import task as sentence_task
from token_dropping.training import trained_run


@dataclasses.dataclass(frozen=True)
class Predictions:
  """Predictions in the order of the N records.

  Attributes:
    outputs: [N, C] logits, or [N, 1] numbers for regression.
    labels: [N]; 0 where the split has none.
  """

  ids: np.ndarray
  outputs: np.ndarray
  labels: np.ndarray

  def submission(
    self, labels: Sequence[str], limits: tuple[float, float] | None
  ) -> str:
    """Returns the file that GLUE's server takes; `limits` cut a regression.

    >>> logits = np.array([[0.0, 1.0], [2.0, 0.0]])
    >>> predictions = Predictions(np.array([1, 0]), logits, np.zeros([2]))
    >>> predictions.submission(["yes", "no"], None)
    'index\\tprediction\\n0\\tyes\\n1\\tno\\n'
    >>> numbers = np.array([[5.5], [-0.1], [2.71828]])
    >>> predictions = Predictions(np.array([2, 0, 1]), numbers, np.zeros([3]))
    >>> predictions.submission((), (0.0, 5.0))
    'index\\tprediction\\n0\\t0.000\\n1\\t2.718\\n2\\t5.000\\n'
    """
    if labels:
      texts = [labels[index] for index in np.argmax(self.outputs, axis=-1)]
    else:
      values = np.clip(self.outputs[:, 0], *limits)
      texts = [f"{value:.3f}" for value in values]
    rows = sorted(zip(self.ids.tolist(), texts, strict=True))
    lines = ["index\tprediction", *(f"{index}\t{text}" for index, text in rows)]
    return "\n".join(lines) + "\n"


def predict(
  run: trained_run.TrainedRun, data_dir: str, split: str, batch_size: int = 32
) -> Predictions:
  """Predicts a split with the whole sequence, as an ordinary BERT."""
  card = finetune_folder.read_card(data_dir)
  params = dataloader.SentencePredictionDataConfig(
    input_path=tf.io.gfile.join(data_dir, f"{split}.tfrecord"),
    global_batch_size=batch_size,
    is_training=False,
    drop_remainder=False,
    seq_length=card["seq_length"],
    label_type="float" if card["kind"] == "regression" else "int",
    include_example_id=True,
  )
  batches = dataloader.SentencePredictionDataLoader(params).load()
  model = run.build_classifier()
  outputs = model.predict(
    batches.map(lambda batch: {k: batch[k] for k in sentence_task.FEATURES}),
    verbose=0,
  )
  rest = batches.map(lambda batch: (batch["example_id"], batch["label_ids"]))
  ids, labels = map(np.concatenate, zip(*rest.as_numpy_iterator(), strict=True))
  return Predictions(ids, np.asarray(outputs, np.float32), labels)
