# SPDX-License-Identifier: Apache-2.0
"""Learns a WordPiece vocabulary from counted words.

Words are split and normalized as the `Tokenizer` does it. Hugging Face's
`tokenizers`, an optional dependency, merges the pieces of words; a fixed order
of the alphabet makes two trainings give one file.
"""

import collections
import itertools
from collections.abc import Iterable, Iterator, Mapping

from token_dropping.common import errors
from token_dropping.common import extras
from token_dropping.common import vocabulary
from token_dropping.data.text import tokenizer_config

MIN_FREQUENCY = 2
MAX_ALPHABET = 1000
_TOKENIZERS = (
  "tokenizers",
  "learning a vocabulary, without --vocab_file, needs tokenizers",
  "data",
)
_CHUNK = 4096  # repetitions of a word in one string


def count_words(
  sentences: Iterable[str], config: tokenizer_config.TokenizerConfig
) -> collections.Counter[str]:
  """Counts the words of sentences, as BERT's basic tokenizer splits them.

  Those of more than `vocabulary.MAX_WORD` characters, [UNK] anyway, are left
  out.
  """
  tokenizers = extras.require(*_TOKENIZERS)
  normalizer = tokenizers.normalizers.BertNormalizer(
    lowercase=config.do_lower_case, strip_accents=config.strips_accents
  )
  splitter = tokenizers.pre_tokenizers.BertPreTokenizer()
  chunks: collections.Counter[str] = collections.Counter()
  for sentence in sentences:  # split at white space only, which is fast
    chunks.update(sentence.split())
  counts: collections.Counter[str] = collections.Counter()
  for chunk, number in chunks.items():
    normal = normalizer.normalize_str(chunk)
    for word, _ in splitter.pre_tokenize_str(normal):
      if len(word) <= vocabulary.MAX_WORD:
        counts[word] += number
  return counts


def choose_alphabet(counts: Mapping[str, int]) -> list[str]:
  """Returns the single-character pieces, first those that start words.

  They are the (at most 1,000) most frequent characters that were seen twice or
  more, sorted; then, with "##" before them, those of them that continue words.

  >>> choose_alphabet({"ab": 2, "c": 1})
  ['a', 'b', '##b']
  """
  characters: collections.Counter[str] = collections.Counter()
  continuing: collections.Counter[str] = collections.Counter()
  for word, number in counts.items():
    for index, character in enumerate(word):
      characters[character] += number
      if index:
        continuing[character] += number
  ranked = sorted(characters, key=lambda c: (-characters[c], c))
  kept = sorted(
    c for c in ranked[:MAX_ALPHABET] if characters[c] >= MIN_FREQUENCY
  )
  return kept + [
    vocabulary.CONTINUATION + c for c in kept if continuing[c] >= MIN_FREQUENCY
  ]


def learn_vocabulary(
  counts: Mapping[str, int], vocab_size: int
) -> vocabulary.Vocabulary:
  """Learns a WordPiece vocabulary; the same counts give the same tokens.

  They are special tokens, alphabet, then pieces as they were merged: fewer than
  `vocab_size` if the words give no more, a `UserError` if there is no room.
  """
  tokenizers = extras.require(*_TOKENIZERS)
  alphabet = choose_alphabet(counts)
  errors.require(
    bool(alphabet),
    "the training documents must hold a character that occurs twice, in words "
    f"of at most {vocabulary.MAX_WORD} characters, to learn a vocabulary",
    f"{sum(counts.values())} such words",
  )
  fixed = [*vocabulary.SPECIAL_TOKENS, *alphabet]
  errors.require(
    vocab_size >= len(fixed),
    f"vocab_size must be at least {len(fixed)} for this input (5 special "
    "tokens and its alphabet)",
    vocab_size,
  )
  model = tokenizers.Tokenizer(
    tokenizers.models.WordPiece(unk_token=vocabulary.UNK)
  )
  model.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
  trainer = tokenizers.trainers.WordPieceTrainer(
    vocab_size=vocab_size,
    min_frequency=MIN_FREQUENCY,
    # "Special" is what the trainer numbers first and in this order; the order
    # that it finds characters in itself changes from run to run.
    special_tokens=fixed,
    continuing_subword_prefix=vocabulary.CONTINUATION,
    show_progress=False,
  )
  model.train_from_iterator(_repeated(counts, frozenset(fixed)), trainer)
  ids = model.get_vocab(with_added_tokens=False)
  tokens = filter(vocabulary.fits, sorted(ids, key=ids.__getitem__))
  return vocabulary.Vocabulary(tuple(tokens))


def _repeated(
  counts: Mapping[str, int], alphabet: frozenset[str]
) -> Iterator[str]:
  """Yields text in which each word appears as often as counted.

  Words with a character outside the alphabet, [UNK] anyway, are left out: the
  trainer would join what is left and right of it.
  """
  for word in sorted(counts):
    rest = (vocabulary.CONTINUATION + character for character in word[1:])
    if all(piece in alphabet for piece in itertools.chain(word[:1], rest)):
      for start in range(0, counts[word], _CHUNK):
        yield f"{word} " * min(_CHUNK, counts[word] - start)
