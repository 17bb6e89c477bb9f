# SPDX-License-Identifier: Apache-2.0
"""Token ids -> sequences of one length.

Four ways: `full`, one stream without padding; `documents`, each alone;
`best-fit`, several whole ones together, as proposed for language models by Ding
et al. ("Fewer Truncations Improve Language Modeling", arXiv 2404.10830); and
`pairs` of spans with next-sentence labels (Devlin et al., appendix A).

Glossary: N sequences, S sequence length.
"""

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np

from token_dropping.common import vocabulary
from token_dropping.data.text import wordpiece

SHORT_PROBABILITY = 0.1
RANDOM_PROBABILITY = 0.5


@dataclasses.dataclass(frozen=True)
class Packed:
  """Sequences, before masking.

  Attributes:
    word_ids: [N, S] int32, with `[CLS]` and `[SEP]`, padded with `[PAD]`.
    lengths: [N] int32, positions before the padding.
    first_lengths: [N] int32, positions of type 0; then come those of type 1.
    next_sentence_labels: [N] int32, 1 where the second part is random, or None.
    dropped_tokens: tokens of the documents that no sequence holds.
    truncated_tokens: tokens that a cut parted from what comes before them in
      the document: they are in another sequence or, with pairs, in none.
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


def pack(
  packing: str,
  documents: Sequence[wordpiece.EncodedDocument],
  seq_length: int,
  special_ids: dict[str, int],
  rng: np.random.Generator,
) -> Packed:
  """Packs documents, none of them empty, in one of the four ways."""
  if packing == "pairs":
    return pack_pairs(documents, seq_length, special_ids, rng)
  functions = {
    "full": pack_full,
    "documents": pack_documents,
    "best-fit": pack_best_fit,
  }
  return functions[packing](documents, seq_length, special_ids)


def pack_full(
  documents: Sequence[wordpiece.EncodedDocument],
  seq_length: int,
  special_ids: dict[str, int],
) -> Packed:
  """Packs documents into `[CLS] tokens [SEP]` without padding.

  They form one stream with a `[SEP]` between two, which is cut every S - 2
  positions; the rest that fills no sequence is dropped.
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


