# SPDX-License-Identifier: Apache-2.0
"""A small tokenizer by bytes, and texts that are easily changed by one."""

import functools
import random

from tests import prepare_testing
from token_dropping.data.pretraining.causal import byte_pairs
from token_dropping.data.text import byte_tokenizer

_PARTS = (
  *(
    "the",
    " cat",
    " dog",
    "  ",
    "   ",
    "\n",
    "\n\n",
    "\t",
    "\r\n",
    "\x00",
    ".",
  ),
  *(
    "\u2581",
    "\u0120",
    "\u010a",
    "\xa0",
    "\u3000",
    "\u0301",
    "é",
    "日本",
    "😀",
  ),
  *(
    "<pad>",
    "<|endoftext|>",
    "<unk>",
    "[MASK]",
    "aaaa",
    "----",
    "12",
    "\ufeff",
  ),
)


@functools.cache
def model(vocab_size: int = 300) -> bytes:
  """Returns a model learnt from the corpus of `prepare_testing`."""
  lines = prepare_testing.make_text().split("\n")
  # Pieces that repeat themselves, and some of more bytes than letters.
  lines += ["aaaa ---- bababa 日本語 日本 é", "    "] * 3
  return byte_pairs.learn(byte_pairs.count_words(lines), vocab_size)


def tokenizer(vocab_size: int = 300) -> byte_tokenizer.ByteTokenizer:
  """Returns the tokenizer of that model."""
  return byte_tokenizer.ByteTokenizer(model(vocab_size), "tokenizer.model")


def texts(number: int = 300) -> list[str]:
  """Returns random texts, some of them empty."""
  rng = random.Random(0)
  words = [*_PARTS, *prepare_testing.WORDS, "ab", "ba", "a", "-", " "]
  return [
    "".join(rng.choices(words, k=rng.randrange(12))) for _ in range(number)
  ]
