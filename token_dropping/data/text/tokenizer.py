# SPDX-License-Identifier: Apache-2.0
"""The one tokenizer of data preparation, fine-tuning and serving graphs.

So a model never meets ids that it was not trained with. They are those of BERT
(Devlin et al., 2018, arXiv 1810.04805) in Hugging Face's `BertTokenizerFast`;
docs/data.md lists where BERT's implementations differ from each other.
"""

import re
from collections.abc import Sequence

import tensorflow as tf
import tensorflow_text as tf_text

from token_dropping.common import errors
from token_dropping.common import files
from token_dropping.common import vocabulary
from token_dropping.data.text import text_normalizer
from token_dropping.data.text import tokenizer_config

# Not in a word: white space, controls, what stands for a word too long.
_NOT_IN_WORDS = re.compile(rf"[\s\x00-\x1f{text_normalizer.TOO_LONG}]")


class Tokenizer(tf.Module):
  """Turns strings into ids: eagerly, in `tf.data` and in a SavedModel.

  The vocabulary is a constant of the graph, so a SavedModel needs no file; one
  of special tokens only is a `UserError`. Text that looks like a special token,
  "[SEP]", is text: "[", "sep", "]". A token with white space in it is never
  found.

  >>> pieces = ("un", "##able", "hello")
  >>> vocab = vocabulary.Vocabulary((*vocabulary.SPECIAL_TOKENS, *pieces))
  >>> tokenizer = Tokenizer(vocab, tokenizer_config.TokenizerConfig())
  >>> tokenizer.tokenize(tf.constant(["Hello unable", ""])).to_list()
  [[7, 5, 6], []]
  >>> tokenizer.encode([tf.constant(["hello"])], 5)["input_word_ids"].numpy()
  array([[2, 7, 3, 0, 0]], dtype=int32)
  """

  FILES = (vocabulary.FILE, tokenizer_config.FILE)  # their names in a folder

  def __init__(
    self, vocab: vocabulary.Vocabulary, config: tokenizer_config.TokenizerConfig
  ):
    super().__init__(name="tokenizer")
    self.vocab = vocab
    self.config = config
    rule = "the vocabulary must hold pieces of words besides the special "
    rule += "tokens (those learned occur twice in the training documents)"
    with errors.refusing(rule, f"{len(vocab)} tokens", RuntimeError):
      self._wordpiece = tf_text.FastWordpieceTokenizer(
        _words(vocab),
        # At most 4 bytes a character.
        max_bytes_per_word=4 * vocabulary.MAX_WORD,
        token_out_type=tf.int32,
        unknown_token=vocabulary.UNK,
      )

  @classmethod
  def from_folder(cls, folder: str) -> "Tokenizer":
    """Reads the files of a folder, local or remote; raises `UserError`."""
    path = files.join(folder, vocabulary.FILE)
    words = vocabulary.Vocabulary.from_file(path)
    return cls(words, tokenizer_config.TokenizerConfig.from_folder(folder))

  def __len__(self) -> int:
    return len(self.vocab)

  @property
  def names(self) -> tuple[str, ...]:
    """What each id stands for, for people."""
    return self.vocab.tokens

  def tokenize(self, strings: tf.Tensor) -> tf.RaggedTensor:
    """Returns int32 ids [n, tokens] of [n] strings; ignores bytes not UTF-8."""
    return self._wordpiece.tokenize(
      text_normalizer.normalize(strings, self.config)
    )

  def encode(
    self, segments: Sequence[tf.Tensor], seq_length: int | None = None
  ) -> dict[str, tf.Tensor]:
    """Returns a model's inputs: `[CLS] A [SEP]` or `[CLS] A [SEP] B [SEP]`.

    They are `input_word_ids`, `input_mask` (1 except at padding) and
    `input_type_ids` (1 from B on), each [n, S] int32, of one or two [n] string
    tensors. S is `seq_length`, by default that of the longest input. Too long a
    pair loses tokens at the end of its longer segment, then of both by turns,
    as with Hugging Face's `truncation=True`.
    """
    number = len(segments)
    errors.require(number in (1, 2), "segments must be one or two", number)
    tokens = [self.tokenize(strings) for strings in segments]
    if seq_length is not None:
      least = 1 + 2 * number
      rule = f"seq_length must be at least {least} with {number} segments"
      errors.require(seq_length >= least, rule, seq_length)
      tokens = trim(tokens, seq_length - 1 - number)
    special_ids = self.vocab.special_ids
    word_ids, type_ids = tf_text.combine_segments(
      tokens, special_ids[vocabulary.CLS], special_ids[vocabulary.SEP]
    )
    shape = [None, seq_length]
    mask = tf.ones_like(word_ids)
    return {
      "input_word_ids": word_ids.to_tensor(
        special_ids[vocabulary.PAD], shape=shape
      ),
      "input_mask": mask.to_tensor(shape=shape),
      "input_type_ids": tf.cast(type_ids, tf.int32).to_tensor(shape=shape),
    }


def _words(vocab: vocabulary.Vocabulary) -> list[str]:
  """Returns tokens as TensorFlow Text may take them.

  It would find a token with a space, or U+2028, across words, and refuses what
  is longer than any word. So what no word holds stands in the place of these,
  one of a kind, since ids are the places.
  """
  words = [f"\x01{i}" for i in range(len(vocab))]
  for token, i in vocab.ids.items():
    if not (_NOT_IN_WORDS.search(token) or vocabulary.is_too_long(token)):
      words[i] = token
  return words


def trim(
  segments: Sequence[tf.RaggedTensor], room: int
) -> list[tf.RaggedTensor]:
  """Cuts one segment [n, tokens], or the longer of two, at its end to `room`.

  If both are longer than half of that, each gets half; an odd token goes to the
  longer, or to the second.

  >>> one, two = tf.ragged.constant([[1, 2, 3]]), tf.ragged.constant([[4, 5]])
  >>> [segment.to_list() for segment in trim([one, two], 3)]
  [[[1, 2]], [[4]]]
  """
  if len(segments) == 1:
    return [_first(segments[0], tf.fill([segments[0].nrows()], room))]
  lengths = [segment.row_lengths() for segment in segments]
  short = tf.minimum(tf.minimum(*lengths), room // 2)
  long = room - short  # may be more than there is
  swap = lengths[0] > lengths[1]
  return [
    _first(segments[0], tf.where(swap, long, short)),
    _first(segments[1], tf.where(swap, short, long)),
  ]


def _first(tokens: tf.RaggedTensor, numbers: tf.Tensor) -> tf.RaggedTensor:
  """Returns the first `numbers` [n] tokens of each row, or all."""
  lengths = tokens.row_lengths()
  limits = tf.repeat(tf.cast(numbers, lengths.dtype), lengths)
  kept = tf.ragged.range(lengths).flat_values < limits
  return tf.ragged.boolean_mask(tokens, tokens.with_flat_values(kept))
