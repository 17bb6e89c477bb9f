# SPDX-License-Identifier: Apache-2.0
"""A table of mutual information from prepared records."""

from collections.abc import Iterator

import numpy as np
import tensorflow as tf
import tqdm

from token_dropping.common import errors
from token_dropping.common import vocabulary
from token_dropping.data import records
from token_dropping.data.finetuning import finetune_folder
from token_dropping.data.pretraining import dataset_folder
from token_dropping.dropping.importance import importance_table
from token_dropping.tasks.importance_tables import information

KIND = "mutual_information"
_NOT_TEXT = (vocabulary.PAD, vocabulary.CLS, vocabulary.SEP, vocabulary.MASK)


def make_table(
  folder: str,
) -> tuple[importance_table.ImportanceTable, vocabulary.Vocabulary]:
  """Returns a table made of a folder's training records, and its vocabulary.

  Data of a classification give the information about the label, those of
  pretraining about the record, which stands for a document. Other data, or
  none, are a `UserError`.
  """
  path = tf.io.gfile.join(folder, finetune_folder.CARD)
  if tf.io.gfile.exists(path):
    card, count = finetune_folder.read_card(folder), _of_labels
  else:
    card, count = dataset_folder.verify(folder, quick=True), _of_documents
  vocab_file = tf.io.gfile.join(folder, vocabulary.FILE)
  words = vocabulary.Vocabulary.from_file(vocab_file)
  counted = count(folder, card, words)
  errors.require(
    bool(counted.counts.any()), "--data must hold text", repr(folder)
  )
  table = importance_table.ImportanceTable.of_seen(
    KIND, words, counted.scores(), counted.counts
  )
  return table, words


def _of_labels(folder: str, card: dict, words) -> information.LabelInformation:
  train = card["splits"].get("train")
  errors.require(
    card["kind"] == "classification" and train is not None,
    "--data must be data of a classification to train on, or of "
    "token_dropping.data.prepare",
    f"{folder!r} of {card['task']} ({card['kind']})",
  )
  counted = information.LabelInformation(len(words), card["num_classes"])
  path = tf.io.gfile.join(folder, "train.tfrecord")
  for record in _progress(records.read_records(path), train["records"]):
    ids = _text_ids(record["input_ids"], words)
    counted.add(ids, int(record["label_ids"][0]))
  return counted


def _of_documents(
  folder: str, card: dict, words
) -> information.DocumentInformation:
  counted = information.DocumentInformation(len(words))
  train = _read_train(folder, card)
  for record in _progress(train, card["train"]["records"]):
    ids = _text_ids(_unmasked(record), words)
    if len(ids):
      counted.add(ids)
  return counted


def _read_train(folder: str, card: dict) -> Iterator[dict[str, np.ndarray]]:
  for name in sorted(card["files"]):
    if name.startswith("train-"):
      yield from records.read_records(tf.io.gfile.join(folder, name))


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


def _progress(records_read: Iterator, total: int) -> Iterator:
  # disable=None: on a terminal only.
  return tqdm.tqdm(
    records_read, "reading", total, unit=" records", disable=None
  )
