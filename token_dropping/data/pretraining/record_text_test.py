# SPDX-License-Identifier: Apache-2.0
"""Tests for record_text."""

import numpy as np
import pytest

from tests import testing
from token_dropping.common import vocabulary
from token_dropping.data.pretraining import record_text

PIECES = ("the", "cat", "sat", "on", "dog", "un", "##believ", "##able", "##")
VOCAB = vocabulary.Vocabulary((*vocabulary.SPECIAL_TOKENS, *PIECES, "é"))


def _static(tokens: str, masks: dict[int, str]) -> dict[str, np.ndarray]:
  """Returns a record; `masks` has the originals; the last slot is unused."""
  return {
    "input_word_ids": np.array([VOCAB.id(t) for t in tokens.split()]),
    "masked_lm_positions": np.array([*masks, 0]),
    "masked_lm_ids": np.array([*(VOCAB.id(t) for t in masks.values()), 0]),
    "masked_lm_weights": np.array([1.0] * len(masks) + [0.0]),
  }


def _show(record: dict, coloured: bool = False) -> str:
  return record_text.RecordText(VOCAB, coloured).show(record, "file, record 7")


@pytest.mark.parametrize(
  "tokens, masks, expected",
  [
    ("the cat sat", {}, "the cat sat"),
    ("the [MASK] sat", {1: "cat"}, "the [cat→MASK] sat"),
    ("the dog sat", {1: "cat"}, "the [cat→dog] sat"),
    ("the cat sat", {1: "cat"}, "the [cat=] sat"),
    ("[CLS] the cat [SEP] [PAD] [PAD]", {}, "[CLS] the cat [SEP]"),
    ("[CLS] [UNK] é [SEP]", {}, "[CLS] [UNK] é [SEP]"),
    ("un ##believ ##able cat", {}, "unbelievable cat"),
    ("un [MASK] ##able", {1: "##believ"}, "un[believ→MASK]able"),
    ("un ##able ##able", {1: "##believ"}, "un[believ→##able]able"),
    ("un ##believ ##able", {1: "##believ"}, "un[believ=]able"),
    ("un cat", {1: "##able"}, "un[able→cat]"),
    ("un ##able", {1: "cat"}, "un [cat→##able]"),
    ("[MASK] ##believ ##able", {0: "un"}, "[un→MASK]believable"),
    ("[CLS] ##able cat", {}, "[CLS] ##able cat"),
    ("##able cat", {}, "##able cat"),
    ("cat ## cat", {}, "cat ## cat"),
  ],
)
def test_static(tokens, masks, expected):
  assert _show(_static(tokens, masks)) == expected


@pytest.mark.parametrize(
  "tokens, starts, expected",
  [
    ("[CLS] un ##able cat [SEP] [PAD]", [1, 1, 0, 1, 1, 0], "unable cat"),
    ("[CLS] the cat on [SEP] [PAD]", [0, 1, 1, 0, 0, 0], "the caton"),
    ("[CLS] cat ##able on [SEP] [PAD]", [0, 1, 1, 1, 1, 0], "cat ##able on"),
  ],
)
def test_dynamic(tokens, starts, expected):
  shown = _show(_static(tokens, {}) | {"word_starts": np.array(starts)})
  assert shown.replace(" [SEP]", "[SEP]") == f"[CLS] {expected}[SEP]"


def test_colours():
  record = _static("[CLS] the [MASK] dog on", {2: "cat", 3: "sat", 4: "on"})
  assert _show(record, coloured=True) == (
    "\x1b[2m[CLS]\x1b[0m the \x1b[32m[cat→MASK]\x1b[0m "
    "\x1b[31m[sat→dog]\x1b[0m \x1b[36m[on=]\x1b[0m"
  )
  record = _static("un [MASK] ##able", {1: "##believ"})
  assert _show(record, coloured=True) == "un\x1b[32m[believ→MASK]\x1b[0mable"


def test_legend():
  assert record_text.RecordText(VOCAB).legend() == (
    "To predict is a: [a→MASK] hidden, [a→b] replaced by b, [a=] left."
  )
  assert "\x1b[36m[a=]\x1b[0m" in record_text.RecordText(VOCAB, True).legend()


LENGTHS = "masked_lm_ids, masked_lm_positions, masked_lm_weights"


@pytest.mark.parametrize(
  ("name", "values", "rule"),
  [
    ("input_word_ids", [5, -1], "input_word_ids in [0, 15). Received: -1"),
    ("masked_lm_ids", [15, 0], "masked_lm_ids in [0, 15). Received: 15"),
    ("masked_lm_positions", [2, 0], "positions in [0, 2). Received: 2"),
    ("masked_lm_ids", [5], f"{LENGTHS} of a record must be equally long. "),
    ("word_starts", [1], "word_starts, input_word_ids of a record must be eq"),
    ("word_starts", [1, 2], "word_starts in [0, 2). Received: 2"),
  ],
)
def test_wrong_feature(name, values, rule):
  record = _static("the cat", {0: "the"}) | {name: np.array(values)}
  message = testing.refused(_show, record)
  assert rule in message and message.endswith(" in file, record 7")


@pytest.mark.parametrize("name", list(_static("the", {})))
def test_missing_feature(name):
  record = _static("the cat", {0: "the"})
  del record[name]
  assert name in testing.refused(_show, record)
