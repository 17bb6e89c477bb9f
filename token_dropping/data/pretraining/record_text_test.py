# SPDX-License-Identifier: Apache-2.0
"""Tests for record_text."""

import numpy as np
import pytest

from token_dropping.common import errors
from token_dropping.common import vocabulary
from token_dropping.data.pretraining import record_text

VOCAB = vocabulary.Vocabulary(
  (
    *vocabulary.SPECIAL_TOKENS,
    *("the", "cat", "sat", "on", "dog", "house", "un", "##believ", "##able"),
    *("##", "é"),
  )
)


def _static(tokens: str, masks: dict[int, str]) -> dict[str, np.ndarray]:
  """Returns a record; `masks` has the originals; the last slot is unused."""
  return {
    "input_word_ids": np.array([VOCAB.id(t) for t in tokens.split()]),
    "masked_lm_positions": np.array([*masks, 0]),
    "masked_lm_ids": np.array([*(VOCAB.id(t) for t in masks.values()), 0]),
    "masked_lm_weights": np.array([1.0] * len(masks) + [0.0]),
  }


def _dynamic(tokens: str, starts: list[int]) -> dict[str, np.ndarray]:
  return {
    "input_word_ids": np.array([VOCAB.id(t) for t in tokens.split()]),
    "word_starts": np.array(starts),
  }


def _show(record: dict, coloured: bool = False) -> str:
  return record_text.RecordText(VOCAB, coloured).show(record, "file, record 7")


def _refused(record: dict) -> str:
  with pytest.raises(errors.UserError) as caught:
    _show(record)
  return str(caught.value)


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
  shown = _show(_dynamic(tokens, starts))
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


@pytest.mark.parametrize("name", ["input_word_ids", "masked_lm_ids"])
@pytest.mark.parametrize("value", [-1, len(VOCAB)])
def test_id_outside_the_vocabulary(name, value):
  record = _static("the cat", {0: "the"})
  record[name][0] = value
  assert _refused(record) == (
    f"{name} must be in [0, vocab_size) (16). Received: {value} in file, "
    "record 7"
  )


def test_position_outside_the_sequence():
  assert _refused(_static("the cat", {2: "the"})) == (
    "masked_lm_positions must be in [0, seq_length) (2). Received: 2 in file, "
    "record 7"
  )


def test_predictions_of_different_lengths():
  record = _static("the cat", {0: "the"})
  record["masked_lm_ids"] = record["masked_lm_ids"][:1]
  assert _refused(record) == (
    "masked_lm_positions, masked_lm_ids and masked_lm_weights must be equally "
    "long. Received: 2, 1 and 2 in file, record 7"
  )


@pytest.mark.parametrize("name", list(_static("the", {})))
def test_missing_feature(name):
  record = _static("the cat", {0: "the"})
  del record[name]
  assert _refused(record) == (
    f"records must have the feature {name}. Received: file, record 7 without it"
  )


@pytest.mark.parametrize("starts", [[1], [1, 2], [-1, 1]])
def test_word_starts_are_one_flag_a_token(starts):
  assert _refused(_dynamic("the cat", starts)) == (
    "word_starts must be 0 or 1 for each of the 2 input_word_ids. "
    f"Received: {starts} in file, record 7"
  )
