# SPDX-License-Identifier: Apache-2.0
"""A WordPiece vocabulary file: one token a line, the id is the line number."""

import dataclasses
import functools
from collections.abc import Iterable

from token_dropping.common import errors
from token_dropping.common import files
from token_dropping.common import text_bytes

PAD, UNK, CLS, SEP, MASK = "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"
SPECIAL_TOKENS = (PAD, UNK, CLS, SEP, MASK)
# Their names in the folder of a run, a dataset or a model.
FILE, LABELS_FILE = "vocab.txt", "labels.txt"
CONTINUATION = "##"  # before what continues a word
MAX_WORD = 100  # characters; longer words are [UNK]
MAX_BYTES = 256  # of a token, without "##", that TensorFlow Text takes
# What Unicode calls white space; `str.rstrip` takes four more.
_SPACES = "\t\n\x0b\x0c\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000"
_SPACES += "".join(map(chr, range(0x2000, 0x200B)))


def trim(token: str) -> str:
  """Returns a line of a `vocab.txt` as Hugging Face's tokenizers read it."""
  return token.rstrip(_SPACES)


@dataclasses.dataclass(frozen=True)
class Vocabulary:
  """Tokens in the order of their ids: `tokens[i]` is the text of id `i`."""

  tokens: tuple[str, ...]

  def __len__(self) -> int:
    return len(self.tokens)

  @functools.cached_property
  def ids(self) -> dict[str, int]:
    """Ids as Hugging Face's tokenizers read them from a `vocab.txt`.

    White space at the end of a token is none of it, and of equal tokens the
    last one counts.
    """
    return {trim(token): i for i, token in enumerate(self.tokens)}

  def id(self, token: str) -> int:
    """Returns the id of `token`; raises `KeyError` if it has none."""
    return self.ids[token]

  @property
  def special_ids(self) -> dict[str, int]:
    """Ids of `[PAD] [UNK] [CLS] [SEP] [MASK]`, by token."""
    return {token: self.id(token) for token in SPECIAL_TOKENS}

  @classmethod
  def from_file(cls, path: str) -> "Vocabulary":
    """Reads a `vocab.txt`, UTF-8, one token a line; raises `UserError`."""
    return cls.from_bytes(files.read_input(path, "vocab_file"), path)

  @classmethod
  def from_bytes(cls, content: bytes, path: str) -> "Vocabulary":
    """Reads the content of a `vocab.txt`; `path` is for messages."""
    text = text_bytes.decode(content, "vocab_file", path)
    tokens = [line.rstrip("\r") for line in text.split("\n")]
    return cls.from_tokens(tokens if tokens[-1] else tokens[:-1], path)

  @classmethod
  def from_tokens(cls, tokens: Iterable[str], source: str) -> "Vocabulary":
    """Refuses the tokens of the file `source` if a special one is missing."""
    words = cls(tuple(tokens))
    missing = [token for token in SPECIAL_TOKENS if token not in words.ids]
    rule = f"vocab_file must contain {' '.join(SPECIAL_TOKENS)}"
    errors.require(not missing, rule, f"{source!r} without {' '.join(missing)}")
    for line, token in enumerate(words.tokens, 1):
      errors.require(
        fits(token) or is_too_long(token),
        f"vocab_file must hold no token of more than {MAX_BYTES} bytes, which "
        "TensorFlow Text does not take",
        f"{source!r} with {len(token.encode())} bytes in line {line}",
      )
    return words


def fits(token: str) -> bool:
  """Says whether TensorFlow Text can take a token."""
  piece = token.removeprefix(CONTINUATION)
  return len(piece.encode("utf-8", "surrogatepass")) <= MAX_BYTES


def is_too_long(token: str) -> bool:
  """Says whether a token is longer than any word: it is never found."""
  return len(token.removeprefix(CONTINUATION)) > MAX_WORD
