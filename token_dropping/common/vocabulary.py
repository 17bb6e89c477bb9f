# SPDX-License-Identifier: Apache-2.0
"""A WordPiece vocabulary file: one token a line, the id is the line number."""

import collections
import dataclasses
import io
from collections.abc import Iterable

from token_dropping.common import errors
from token_dropping.common import files

PAD, UNK, CLS, SEP, MASK = "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"
SPECIAL_TOKENS = (PAD, UNK, CLS, SEP, MASK)
# Their names in the folder of a run, a dataset or a model.
FILE, LABELS_FILE = "vocab.txt", "labels.txt"


@dataclasses.dataclass(frozen=True)
class Vocabulary:
  """Tokens in the order of their ids: `tokens[i]` is the text of id `i`."""

  tokens: tuple[str, ...]

  def __len__(self) -> int:
    return len(self.tokens)

  def id(self, token: str) -> int:
    """Returns the id of `token`; raises `ValueError` if it has none."""
    return self.tokens.index(token)

  @property
  def special_ids(self) -> dict[str, int]:
    """Ids of `[PAD] [UNK] [CLS] [SEP] [MASK]`, by token."""
    return {token: self.id(token) for token in SPECIAL_TOKENS}

  @classmethod
  def from_file(cls, path: str) -> "Vocabulary":
    """Reads a `vocab.txt`, UTF-8, one token a line; raises `UserError`."""
    try:
      content = files.read(path)
    except OSError as error:
      raise errors.UserError(
        f"vocab_file must be a readable file. Received: {path!r}"
      ) from error
    return cls.from_bytes(content, path)

  @classmethod
  def from_bytes(cls, content: bytes, path: str) -> "Vocabulary":
    """Reads the content of a `vocab.txt`; `path` is for messages.

    Lines end as in Hugging Face's tokenizers: at `\\n`, `\\r\\n` or `\\r`, and
    at no other white space, which may be a token.
    """
    try:
      text = content.decode("utf-8")
    except UnicodeDecodeError as error:
      raise errors.UserError(
        f"vocab_file must be UTF-8 text. Received: {path!r} ({error.reason} "
        f"at byte {error.start})"
      ) from error
    lines = io.StringIO(text, newline=None)
    return cls.from_tokens([line.rstrip("\n") for line in lines], path)

  @classmethod
  def from_tokens(cls, tokens: Iterable[str], source: str) -> "Vocabulary":
    """Refuses a token twice, or a special one missing, in the file `source`."""
    tokens = tuple(tokens)
    missing = [token for token in SPECIAL_TOKENS if token not in tokens]
    rule = f"vocab_file must contain {' '.join(SPECIAL_TOKENS)}"
    errors.require(not missing, rule, f"{source!r} without {' '.join(missing)}")
    token, count = collections.Counter(tokens).most_common(1)[0]
    received = f"{source!r} with {token!r} {count} times"
    rule = "vocab_file must hold every token once"
    errors.require(count == 1, rule, received)
    return cls(tokens)
