# SPDX-License-Identifier: Apache-2.0
"""Tests of causal records as text."""

import numpy as np

from tests import causal_testing
from tests import testing
from token_dropping.data.pretraining.causal import record_text


def _ids(tokenizer, content: bytes) -> list[int]:
  return tokenizer.tokenize([content]).to_list()[0]


def test_text_with_its_ends_and_without_padding():
  tokenizer = causal_testing.tokenizer()
  dog, cat = _ids(tokenizer, b"a dog\nsees"), _ids(tokenizer, b"\xa9 cat")
  record = {"input_word_ids": np.array([*cat, 1, *dog, 1, 0, 0])}
  show = record_text.RecordText(tokenizer).show
  assert show(record, "F") == "� cat<|endoftext|>a dog⏎sees<|endoftext|>"
  coloured = record_text.RecordText(tokenizer, True).show(record, "F")
  assert "\x1b[2m<|endoftext|>\x1b[0ma dog\x1b[2m⏎\x1b[0msees" in coloured
  record["input_word_ids"][0] = 300
  assert testing.refused(show, record, "F") == (
    "records must have input_word_ids in [0, 300). Received: 300 in F"
  )
