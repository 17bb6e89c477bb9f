# SPDX-License-Identifier: Apache-2.0
"""A vocabulary for random text, and how ids are compared.

Model Garden reads two things differently than Hugging Face besides: a capital
sigma, whose lower case depends on its place there, and private use, which is
removed elsewhere; words above 100 characters are read as such for it too.
"""

import random
import unicodedata

from token_dropping.common import vocabulary

# `do_lower_case` and `strip_accents`.
CONFIGS = [(True, None), (True, False), (False, None), (False, True)]


def make_vocabulary(strings: list[str]) -> vocabulary.Vocabulary:
  """Returns one of frequent characters and of pairs of letters.

  They are in any case, with and without accents.
  """
  rng = random.Random(2)
  text = "".join(strings)
  text += unicodedata.normalize("NFD", text.lower()) + text.lower()
  drawn = sorted(set(rng.sample(text, 30_000)))
  characters = [c for c in drawn if unicodedata.category(c)[0] not in "CZ"]
  letters = [c for c in drawn if unicodedata.category(c)[0] in "LMN"]
  pairs = {"".join(rng.choices(letters, k=2)) for _ in range(2000)}
  pieces = [*characters, *sorted(pairs), "abc", "don", "Stra", "ss"]
  # What starts a word does not always go on one: some words are unknown.
  pieces += ["##" + piece for piece in pieces if rng.random() < 0.8]
  tokens = dict.fromkeys([*vocabulary.SPECIAL_TOKENS, *pieces])
  return vocabulary.Vocabulary(tuple(tokens))


def assert_same(strings: list[str], own: list, theirs: list) -> None:
  """Compares the ids of strings; names the first string that differs."""
  rows = zip(strings, own, theirs, strict=True)
  wrong = [(text, one, other) for text, one, other in rows if one != other]
  assert not wrong, f"{len(wrong)} of {len(own)}, such as {wrong[0]!a}"
