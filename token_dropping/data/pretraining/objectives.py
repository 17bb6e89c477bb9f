# SPDX-License-Identifier: Apache-2.0
"""What preparing data for one objective does otherwise than for the other."""

import collections
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from token_dropping.common import vocabulary
from token_dropping.data.pretraining import dataset_statistics
from token_dropping.data.pretraining import shards
from token_dropping.data.pretraining import word_counts
from token_dropping.data.pretraining import wordpiece
from token_dropping.data.pretraining.causal import byte_pairs
from token_dropping.data.pretraining.causal import shards as causal_shards
from token_dropping.data.pretraining.causal import statistics
from token_dropping.data.pretraining.prepare_settings import PrepareSettings
from token_dropping.data.text import byte_tokenizer
from token_dropping.data.text import subword_tokenizer
from token_dropping.data.text import tokenizer

Vocabulary = (
  vocabulary.Vocabulary
  | byte_tokenizer.ByteTokenizer
  | subword_tokenizer.SubwordTokenizer
)


class Objective(NamedTuple):
  """The vocabulary of an objective, its records and their statistics.

  `file` is the vocabulary's name in a folder. `load` reads one, by its path,
  and refuses what is of no use. `learn`, of the counts that `count_words` makes
  and a size, returns its content. `tools` is for `shards.make_shards`, the
  third pass; `collect` sums up what that counted. `card` are fields of
  `dataset.json`. `beside`, of the results of the third pass and the work
  folder, makes further files there and returns their paths by name.
  """

  file: str
  load: Callable[[str], Vocabulary]
  count_words: word_counts.CountWords
  learn: Callable[[Mapping[str, int], int], str | bytes]
  tools: Callable[..., tuple]
  collect: Callable[..., dict[str, dict]]
  card: dict
  beside: Callable[[Sequence[dict], str], dict[str, str]] = lambda *_: {}


def of(settings: PrepareSettings) -> Objective:
  """Returns what the objective of settings does."""
  if settings.is_causal:
    return Objective(
      byte_tokenizer.FILE,
      byte_tokenizer.ByteTokenizer.from_file,
      byte_pairs.count_words,
      byte_pairs.learn,
      causal_shards.tools,
      statistics.collect,
      {"objective": settings.objective},
    )
  config = settings.tokenizer_config
  return Objective(
    vocabulary.FILE,
    functools.partial(_load_words, config=config),
    functools.partial(wordpiece.count_words, config=config),
    _learn_words,
    shards.tools,
    dataset_statistics.collect,
    {"masking": settings.masking},
  )


def _load_words(path: str, config) -> vocabulary.Vocabulary:
  words = vocabulary.Vocabulary.from_file(path)
  tokenizer.Tokenizer(words, config)  # refuses one that is of no use
  return words


def _learn_words(counts: collections.Counter[str], size: int) -> str:
  learned = wordpiece.learn_vocabulary(counts, size)
  return "".join(f"{token}\n" for token in learned.tokens)