def _cut_in_stream(
  documents: Sequence[wordpiece.EncodedDocument], body: int
) -> int:
  sizes = np.array([len(document.ids) for document in documents], np.int64)
  ends = np.cumsum(sizes + 1) - 1
  starts = ends - sizes
  return int(np.maximum(ends - (starts // body + 1) * body, 0).sum())


def pack_documents(
  documents: Sequence[wordpiece.EncodedDocument],
  seq_length: int,
  special_ids: dict[str, int],
) -> Packed:
  """Packs each document on its own, cut every S - 2 tokens and padded."""
  groups = [[part] for part in _cut(documents, seq_length - 2)]
  return _join(groups, documents, seq_length, special_ids)


def pack_best_fit(
  documents: Sequence[wordpiece.EncodedDocument],
  seq_length: int,
  special_ids: dict[str, int],
) -> Packed:
  """Packs whole documents together; only those longer than S - 2 are cut."""
  parts = _cut(documents, seq_length - 2)
  bins = fill_bins([len(part) for part in parts], seq_length - 2)
  groups = [[parts[i] for i in members] for members in bins]
  return _join(groups, documents, seq_length, special_ids)


def _cut(
  documents: Sequence[wordpiece.EncodedDocument], length: int
) -> list[np.ndarray]:
  """Cuts the ids of each document into parts of at most `length`."""
  return [
    document.ids[start : start + length]
    for document in documents
    for start in range(0, len(document.ids), length)
  ]


def fill_bins(lengths: Sequence[int], room: int) -> list[list[int]]:
  """Distributes parts: the longest first, each where least room is left over.

  There is one position between two parts. Returns their indices for each bin.

  >>> fill_bins([3, 9, 5, 1], 10)
  [[1], [2, 0], [3]]
  """
  bins: list[list[int]] = []
  by_room: list[list[int]] = [[] for _ in range(room + 1)]
  rooms = 0  # bit r is set if a bin has room r
  for part in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
    need = lengths[part] + 1
    enough = rooms >> need << need
    if enough:
      left = (enough & -enough).bit_length() - 1  # the lowest bit
      chosen = by_room[left].pop()
      if not by_room[left]:
        rooms -= 1 << left
      left -= need
    else:
      chosen, left = len(bins), room - lengths[part]
      bins.append([])
    bins[chosen].append(part)
    by_room[left].append(chosen)
    rooms |= 1 << left
  return bins


def _join(
  groups: Sequence[Sequence[np.ndarray]],
  documents: Sequence[wordpiece.EncodedDocument],
  seq_length: int,
  special_ids: dict[str, int],
) -> Packed:
  """Makes one sequence of each group: `[CLS] part [SEP] part [SEP] [PAD]`."""
  rows = [_row(group, seq_length, special_ids) for group in groups]
  lengths = [1 + sum(len(part) + 1 for part in group) for group in groups]
  lengths = np.array(lengths, np.int32)
  longest = seq_length - 2
  return Packed(
    word_ids=np.array(rows, np.int32).reshape(len(rows), seq_length),
    lengths=lengths,
    first_lengths=lengths,
    next_sentence_labels=None,
    dropped_tokens=0,
    truncated_tokens=sum(max(len(d.ids) - longest, 0) for d in documents),
  )


def _row(
  parts: Sequence[np.ndarray], seq_length: int, special_ids: dict[str, int]
) -> np.ndarray:
  row = np.full([seq_length], special_ids[vocabulary.PAD], np.int32)
  row[0] = special_ids[vocabulary.CLS]
  end = 1
  for part in parts:
    row[end : end + len(part)] = part
    end += len(part) + 1
    row[end - 1] = special_ids[vocabulary.SEP]
  return row


def pack_pairs(
  documents: Sequence[wordpiece.EncodedDocument],
  seq_length: int,
  special_ids: dict[str, int],
  rng: np.random.Generator,
) -> Packed:
  """Packs documents into sentence pairs, padded with `[PAD]`.

  `[CLS] A [SEP] B [SEP]`: A is a run of whole sentences of a document. B is,
  one time in two, the sentences that follow (label 0), otherwise a run from
  another document (label 1). Most pairs fill the sequence; one in ten aims at a
  random shorter length, as fine-tuning also sees short inputs. Of a single
  document there are no pairs. `dropped_tokens` counts what truncation cut off.
  """
  room = seq_length - 3
  rows, labels, first_lengths, lengths, dropped = [], [], [], [], 0
  pairs = _pairs(documents, room, rng) if len(documents) > 1 else ()
  for first, second, is_random in pairs:
    before = len(first) + len(second)
    first, second = truncate(first, second, room, rng)
    dropped += before - len(first) - len(second)
    rows.append(_row([first, second], seq_length, special_ids))
    labels.append(is_random)
    first_lengths.append(len(first) + 2)
    lengths.append(len(first) + len(second) + 3)
  # Without a pair all text is dropped, but none of it was cut.
  unpaired = 0 if rows else sum(len(document.ids) for document in documents)
  return Packed(
    word_ids=np.array(rows, np.int32).reshape(len(rows), seq_length),
    lengths=np.array(lengths, np.int32),
    first_lengths=np.array(first_lengths, np.int32),
    next_sentence_labels=np.array(labels, np.int32),
    dropped_tokens=dropped + unpaired,
    truncated_tokens=dropped,
  )


def truncate(
  first: np.ndarray,
  second: np.ndarray,
  room: int,
  rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
  """Shortens two spans of ids until together they have at most `room` tokens.

  Token for token the longer one loses its first or its last, by the toss of a
  coin; here the numbers of tokens lost are computed at once.
  """
  excess = max(len(first) + len(second) - room, 0)
  uneven = min(excess, abs(len(first) - len(second)))
  even = excess - uneven
  cut_first, cut_second = even // 2, even - even // 2
  if len(first) > len(second):
    cut_first += uneven
  else:
    cut_second += uneven
  return _shorten(first, cut_first, rng), _shorten(second, cut_second, rng)


def _shorten(
  span: np.ndarray, number: int, rng: np.random.Generator
) -> np.ndarray:
  front = int(rng.binomial(number, 0.5))
  return span[front : len(span) - (number - front)]


def _pairs(
  documents: Sequence[wordpiece.EncodedDocument],
  room: int,
  rng: np.random.Generator,
) -> Iterator[tuple[np.ndarray, np.ndarray, bool]]:
  """Yields (A, B, is_random) until all sentences were in an A or a B.

  Where B is random, the sentences that A left of its chunk wait for the next
  pair, so that no text is lost.
  """
  for index, document in enumerate(documents):
    ids, offsets = document.ids, document.offsets
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
