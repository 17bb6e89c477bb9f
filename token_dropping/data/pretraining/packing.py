# SPDX-License-Identifier: Apache-2.0
"""Token ids -> sequences of one length, each without a second part.

Glossary: N sequences, S sequence length.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from token_dropping.common import vocabulary
from token_dropping.data.text import wordpiece


@dataclasses.dataclass(frozen=True)
class Packed:
  """Sequences, before masking.

  Attributes:
    word_ids: [N, S] int32, with `[CLS]` and `[SEP]`, padded with `[PAD]`.
    lengths: [N] int32, positions before the padding.
    first_lengths: [N] int32, positions of type 0; the rest up to `lengths` is
      of type 1.
    next_sentence_labels: [N] int32, 1 where the second part is random; None if
      the packing has no such label.
    dropped_tokens: int, tokens of the documents that no sequence holds.
    truncated_tokens: int, tokens that a cut parted from what comes before them
      in the document: they are in another sequence than the document's
      beginning or, with pairs, in none.
  """

  word_ids: np.ndarray
  lengths: np.ndarray
  first_lengths: np.ndarray
  next_sentence_labels: np.ndarray | None
  dropped_tokens: int
  truncated_tokens: int

  def __len__(self) -> int:
    return len(self.word_ids)

  @property
  def padding(self) -> int:
    """Number of padded positions."""
    return self.word_ids.size - int(self.lengths.sum())

  def type_ids(self, rows: np.ndarray) -> np.ndarray:
    """Returns `input_type_ids` of sequences, [n, S] int64."""
    is_second = self._positions() >= self.first_lengths[rows, None]
    return (is_second & self._is_token(rows)).astype(np.int64)

  def input_mask(self, rows: np.ndarray) -> np.ndarray:
    """Returns `input_mask` of sequences, [n, S] int64."""
    return self._is_token(rows).astype(np.int64)

  def labels(self, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Returns `next_sentence_labels`, [n, 1] int64, if the packing has it."""
    if self.next_sentence_labels is None:
      return {}
    labels = self.next_sentence_labels[rows, None].astype(np.int64)
    return {"next_sentence_labels": labels}

  def _positions(self) -> np.ndarray:
    return np.arange(self.word_ids.shape[1])

  def _is_token(self, rows: np.ndarray) -> np.ndarray:
    return self._positions() < self.lengths[rows, None]


def pack_full(
  documents: Sequence[wordpiece.EncodedDocument],
  seq_length: int,
  special_ids: dict[str, int],
) -> Packed:
  """Packs documents into `[CLS] tokens [SEP]` without padding.

  The documents form one stream with a `[SEP]` between two, which is cut every
  S - 2 positions; the rest that fills no sequence is dropped.

  Args:
    documents: any number.
    seq_length: S.
    special_ids: ids by token, as `Vocabulary.special_ids`.

  Returns:
    `Packed`, perhaps with no sequence at all.
  """
  sep_id = special_ids[vocabulary.SEP]
  separator = np.array([sep_id], np.int32)
  parts = [part for doc in documents for part in (doc.ids, separator)]
  stream = np.concatenate(parts[:-1]) if parts else separator[:0]
  body = seq_length - 2
  number = len(stream) // body
  word_ids = np.full([number, seq_length], sep_id, np.int32)
  word_ids[:, 0] = special_ids[vocabulary.CLS]
  word_ids[:, 1:-1] = stream[: number * body].reshape(number, body)
  full = np.full([number], seq_length, np.int32)
  return Packed(
    word_ids=word_ids,
    lengths=full,
    first_lengths=full,
    next_sentence_labels=None,
    dropped_tokens=int(np.sum(stream[number * body :] != sep_id)),
    truncated_tokens=_cut_in_stream(documents, body),
  )


def pack_documents(
  documents: Sequence[wordpiece.EncodedDocument],
  seq_length: int,
  special_ids: dict[str, int],
) -> Packed:
  """Packs each document on its own, cut every S - 2 tokens and padded.

  Args:
    documents: any number, none empty.
    seq_length: S.
    special_ids: ids by token, as `Vocabulary.special_ids`.

  Returns:
    `Packed`; nothing is dropped.
  """
  groups = [[part] for part in cut(documents, seq_length - 2)]
  return join(groups, documents, seq_length, special_ids)


def cut(
  documents: Sequence[wordpiece.EncodedDocument], length: int
) -> list[np.ndarray]:
  """Cuts the ids of each document into parts of at most `length`."""
  return [
    document.ids[start : start + length]
    for document in documents
    for start in range(0, len(document.ids), length)
  ]


def join(
  groups: Sequence[Sequence[np.ndarray]],
  documents: Sequence[wordpiece.EncodedDocument],
  seq_length: int,
  special_ids: dict[str, int],
) -> Packed:
  """Makes one sequence of each group: `[CLS] part [SEP] part [SEP] [PAD]`.

  Args:
    groups: parts of documents that fit into a sequence together.
    documents: where the parts are from.
    seq_length: S.
    special_ids: ids by token, as `Vocabulary.special_ids`.
  """
  shape = [len(groups), seq_length]
  word_ids = np.full(shape, special_ids[vocabulary.PAD], np.int32)
  lengths = np.zeros([len(groups)], np.int32)
  for row, group in enumerate(groups):
    end = 1
    word_ids[row, 0] = special_ids[vocabulary.CLS]
    for part in group:
      word_ids[row, end : end + len(part)] = part
      end += len(part) + 1
      word_ids[row, end - 1] = special_ids[vocabulary.SEP]
    lengths[row] = end
  longest = seq_length - 2
  return Packed(
    word_ids=word_ids,
    lengths=lengths,
    first_lengths=lengths,
    next_sentence_labels=None,
    dropped_tokens=0,
    truncated_tokens=sum(max(len(d.ids) - longest, 0) for d in documents),
  )


def _cut_in_stream(
  documents: Sequence[wordpiece.EncodedDocument], body: int
) -> int:
  sizes = np.array([len(document.ids) for document in documents], np.int64)
  ends = np.cumsum(sizes + 1) - 1
  starts = ends - sizes
  return int(np.maximum(ends - (starts // body + 1) * body, 0).sum())
