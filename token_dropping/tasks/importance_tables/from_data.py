# SPDX-License-Identifier: Apache-2.0
"""A table of mutual information from prepared records, in nats.

What an id tells of the label or the document of a text (arXiv 2004.13542).
"""

from collections.abc import Iterator

import numpy as np
import tqdm

from token_dropping.common import errors
from token_dropping.common import files
from token_dropping.common import vocabulary
from token_dropping.data import records
from token_dropping.data.finetuning import finetune_folder
from token_dropping.data.pretraining import dataset_folder
from token_dropping.dropping.importance import importance_table

KIND = "mutual_information"
_NOT_TEXT = (vocabulary.PAD, vocabulary.CLS, vocabulary.SEP, vocabulary.MASK)


class LabelInformation:
  """Mutual information of "the id occurs in a text" and the text's label.

      I(w) = sum over x in {0, 1}, y of P(x, y) ln(P(x, y) / (P(x) P(y)))

  `P(x, y)` is the share of the texts with label `y` that hold the id (`x = 1`)
  or do not. Memory is ids times labels.

  >>> information = LabelInformation(vocab_size=3, num_classes=2)
  >>> for ids, label in (([0, 2], 0), ([0], 0), ([1, 2], 1), ([1], 1)):
  ...   information.add(np.array(ids), label)
  >>> information.scores().round(3).tolist()  # ln 2: tells all; 0: nothing
  [0.693, 0.693, 0.0]
  """

  def __init__(self, vocab_size: int, num_classes: int):
    self._with = np.zeros([vocab_size, num_classes], np.int64)
    self._texts = np.zeros([num_classes], np.int64)

  @property
  def counts(self) -> np.ndarray:
    """In how many texts each id occurs, int64 [V]."""
    return self._with.sum(axis=1)

  def add(self, ids: np.ndarray, label: int) -> None:
    """Counts a text with a label in [0, C)."""
    self._with[np.unique(ids), label] += 1
    self._texts[label] += 1

  def scores(self) -> np.ndarray:
    """Returns I by id, float64 [V]."""
    total = self._texts.sum()
    joint = np.stack([self._with, self._texts - self._with]) / total  # [2 V C]
    occurs = joint.sum(axis=2, keepdims=True)
    label = (self._texts / total)[np.newaxis, np.newaxis]
    expected = occurs * label
    # Where a joint probability is 0, so is its part of the sum.
    ratio = np.divide(joint, expected, np.ones_like(joint), where=joint > 0)
    return (joint * np.log(ratio)).sum(axis=(0, 2))


class DocumentInformation:
  """What meeting an id `w` tells of the document `d` that one is in.

      I(w) = sum over d of P(d | w) ln(P(d | w) / P(d))

  `P(d | w)` is the share of the occurrences of `w` that lie in `d`, `P(d)` that
  of all tokens. I is 0 for an id spread as the text is, more the fewer
  documents have it; its mean over the tokens is the mutual information of id
  and document. It needs V numbers only, since

      I(w) = (1 / n_w) sum over d of n_wd ln(n_wd / n_d) + ln(n / n_w).

  >>> information = DocumentInformation(vocab_size=3)
  >>> for ids in ([0, 2], [1, 2]):
  ...   information.add(np.array(ids))
  >>> information.scores().round(3).tolist()
  [0.693, 0.693, 0.0]
  """

  def __init__(self, vocab_size: int):
    self._sums = np.zeros([vocab_size])
    self.counts = np.zeros([vocab_size], np.int64)  # how often each id occurs

  def add(self, ids: np.ndarray) -> None:
    present, counts = np.unique(ids, return_counts=True)
    self._sums[present] += counts * np.log(counts / len(ids))
    self.counts[present] += counts

  def scores(self) -> np.ndarray:
    """Returns I by id, float64 [V]; 0 for ids that do not occur."""
    counts = np.maximum(self.counts, 1)
    scores = self._sums / counts + np.log(self.counts.sum() / counts)
    return np.where(self.counts > 0, scores, 0.0)


def make_table(
  folder: str,
) -> tuple[importance_table.ImportanceTable, vocabulary.Vocabulary]:
  """Returns a table made of a folder's training records, and its vocabulary.

  Data of a classification give the information about the label, those of
  pretraining about the record, which stands for a document. Other data, or
  none, are a `UserError`.
  """
  if files.exists(files.join(folder, finetune_folder.CARD)):
    card, count = finetune_folder.read_card(folder), _of_labels
  else:
    card, count = dataset_folder.verify(folder, quick=True), _of_documents
    masked_lm = dataset_folder.MASKED_LM
    dataset_folder.require_objective(card, masked_lm, folder, "--data")
  words = vocabulary.Vocabulary.from_file(files.join(folder, vocabulary.FILE))
  counted = count(folder, card, words)
  rule = "--data must hold text"
  errors.require(bool(counted.counts.any()), rule, repr(folder))
  table = importance_table.ImportanceTable.of_seen(
    KIND, words, counted.scores(), counted.counts
  )
  return table, words


def _of_labels(folder: str, card: dict, words) -> LabelInformation:
  train = card["splits"].get("train")
  errors.require(
    card["kind"] == "classification" and train is not None,
    "--data must be data of a classification to train on, or of "
    "token_dropping.data.prepare",
    f"{folder!r} of {card['task']} ({card['kind']})",
  )
  classes = card["num_classes"]
  counted = LabelInformation(len(words), classes)
  ends = {"input_ids": len(words), "label_ids": classes}
  for record in _read(folder, ["train.tfrecord"], train["records"], ends):
    ids = _text_ids(record["input_ids"], words)
    counted.add(ids, int(record["label_ids"][0]))
  return counted


def _of_documents(folder: str, card: dict, words) -> DocumentInformation:
  counted = DocumentInformation(len(words))
  names = [name for name in sorted(card["files"]) if name.startswith("train-")]
  ends = {"input_word_ids": len(words)}
  if card.get("masking") == "static":
    length = card.get("settings", {}).get("seq_length", 0)
    ends |= {"masked_lm_ids": len(words), "masked_lm_positions": length}
  for record in _read(folder, names, card["train"]["records"], ends):
    ids = _text_ids(_unmasked(record), words)
    if len(ids):
      counted.add(ids)
  return counted


def _read(
  folder: str, names: list[str], total: int, ends: dict[str, int]
) -> Iterator[dict[str, np.ndarray]]:
  """Yields records whose features have values below `ends`."""
  # disable=None: on a terminal only.
  with tqdm.tqdm(None, "reading", total, unit=" records", disable=None) as bar:
    for name in names:
      path = files.join(folder, name)
      for index, record in enumerate(records.read_records(path)):
        records.check_values(record, ends, f"{path}, record {index}")
        yield record
        bar.update()


def _unmasked(record: dict[str, np.ndarray]) -> np.ndarray:
  """Returns the ids of a record, those in the place of masks included."""
  ids = record["input_word_ids"]
  if "masked_lm_positions" in record:
    used = record["masked_lm_weights"] > 0
    ids = ids.copy()
    ids[record["masked_lm_positions"][used]] = record["masked_lm_ids"][used]
  return ids


def _text_ids(ids: np.ndarray, words: vocabulary.Vocabulary) -> np.ndarray:
  """Returns the ids without special tokens; `[UNK]` is text."""
  special = words.special_ids
  return ids[~np.isin(ids, [special[token] for token in _NOT_TEXT])]
