# SPDX-License-Identifier: Apache-2.0
"""Tests of learnt byte pairs."""

import pytest
import tensorflow as tf

from tests import causal_testing
from tests import testing
from token_dropping.data.pretraining.causal import byte_pairs
from token_dropping.data.text import byte_tokenizer


def test_words_are_gpt2s():
  words = byte_pairs.count_words(["It's 12 o'clock...", "It's é"])
  assert words == {
    **{"It": 2, "'s": 2, " 12": 1, " o": 1, "'": 1, "clock": 1, "...": 1},
    " Ã©": 1,
  }
  long = "a" * byte_pairs.MAX_WORD
  assert byte_pairs.count_words([f"{long} b", f"{long}a"]) == {long: 1, " b": 1}


def test_merges_are_by_frequency_and_of_words_seen_twice():
  # "bc" stands 5 times; then " a" and "abc" 3 times, with what they become.
  model = byte_pairs.learn({" abc": 3, "bc": 2, "xyz": 1}, 300)
  pieces = byte_tokenizer.ByteTokenizer(model, "m").pieces
  assert pieces[2] == b"bc" and pieces[3] in (b" a", b"abc")
  assert pieces[4] == b" abc"
  assert {bytes([byte]) for byte in range(256)} < set(pieces)
  assert b"xy" not in pieces


def test_no_byte_is_too_rare():
  model = byte_pairs.learn({" the": 10**10}, 300)
  pieces = byte_tokenizer.ByteTokenizer(model, "m").pieces
  assert {bytes([byte]) for byte in range(256)} < set(pieces)


def test_the_size_is_the_one_asked():
  for size in (258, 270):
    assert len(causal_testing.tokenizer(size)) == size


def test_lines_one_by_one_have_the_ids_of_the_text():
  tokenizer = causal_testing.tokenizer()
  text = "the cat sees\na dog\n\n\nand likes it"
  lines = tokenizer.tokenize(tf.constant(text.splitlines(keepends=True)))
  (whole,) = tokenizer.tokenize(tf.constant([text])).to_list()
  assert lines.flat_values.numpy().tolist() == whole


@pytest.mark.slow  # TensorFlow is imported twice
def test_two_trainings_in_two_processes_agree():
  counts = byte_pairs.count_words(["the cat sees the dog", "日本 the cat"] * 5)
  script = (
    "from token_dropping.data.pretraining.causal import byte_pairs\n"
    f"model = byte_pairs.learn({dict(reversed(counts.items()))!a}, 280)\n"
    "print(model.hex())\n"
  )
  found = testing.run_script(script).strip()
  assert found == byte_pairs.learn(counts, 280).hex()
