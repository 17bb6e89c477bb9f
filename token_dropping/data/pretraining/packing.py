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

# Where every [SEP] ends a document, or a part of one that was cut.
DOCUMENTS_END = ("full", "documents", "best-fit")
SHORT_PROBABILITY = 0.1
RANDOM_PROBABILITY = 0.5


@dataclasses.dataclass(frozen=True)
class Document:
  """Ids of sentences, none empty; `offsets` are their starts, then the end."""

  ids: np.ndarray  # [tokens] int32, no special tokens added
  offsets: np.ndarray  # [sentences + 1] int32

  def __len__(self) -> int:
    return len(self.ids)


Documents = Sequence[Document]
Special = dict[str, int]  # ids of the special tokens, by token


@dataclasses.dataclass(frozen=True)
class Packed:
  """Sequences, before masking.

  Attributes:
    word_ids: [N, S] int32, with `[CLS]` and `[SEP]`, padded with `[PAD]`.
    lengths: [N] int32, positions before the padding.
    first_lengths: [N] int32, positions of type 0; then come those of type 1.
    truncated_tokens: tokens that a cut parted from what comes before them in
      the document: they are in another sequence or, with pairs, in none.
    dropped_tokens: tokens of the documents that no sequence holds.
    next_sentence_labels: [N] int32, 1 where the second part is random, or None.
  """

  word_ids: np.ndarray
  lengths: np.ndarray
  first_lengths: np.ndarray
  truncated_tokens: int
  dropped_tokens: int = 0
  next_sentence_labels: np.ndarray | None = None

  def __len__(self) -> int:
    return len(self.word_ids)

  @property
  def padding(self) -> int:
    """Returns the number of padded positions."""
    return self.word_ids.size - int(self.lengths.sum())

  def input_mask(self, rows: np.ndarray) -> np.ndarray:
    """Returns `input_mask` of sequences, [n, S] int64."""
    positions = np.arange(self.word_ids.shape[1])
    return (positions < self.lengths[rows, None]).astype(np.int64)

  def type_ids(self, rows: np.ndarray) -> np.ndarray:
    """Returns `input_type_ids` of sequences, [n, S] int64."""
    positions = np.arange(self.word_ids.shape[1])
    is_second = positions >= self.first_lengths[rows, None]
    return is_second * self.input_mask(rows)

  def labels(self, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Returns `next_sentence_labels`, [n, 1] int64, if the packing has it."""
    if self.next_sentence_labels is None:
      return {}
    labels = self.next_sentence_labels[rows, None].astype(np.int64)
    return {"next_sentence_labels": labels}


def pack(
  packing: str,
  documents: Documents,
  seq_length: int,
  special: Special,
  rng: np.random.Generator,
) -> Packed:
  """Packs documents, none of them empty, in one of the four ways.

  `documents` cuts each on its own every S - 2 tokens; `best-fit` cuts only what
  is longer. Both pad.
  """
  if packing == "full":
    return _pack_full(documents, seq_length, special)
  if packing == "pairs":
    return _pack_pairs(documents, seq_length, special, rng)
  room = seq_length - 2
  parts = [
    document.ids[start : start + room]
    for document in documents
    for start in range(0, len(document.ids), room)
  ]
  groups = [[part] for part in parts]
  if packing == "best-fit":
    bins = fill_bins([len(part) for part in parts], room)
    groups = [[parts[i] for i in members] for members in bins]
  truncated = sum(max(len(document.ids) - room, 0) for document in documents)
  return _join(groups, seq_length, special, truncated_tokens=truncated)


def _pack_full(
  documents: Documents, seq_length: int, special: Special
) -> Packed:
  """Packs documents into `[CLS] tokens [SEP]` without padding.

  They form one stream with a `[SEP]` between two, which is cut every S - 2
  positions; the rest that fills no sequence is dropped.
  """
  sep_id = special[vocabulary.SEP]
  separator = np.array([sep_id], np.int32)
  parts = [part for doc in documents for part in (doc.ids, separator)]
  stream = np.concatenate(parts[:-1]) if parts else separator[:0]
  body = seq_length - 2
  number = len(stream) // body
  word_ids = np.full([number, seq_length], sep_id, np.int32)
  word_ids[:, 0] = special[vocabulary.CLS]
  word_ids[:, 1:-1] = stream[: number * body].reshape(number, body)
  full = np.full([number], seq_length, np.int32)
  # Where each document ends in the stream, and is cut first.
  sizes = np.array([len(document.ids) for document in documents], np.int64)
  ends = np.cumsum(sizes + 1) - 1
  first_cuts = ((ends - sizes) // body + 1) * body
  return Packed(
    word_ids=word_ids,
    lengths=full,
    first_lengths=full,
    truncated_tokens=int(np.maximum(ends - first_cuts, 0).sum()),
    dropped_tokens=int(np.sum(stream[number * body :] != sep_id)),
  )


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
  seq_length: int,
  special: Special,
  **fields,
) -> Packed:
  """Makes a sequence of each group, `[CLS] part [SEP] part [SEP] [PAD]`.

  `fields` are those of `Packed` besides.
  """
  shape = [len(groups), seq_length]
  word_ids = np.full(shape, special[vocabulary.PAD], np.int32)
  word_ids[:, 0] = special[vocabulary.CLS]
  ends = np.ones([len(groups)], np.int32)
  for row, group in enumerate(groups):
    for part in group:
      end = ends[row] + len(part)
      word_ids[row, ends[row] : end] = part
      word_ids[row, end] = special[vocabulary.SEP]
      ends[row] = end + 1
  fields = {"first_lengths": ends} | fields
  return Packed(word_ids, ends, **fields)


def _pack_pairs(
  documents: Documents,
  seq_length: int,
  special: Special,
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
  groups, labels, dropped = [], [], 0
  pairs = _pairs(documents, room, rng) if len(documents) > 1 else ()
  for first, second, is_random in pairs:
    groups.append(truncate(first, second, room, rng))
    labels.append(is_random)
    dropped += len(first) + len(second) - sum(map(len, groups[-1]))
  # Without a pair all text is dropped, but none of it was cut.
  unpaired = 0 if groups else sum(len(document.ids) for document in documents)
  first_lengths = [len(first) + 2 for first, _ in groups]
  return _join(
    groups,
    seq_length,
    special,
    first_lengths=np.array(first_lengths, np.int32),
    truncated_tokens=dropped,
    dropped_tokens=dropped + unpaired,
    next_sentence_labels=np.array(labels, np.int32),
  )


def truncate(
  first: np.ndarray, second: np.ndarray, room: int, rng: np.random.Generator
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
  documents: Documents, room: int, rng: np.random.Generator
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
  documents: Documents, index: int, target: int, rng: np.random.Generator
) -> np.ndarray:
  """Returns a run of sentences from a document other than `index`."""
  other = int(rng.integers(len(documents) - 1))
  document = documents[other + (other >= index)]
  start = int(rng.integers(len(document.offsets) - 1))
  end = _end(document.offsets, start, target)
  return document.ids[document.offsets[start] : document.offsets[end]]
