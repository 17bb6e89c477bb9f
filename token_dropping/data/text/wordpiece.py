# SPDX-License-Identifier: Apache-2.0
"""WordPiece: learns a vocabulary from text, and turns text into ids with it.

Three steps: count words, normalized as the `Tokenizer` does it; choose the
alphabet; merge pieces. Hugging Face's `tokenizers`, an optional dependency,
merges them; a fixed order of the alphabet makes two trainings give one file.
"""

import collections
import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from token_dropping.common import errors
from token_dropping.common import vocabulary
from token_dropping.data.text import tokenizer_config

MIN_FREQUENCY = 2
MAX_ALPHABET = 1000
PREFIX = "##"
_CHUNK = 4096  # repetitions of a word in one string, sentences in one call


@dataclasses.dataclass(frozen=True)
class EncodedDocument:
  """Ids of sentences, none empty; `offsets` are their starts, then the end."""

  ids: np.ndarray  # [tokens] int32, no special tokens added
  offsets: np.ndarray  # [sentences + 1] int32


class WordCounter:
  """Counts the words of sentences, as BERT's basic tokenizer splits them."""

  def __init__(self, config: tokenizer_config.TokenizerConfig):
    tokenizers = _import_tokenizers()
    self._normalizer = tokenizers.normalizers.BertNormalizer(
      lowercase=config.do_lower_case, strip_accents=config.strips_accents
    )
    self._splitter = tokenizers.pre_tokenizers.BertPreTokenizer()
    self._chunks: collections.Counter[str] = collections.Counter()

  def add(self, sentences: Iterable[str]) -> None:
    """Counts sentences; splits at white space only, which is fast."""
    for sentence in sentences:
      self._chunks.update(sentence.split())

  def words(self) -> collections.Counter[str]:
    """Returns the number of times that each word was seen."""
    counts: collections.Counter[str] = collections.Counter()
    for chunk, count in self._chunks.items():
      normal = self._normalizer.normalize_str(chunk)
      for word, _ in self._splitter.pre_tokenize_str(normal):
        counts[word] += count
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
  for word, count in counts.items():
    for index, character in enumerate(word):
      characters[character] += count
      if index:
        continuing[character] += count
  ranked = sorted(characters, key=lambda c: (-characters[c], c))
  kept = sorted(
    c for c in ranked[:MAX_ALPHABET] if characters[c] >= MIN_FREQUENCY
  )
  return kept + [PREFIX + c for c in kept if continuing[c] >= MIN_FREQUENCY]


def learn_vocabulary(
  counts: Mapping[str, int], vocab_size: int
) -> vocabulary.Vocabulary:
  """Learns a WordPiece vocabulary; the same counts give the same tokens.

  They are special tokens, alphabet, then pieces as they were merged: fewer than
  `vocab_size` if the words give no more, a `UserError` if there is no room.
  """
  tokenizers = _import_tokenizers()
  fixed = [*vocabulary.SPECIAL_TOKENS, *choose_alphabet(counts)]
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
    continuing_subword_prefix=PREFIX,
    show_progress=False,
  )
  model.train_from_iterator(_repeated(counts, frozenset(fixed)), trainer)
  ids = model.get_vocab(with_added_tokens=False)
  return vocabulary.Vocabulary(tuple(sorted(ids, key=ids.__getitem__)))


class Encoder:
  """Turns sentences into ids, many in one call; raises as `Tokenizer`."""

  def __init__(
    self,
    vocab: vocabulary.Vocabulary,
    config: tokenizer_config.TokenizerConfig,
  ):
    # Imported here: learning a vocabulary does not need TensorFlow.
    import tensorflow as tf

    from token_dropping.data.text import tokenizer

    self._tokenizer = tokenizer.Tokenizer(vocab, config)
    self._to_tensor = lambda strings: tf.constant(strings, tf.string)

  def encode(self, documents: Iterable[list[str]]) -> Iterator[EncodedDocument]:
    """Yields a document for each list, without sentences that have no token."""
    for batch in _batches(documents):
      sentences = [sentence for document in batch for sentence in document]
      ragged = self._tokenizer.tokenize(self._to_tensor(sentences))
      ids = ragged.flat_values.numpy()
      lengths = ragged.row_lengths().numpy()
      yield from _by_document(ids, lengths, [len(d) for d in batch])


def _by_document(
  ids: np.ndarray, lengths: np.ndarray, sizes: list[int]
) -> Iterator[EncodedDocument]:
  ends = np.concatenate([[0], np.cumsum(lengths)])
  first = 0
  for size in sizes:
    offsets = ends[first : first + size + 1]
    is_new = np.diff(offsets, prepend=-1) > 0  # else the sentence is empty
    # Copies: a view would keep the whole batch in memory.
    yield EncodedDocument(
      ids=ids[offsets[0] : offsets[-1]].copy(),
      offsets=(offsets[is_new] - offsets[0]).astype(np.int32),
    )
    first += size


def _batches(documents: Iterable[list[str]]) -> Iterator[list[list[str]]]:
  batch: list[list[str]] = []
  sentences = 0
  for document in documents:
    batch.append(document)
    sentences += len(document)
    if sentences >= _CHUNK:
      yield batch
      batch, sentences = [], 0
  if batch:
    yield batch


def _repeated(
  counts: Mapping[str, int], alphabet: frozenset[str]
) -> Iterator[str]:
  """Yields text in which each word appears as often as counted.

  Words with a character outside the alphabet, [UNK] anyway, are left out: the
  trainer would join what is left and right of it.
  """
  for word in sorted(counts):
    rest = (PREFIX + character for character in word[1:])
    if all(piece in alphabet for piece in itertools.chain(word[:1], rest)):
      for start in range(0, counts[word], _CHUNK):
        yield f"{word} " * min(_CHUNK, counts[word] - start)


def _import_tokenizers():
  try:
    import tokenizers
    import tokenizers.models
    import tokenizers.normalizers
    import tokenizers.pre_tokenizers
    import tokenizers.trainers
  except ImportError as error:
    raise errors.UserError(
      "learning a vocabulary needs tokenizers: pip install "
      "'token-dropping[data]', or give --vocab_file. Received: "
      f"{error}"
    ) from error
  return tokenizers
