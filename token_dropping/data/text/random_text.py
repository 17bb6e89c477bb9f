# SPDX-License-Identifier: Apache-2.0
"""Random Unicode text, to compare tokenizers with.

It leaves out what BERT's implementations read differently:

- characters that Python does not know, or that `tokenizers` (whose tables are
  those of Unicode 8) takes for another category than Python;
- U+2B820 to U+2B91F, rare Chinese characters, which `tokenizers` does not
  set apart from their neighbours;
- what is too new for TensorFlow: Vithkuqi, controls of hieroglyphs and Arabic.
"""

import functools
import random
import re
import unicodedata
from collections.abc import Callable, Sequence

import tokenizers

STRINGS = 6000

# First and last code point, and how often: an idea of what may go wrong.
BLOCKS = {
  "ASCII letters": (0x61, 0x7A, 30),
  "ASCII capitals": (0x41, 0x5A, 10),
  "ASCII": (0x00, 0x7F, 15),
  "spaces": (0x20, 0x20, 15),
  "Latin": (0x80, 0x24F, 20),
  "combining marks": (0x300, 0x36F, 8),
  "Greek": (0x370, 0x3FF, 8),
  "Cyrillic": (0x400, 0x52F, 5),
  "Hebrew, Arabic": (0x590, 0x6FF, 6),
  "Devanagari to Tibetan": (0x900, 0xFFF, 5),
  "Thai": (0xE00, 0xE5B, 5),
  "Jamo": (0x1100, 0x11FF, 2),
  "Latin, Greek additions": (0x1E00, 0x1FFF, 10),
  "spaces, punctuation, format": (0x2000, 0x206F, 10),
  "symbols": (0x2070, 0x2BFF, 5),
  "CJK punctuation, kana": (0x3000, 0x30FF, 5),
  "CJK compatibility": (0x3200, 0x33FF, 2),
  "CJK": (0x4E00, 0x9FA5, 8),
  "CJK A": (0x3400, 0x4DB5, 1),
  "CJK B": (0x20000, 0x2A6D6, 1),
  "CJK compatibility ideographs": (0xF900, 0xFAFF, 2),
  "Hangul": (0xAC00, 0xD7A3, 5),
  "private use": (0xE000, 0xF8FF, 1),
  "forms, byte order mark, U+FFFD": (0xFB00, 0xFFFD, 3),
  "mathematical letters": (0x1D400, 0x1D7FF, 2),
  "emoji": (0x1F300, 0x1F64F, 3),
  "anything": (0x1, 0x10FFFD, 5),
}
WHOLE = [
  "ΟΔΟΣ", "İstanbul", "\u0131I", "Straße", "ﬁ", "e\u0301", "\u00e9", "²", "…",
  "Ⅷ", "👩\u200d👩\u200d👧", "\u00a0", "\u3000", "\u2028", "\u202eabc\u202c",
  "ﷺ", "[MASK]", "[SEP]", "##a", "don't", "1,234.5", "ก็", "한국어", "東京",
  "a" * 100, "a" * 101, "é" * 100, "é" * 101, "д" * 60, "ก" * 120, "한" * 50,
  "e\u0301" * 100, "a" * 60 + "," + "b" * 60, "a" * 90 + "中" + "b" * 90,
  "a" * 70 + "»" + "é" * 70, "\u200b" * 50 + "b" * 90, "Ì", "Į\u0303", "ΣΣ",
]  # fmt: skip

_LEFT_OUT = re.compile(
  "[\U0002b820-\U0002b91f\U00010570-\U000105bf\U00013430-\U0001343f\u0890\u0891]"
)


@functools.cache
def _is_disputed(character: str) -> bool:
  """Says whether Python and `tokenizers` disagree about a character."""
  category = unicodedata.category(character)
  if category in ("Cn", "Cs") or _LEFT_OUT.match(character):
    return True
  split = tokenizers.pre_tokenizers.BertPreTokenizer()
  is_alone = len(split.pre_tokenize_str(f"a{character}b")) == 3
  if not character.isascii() and is_alone != category.startswith("P"):
    return True
  strip = tokenizers.normalizers.BertNormalizer(strip_accents=True)
  return (not strip.normalize_str(character)) != (category == "Mn")


def make_strings(
  seed: int,
  skip: Callable[[str], bool] = lambda character: False,
  number: int = STRINGS,
) -> list[str]:
  """Returns `WHOLE` and some random ones, without characters to skip."""
  rng = random.Random(seed)
  ranges = [(first, last) for first, last, _ in BLOCKS.values()]
  weights = [weight for _, _, weight in BLOCKS.values()]
  strings = [text for text in WHOLE if not any(map(skip, text))]
  whole = tuple(strings)

  def draw() -> str:
    if rng.random() < 0.02:
      return rng.choice(whole)
    character = chr(rng.randint(*rng.choices(ranges, weights)[0]))
    return "" if _is_disputed(character) or skip(character) else character

  for _ in range(number):
    strings.append("".join(draw() for _ in range(rng.randint(0, 40))))
  return strings


def join_tokens(tokens: Sequence[str], seed: int) -> list[str]:
  """Returns strings of six tokens, all of a vocabulary, apart or not."""
  rng = random.Random(seed)
  pieces = [token.removeprefix("##") for token in tokens]
  pieces = [piece for piece in pieces if not any(map(_is_disputed, piece))]
  rng.shuffle(pieces)
  pieces = [piece + rng.choice(("", " ")) for piece in pieces]
  return ["".join(pieces[i : i + 6]) for i in range(0, len(pieces), 6)]
