# SPDX-License-Identifier: Apache-2.0
"""Packs pairs of spans with next-sentence labels (Devlin et al., appendix A).

`[CLS] A [SEP] B [SEP]`: A is a run of whole sentences of a document. B is, one
time in two, the sentences that follow (label 0), otherwise a run of sentences
from another document (label 1). Most pairs fill the sequence; one in ten aims
at a random shorter length, as fine-tuning also sees short inputs.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from token_dropping.common import vocabulary
from token_dropping.data.pretraining import packing
from token_dropping.data.text import wordpiece

SHORT_PROBABILITY = 0.1
RANDOM_PROBABILITY = 0.5


def pack_pairs(
  documents: Sequence[wordpiece.EncodedDocument],
  seq_length: int,
  special_ids: dict[str, int],
  rng: np.random.Generator,
) -> packing.Packed:
  """Packs documents into sentence pairs, padded with `[PAD]`.

  Args:
    documents: none empty; of a single one there are no pairs.
    seq_length: S.
    special_ids: ids by token, as `Vocabulary.special_ids`.
    rng: the source of all choices.

  Returns:
    `Packed` with labels; `dropped_tokens` counts what truncation cut off.
  """
  if len(documents) < 2:
    return _nothing(documents, seq_length)
  room = seq_length - 3
  rows, labels, first_lengths, lengths, dropped = [], [], [], [], 0
  for index in range(len(documents)):
    for first, second, is_random in _pairs(documents, index, room, rng):
      before = len(first) + len(second)
      first, second = truncate(first, second, room, rng)
      dropped += before - len(first) - len(second)
      rows.append(_row(first, second, seq_length, special_ids))
      labels.append(is_random)
      first_lengths.append(len(first) + 2)
      lengths.append(len(first) + len(second) + 3)
  return packing.Packed(
    word_ids=np.stack(rows),
    lengths=np.array(lengths, np.int32),
    first_lengths=np.array(first_lengths, np.int32),
    next_sentence_labels=np.array(labels, np.int32),
    dropped_tokens=dropped,
    truncated_tokens=dropped,
  )


def _nothing(
  documents: Sequence[wordpiece.EncodedDocument], seq_length: int
) -> packing.Packed:
  none = np.zeros([0], np.int32)
  return packing.Packed(
    word_ids=np.zeros([0, seq_length], np.int32),
    lengths=none,
    first_lengths=none,
    next_sentence_labels=none,
    dropped_tokens=sum(len(document.ids) for document in documents),
    truncated_tokens=0,
  )


def truncate(
  first: np.ndarray,
  second: np.ndarray,
  room: int,
  rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
  """Shortens two spans until they fit together.

  Token for token the longer one loses its first or its last, by the toss of a
  coin; here the numbers of tokens lost are computed at once.

  Args:
    first: [a] ids.
    second: [b] ids.
    room: the largest a + b allowed.
    rng: tosses the coins.

  Returns:
    The two spans, shortened.
  """
  excess = max(len(first) + len(second) - room, 0)
  uneven = min(excess, abs(len(first) - len(second)))
  even = excess - uneven
  cut_first, cut_second = even // 2, even - even // 2
  if len(first) > len(second):
    cut_first += uneven
  else:
    cut_second += uneven
  return _cut(first, cut_first, rng), _cut(second, cut_second, rng)


def _cut(span: np.ndarray, number: int, rng: np.random.Generator) -> np.ndarray:
  front = int(rng.binomial(number, 0.5))
  return span[front : len(span) - (number - front)]


def _pairs(
  documents: Sequence[wordpiece.EncodedDocument],
  index: int,
  room: int,
  rng: np.random.Generator,
) -> Iterator[tuple[np.ndarray, np.ndarray, bool]]:
  """Yields (A, B, is_random) until all sentences of a document were in an A/B.

  Where B is random, the sentences that A left of its chunk wait for the next
  pair, so that no text is lost.
  """
  ids, offsets = documents[index].ids, documents[index].offsets
  start, last = 0, len(offsets) - 1
  while start < last:
    target = _target(room, rng)
    end = _end(offsets, start, target)
    single = end == start + 1
    middle = end if single else int(rng.integers(start + 1, end))
    first = ids[offsets[start] : offsets[middle]]
    is_random = single or rng.random() < RANDOM_PROBABILITY
    if is_random:
      yield first, _other(documents, index, target - len(first), rng), True
      start = middle
    else:
      yield first, ids[offsets[middle] : offsets[end]], False
      start = end


def _target(room: int, rng: np.random.Generator) -> int:
  if rng.random() < SHORT_PROBABILITY:
    return int(rng.integers(2, room, endpoint=True))
  return room


def _end(offsets: np.ndarray, start: int, target: int) -> int:
  """Returns after which sentence there are `target` tokens since `start`."""
  end = int(np.searchsorted(offsets, offsets[start] + target))
  return min(max(end, start + 1), len(offsets) - 1)


def _other(
  documents: Sequence[wordpiece.EncodedDocument],
  index: int,
  target: int,
  rng: np.random.Generator,
) -> np.ndarray:
  """Returns a run of sentences from a document other than `index`."""
  other = int(rng.integers(len(documents) - 1))
  document = documents[other + (other >= index)]
  start = int(rng.integers(len(document.offsets) - 1))
  end = _end(document.offsets, start, target)
  return document.ids[document.offsets[start] : document.offsets[end]]


def _row(
  first: np.ndarray,
  second: np.ndarray,
  seq_length: int,
  special_ids: dict[str, int],
) -> np.ndarray:
  row = np.full([seq_length], special_ids[vocabulary.PAD], np.int32)
  row[0] = special_ids[vocabulary.CLS]
  row[1 : len(first) + 1] = first
  row[len(first) + 1] = special_ids[vocabulary.SEP]
  end = len(first) + 2 + len(second)
  row[len(first) + 2 : end] = second
  row[end] = special_ids[vocabulary.SEP]
  return row
