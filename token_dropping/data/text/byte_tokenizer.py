# SPDX-License-Identifier: Apache-2.0
"""Text -> ids -> the same text, byte for byte, for models that write text.

Byte-pair encoding over bytes (Radford et al., 2019, section 2.2), computed by
SentencePiece, which runs in a graph. As SentencePiece knows characters only,
each byte becomes a printable one, as in GPT-2's table; but the space stays one,
since that is where SentencePiece lets words begin.
"""

import contextlib
import functools
import os
from collections.abc import Iterator

import sentencepiece
import tensorflow as tf
import tensorflow_text as tf_text

from token_dropping.common import errors
from token_dropping.common import files

FILE = "tokenizer.model"  # its name in a folder
PAD, END_OF_TEXT = "<pad>", "<|endoftext|>"
PAD_ID, END_OF_TEXT_ID = 0, 1
SPACE = "\u2581"  # how a piece of SentencePiece writes the space
_RULE = f"{FILE} must be one that token_dropping.data.prepare made"
_BREAK = "\n"  # none of the characters that stand for bytes
# All bytes, and what is easily lost: spaces at both ends and in a row.
_PROBE = b"  a  " + bytes(range(256)) + b"b "


@functools.cache
def byte_characters() -> tuple[str, ...]:
  """Returns the character that stands for each byte.

  Printable Latin letters and signs stand for themselves, the other bytes, in
  their order, are the characters from U+0100 on.

  >>> "".join(byte_characters()[byte] for byte in b"A b\\n")
  'A bĊ'
  """
  kept = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
  others = (byte for byte in range(256) if byte not in kept)
  characters = {byte: chr(byte) for byte in kept}
  characters |= {byte: chr(256 + i) for i, byte in enumerate(others)}
  return tuple(" " if i == 0x20 else characters[i] for i in range(256))


class ByteTokenizer(tf.Module):
  """Turns any bytes into ids and back: eagerly, in `tf.data`, in a SavedModel.

  The model is a constant of the graph, so a SavedModel needs no file. No text
  has an id of padding (0) or end of text (1): "<|endoftext|>" in a text is
  letters. `pieces` are the bytes of each id, none of these two. A `UserError`
  refuses a model that does not give every text back.
  """

  FILES = (FILE,)

  def __init__(self, model: bytes, path: str):
    super().__init__(name="byte_tokenizer")
    self.model = model
    self.pieces = _pieces(model, path)
    with _silence():
      self._tokenizer = tf_text.SentencepieceTokenizer(model, out_type=tf.int32)
    found = self.tokenize(tf.constant([_PROBE]))
    is_exact = self.detokenize(found).numpy()[0] == _PROBE
    no_padding = PAD_ID not in found.flat_values
    errors.require(is_exact and no_padding, _RULE, repr(path))

  @classmethod
  def from_file(cls, path: str) -> "ByteTokenizer":
    """Reads a `tokenizer.model`, local or remote; raises `UserError`."""
    return cls(files.read_input(path, FILE), path)

  @classmethod
  def from_folder(cls, folder: str) -> "ByteTokenizer":
    """Reads the model in a folder; as `from_file`."""
    return cls.from_file(files.join(folder, FILE))

  def __len__(self) -> int:
    return len(self.pieces)

  @property
  def names(self) -> tuple[str, ...]:
    """What each id stands for, for people."""
    special = PAD, END_OF_TEXT
    pieces = self.pieces[len(special) :]
    texts = (piece.decode(errors="replace") for piece in pieces)
    return (*special, *(text.replace("\n", "⏎") for text in texts))

  def unused_ids(self, vocab_size: int) -> list[int]:
    """Returns those of a network's ids that no text has: padding, and more."""
    return [PAD_ID, *range(len(self), vocab_size)]

  def tokenize(self, strings: tf.Tensor) -> tf.RaggedTensor:
    """Returns int32 ids [n, tokens] of [n] strings, which may be any bytes."""
    # Latin-1 has all bytes as characters of the same numbers.
    numbers = tf.strings.unicode_decode(strings, "ISO-8859-1")
    codes = tf.constant([ord(c) for c in byte_characters()])
    codes = numbers.with_flat_values(tf.gather(codes, numbers.flat_values))
    text = tf.strings.unicode_encode(codes, "UTF-8")
    # No piece crosses the beginning of a word, so each word is read once.
    text = tf.strings.regex_replace(text, " ", f"{_BREAK} ")
    words = tf.strings.split(text, _BREAK)
    distinct, places = tf.unique(words.flat_values)
    ids = tf.gather(self._tokenizer.tokenize(distinct), places)
    return words.with_flat_values(ids).merge_dims(1, 2)

  def detokenize(self, ids: tf.Tensor | tf.RaggedTensor) -> tf.Tensor:
    """Returns the bytes [n] of ids [n, tokens] below the number of tokens.

    Padding and end of text are empty. What was cut within a character is no
    UTF-8.
    """
    pieces = tf.gather(tf.constant(self.pieces), ids)
    return tf.strings.reduce_join(pieces, axis=-1)


@contextlib.contextmanager
def _silence() -> Iterator[None]:
  """Keeps what SentencePiece says of any model off the terminal."""
  stderr, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
  try:
    os.dup2(nowhere, 2)
    yield
  finally:
    os.dup2(stderr, 2)
    os.close(stderr)
    os.close(nowhere)


def _pieces(model: bytes, path: str) -> list[bytes]:
  """Returns the bytes of each id; refuses what is no such model."""
  values = {c: bytes([i]) for i, c in enumerate(byte_characters())}
  values[SPACE] = values.pop(" ")
  # No model, or another alphabet.
  with errors.refusing(_RULE, repr(path), RuntimeError, KeyError):
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    names = processor.id_to_piece(list(range(len(processor))))
    is_ours = names[:2] == [PAD, END_OF_TEXT]
    errors.require(is_ours, _RULE, repr(path))
    pieces = [b"".join(map(values.__getitem__, name)) for name in names[2:]]
  is_split = not any(b" " in piece[1:] for piece in pieces)
  errors.require(is_split, _RULE, repr(path))
  return [b"", b"", *pieces]
