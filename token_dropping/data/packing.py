# SPDX-License-Identifier: Apache-2.0
"""Token ids -> sequences of one length; here the packing without padding.

Glossary: N sequences, S sequence length.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from token_dropping.data import wordpiece


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
  """

  word_ids: np.ndarray
  lengths: np.ndarray
  first_lengths: np.ndarray
  next_sentence_labels: np.ndarray | None
  dropped_tokens: int

  def __len__(self) -> int:
    return len(self.word_ids)

  def features(self, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Returns the features that do not depend on the masks.

    Args:
      rows: [n] indices of sequences.

    Returns:
      `input_mask` and `input_type_ids`, [n, S] int64, and, if the packing has
      it, `next_sentence_labels`, [n, 1] int64.
    """
    position = np.arange(self.word_ids.shape[1])
    is_token = position < self.lengths[rows, None]
    is_second = is_token & (position >= self.first_lengths[rows, None])
    features = {
      "input_mask": is_token.astype(np.int64),
      "input_type_ids": is_second.astype(np.int64),
    }
    if self.next_sentence_labels is not None:
      labels = self.next_sentence_labels[rows, None]
      features["next_sentence_labels"] = labels.astype(np.int64)
    return features


def pack_full(
  documents: Sequence[wordpiece.EncodedDocument],
  seq_length: int,
  cls_id: int,
  sep_id: int,
) -> Packed:
  """Packs documents into `[CLS] tokens [SEP]` without padding.

  The documents form one stream with a `[SEP]` between two, which is cut every
  S - 2 positions; the rest that fills no sequence is dropped.

  Args:
    documents: at least one.
    seq_length: S.
    cls_id: id of `[CLS]`.
    sep_id: id of `[SEP]`.

  Returns:
    `Packed`, perhaps with no sequence at all.
  """
  separator = np.array([sep_id], np.int32)
  parts = [part for doc in documents for part in (doc.ids, separator)]
  stream = np.concatenate(parts[:-1])
  body = seq_length - 2
  number = len(stream) // body
  word_ids = np.full([number, seq_length], sep_id, np.int32)
  word_ids[:, 0] = cls_id
  word_ids[:, 1:-1] = stream[: number * body].reshape(number, body)
  rest = stream[number * body :]
  full = np.full([number], seq_length, np.int32)
  return Packed(
    word_ids=word_ids,
    lengths=full,
    first_lengths=full,
    next_sentence_labels=None,
    dropped_tokens=int(np.sum(rest != sep_id)),
  )
