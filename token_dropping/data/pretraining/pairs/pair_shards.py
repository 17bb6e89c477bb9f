# SPDX-License-Identifier: Apache-2.0
"""Last pass: piece, its number and settings -> training, validation shard.

Of validation there is also the text, for scores such as BLEU, which compare
words and not pieces: `validation.source.txt` and `validation.target.txt`, in
whose lines stand the very pairs of the records.
Glossary: S and T positions of sources and targets in a sequence, V vocabulary.
"""

import functools
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from token_dropping.common import files
from token_dropping.data.batches import pair_data
from token_dropping.data.pretraining import shards
from token_dropping.data.pretraining.pairs import pair_packing
from token_dropping.data.pretraining.pairs.pair_settings import PairSettings
from token_dropping.data.text import subword_tokenizer

# The same for all pieces of a worker.
_tokenizer = functools.lru_cache(maxsize=1)(subword_tokenizer.SubwordTokenizer)


class Encoded(NamedTuple):
  """A pair of sentences, and their ids with the end of sentence."""

  texts: tuple[str, str]
  ids: tuple[list[int], list[int]]

  @property
  def sizes(self) -> tuple[int, int]:
    return len(self.ids[0]), len(self.ids[1])


def tools(settings: PairSettings, vocab_file: str) -> tuple:
  """As of `shards.make_shards`.

  Of each side is counted how often each id stands in a sequence, `source_ids`
  and `target_ids`, [V].
  """
  tokenizer = _tokenizer(files.read(vocab_file), vocab_file)
  make_shard = functools.partial(_make_shard, settings, len(tokenizer))
  return functools.partial(_encode, tokenizer), make_shard


def _encode(
  tokenizer: subword_tokenizer.SubwordTokenizer, whole: Iterable[list[str]]
) -> Iterator[list[Encoded]]:
  """Encodes documents of lines of source, tab, target."""
  for lines in whole:
    pairs = [tuple(line.split("\t")) for line in lines]
    texts = [text for pair in pairs for text in pair]
    ids = tokenizer.processor.encode(texts, add_eos=True, num_threads=1)
    sides = zip(ids[::2], ids[1::2], strict=True)
    yield [Encoded(*pair) for pair in zip(pairs, sides, strict=True)]


def collect_texts(results: Sequence[dict], folder: str) -> dict[str, str]:
  """Joins the texts of the pieces; returns the paths of `TEXTS` by name."""
  paths = {name: files.join(folder, name) for name in pair_data.TEXTS}
  for name, path in paths.items():
    with files.whole(path) as file:
      for index in range(len(results)):
        file.write(files.read(_text_path(folder, index, name)))
  return paths


def _make_shard(
  settings: PairSettings, vocab_size: int, path: str, split: str, docs, rng
) -> tuple[dict, dict[str, np.ndarray]]:
  room = settings.seq_length, settings.target_length
  every = [pair for document in docs for pair in document]
  short = [p for p in every if p.sizes[0] <= room[0] and p.sizes[1] <= room[1]]
  even = [
    p for p in short if max(p.sizes) <= settings.max_length_ratio * min(p.sizes)
  ]
  if split == "validation":
    _write_texts(path, even)
  else:  # pairs of one size, often neighbours, would stay together
    rng.shuffle(even)
  sizes = np.array([p.sizes for p in even], np.int64).reshape(-1, 2)
  bins = pair_packing.fill_bins(sizes, room)
  if split == "train":
    rng.shuffle(bins)
  sequences, counts = {}, {}
  for side, name in enumerate(("source", "target")):
    ids, numbers = pair_packing.join(
      bins, [p.ids[side] for p in even], room[side]
    )
    feature = pair_data.SIDES[side]
    sequences |= {feature: ids, pair_data.segmentation(feature): numbers}
    counts[f"{name}_ids"] = np.bincount(ids.reshape(-1), minlength=vocab_size)
  return {
    "documents": len(docs),
    "document_tokens": sum(sum(pair.sizes) for pair in every),
    "pairs": len(even),
    "too_long_pairs": len(every) - len(short),
    "uneven_pairs": len(short) - len(even),
    "sequences": len(bins),
    "file": shards.write_rows(path, sequences),
  }, counts


def _write_texts(path: str, pairs: Sequence[Encoded]) -> None:
  for side, name in enumerate(pair_data.TEXTS):
    text = "".join(f"{pair.texts[side]}\n" for pair in pairs)
    files.write(f"{path}-{name}", text.encode())


def _text_path(folder: str, index: int, name: str) -> str:
  return files.join(folder, f"validation-{index:05d}-{name}")
