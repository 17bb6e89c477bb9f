# SPDX-License-Identifier: Apache-2.0
"""What is a word, for those who look at text before it is tokenized.

BERT's basic tokenizer splits at white space, punctuation and CJK characters; a
word of more than `vocabulary.MAX_WORD` characters is `[UNK]`.
"""

import functools
import re
import sys
import unicodedata

from token_dropping.common import vocabulary
from token_dropping.data.text import tokenizer_config

_ASCII_PUNCTUATION = r"!-/:-@\[-`{-~"
# As in BERT: CJK ideographs, not kana or hangul.
_CJK = (
  "\u4e00-\u9fff\u3400-\u4dbf\U00020000-\U0002a6df\U0002a700-\U0002b73f"
  "\U0002b740-\U0002b81f\U0002b820-\U0002ceaf\uf900-\ufaff"
  "\U0002f800-\U0002fa1f"
)
# Letters of scripts without spaces between words, which the vocabulary splits,
# or rarely with them: Thai, Lao, Tibetan, Myanmar, Khmer, of the islands, CJK,
# kana, bopomofo, Yi, Vai, old ones. Korean has spaces. Ethiopic has "\u1361".
_UNSPACED = re.compile(
  "[\u0e01-\u109f\u1361\u1700-\u17ff\u1900-\u1aaf\u1b00-\u1c4f\u2e80-\u2fdf"
  "\u3005-\u3007\u3040-\u312f\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf"
  "\u4e00-\u9fff\ua000-\ua63f\ua930-\ua95f\ua980-\uaadf\uf900-\ufaff"
  "\uff66-\uff9f\U00010000-\U0001bfff\U00020000-\U0003ffff]"
)
# The same but for rare punctuation: a quick look for what may be too long.
_MAYBE_LONG = re.compile(
  f"[^ {_ASCII_PUNCTUATION}{_CJK}\u3000-\u3003]{{{vocabulary.MAX_WORD + 1}}}"
)
_REMOVED = ("Cc", "Cf", "Co")  # categories


def number_of_words(text: str) -> int:
  """Counts words by spaces; letters of scripts without these are one each.

  >>> [number_of_words(text) for text in ("one two.", "今天", "", "iPhone手机")]
  [2, 2, 0, 3]
  """
  return len(_UNSPACED.sub(" x ", text).split())


def number_of_long_words(
  text: str, config: tokenizer_config.TokenizerConfig
) -> int:
  """Returns how many words of text with single spaces are `[UNK]` for length.

  >>> config = tokenizer_config.TokenizerConfig()
  >>> number_of_long_words(f"{'a' * 101} {'b' * 100}-{'c' * 100}", config)
  1
  """
  chunks = text.split(" ")
  if max(map(len, chunks)) <= vocabulary.MAX_WORD:  # fast
    return 0
  return sum(
    len(word) > vocabulary.MAX_WORD
    for chunk in chunks
    if len(chunk) > vocabulary.MAX_WORD and _MAYBE_LONG.search(chunk)
    for word in parts().findall(_normal(chunk, config.strips_accents))
  )


def _normal(word: str, strips_accents: bool) -> str:
  if word.isascii():
    return word
  if strips_accents:
    word = unicodedata.normalize("NFD", word)
  removed = (*_REMOVED, "Mn") if strips_accents else _REMOVED
  return "".join(c for c in word if unicodedata.category(c) not in removed)


@functools.cache
def parts() -> re.Pattern:
  """Returns what finds punctuation, CJK characters, and what is between."""
  punctuation = _ASCII_PUNCTUATION + "".join(
    re.escape(chr(code))
    for code in range(128, sys.maxunicode + 1)
    if unicodedata.category(chr(code)).startswith("P")
  )
  alone = punctuation + _CJK
  return re.compile(f"[{alone}]|[^ \\t\\n\\r{alone}]+")
