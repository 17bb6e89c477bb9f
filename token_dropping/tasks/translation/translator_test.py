# SPDX-License-Identifier: Apache-2.0
"""Tests of beam search and of what is made of text."""

import numpy as np
import pytest
import tensorflow as tf

from tests import translation_testing
from token_dropping.tasks.translation import translator as translator_lib

TEXTS = translation_testing.TEXTS
SOURCES = tf.constant([[5, 6, 7, 1, 0], [8, 9, 1, 0, 0], [9, 8, 4, 5, 1]])
END = 1


def _network(**decoding):
  network = translation_testing.make_config().build_plain(
    extra_decode_length=6, **decoding
  )
  translation_testing.make_random(network)
  return network


def _log_probabilities(network, row: int, ids: list[int]) -> np.ndarray:
  """Returns those of a translation so far by a whole pass, [T, V]."""
  sources = SOURCES[row : row + 1]
  logits = network({"inputs": sources, "targets": tf.constant([ids])})
  return tf.nn.log_softmax(logits[0]).numpy()


def _until_end(output: np.ndarray) -> list[int]:
  """Returns a translation without padding."""
  ids = output.tolist()
  return ids[: ids.index(END) + 1] if END in ids else ids


def test_one_beam_is_greedy():
  network = _network(beam_size=1)
  for row, output in enumerate(network({"inputs": SOURCES})["outputs"].numpy()):
    ids = _until_end(output)
    best = _log_probabilities(network, row, ids).argmax(-1)
    assert best.tolist() == ids
    assert not output[len(ids) :].any()


@pytest.mark.parametrize("beam_size", [1, 4])
def test_scores_are_those_of_whole_passes(beam_size):
  """With a cache of keys and values, to 1e-5; Wu et al., 2016, formula 14.

  Model Garden gives a translation that finds no end no length penalty.
  """
  network = _network(beam_size=beam_size, alpha=0.6)
  found = network({"inputs": SOURCES})
  for row, output in enumerate(found["outputs"].numpy()):
    ids = _until_end(output)
    every = _log_probabilities(network, row, ids)
    total = every[np.arange(len(ids)), ids].sum()
    wanted = total / (((5 + len(ids)) / 6) ** 0.6 if END in ids else 1)
    assert float(found["scores"][row]) == pytest.approx(wanted, abs=1e-5)


def _translator(longest: int = 16) -> translator_lib.Translator:
  return translator_lib.Translator(
    _network(beam_size=1), translation_testing.tokenizer(), longest
  )


def test_texts_keep_their_order_and_empty_ones_stay_so():
  translator = _translator()
  found = translator.translate_all(TEXTS)
  assert [*map(bool, found)] == [True, True, False, True]
  assert found == translator.translate_all(TEXTS[::-1])[::-1]
  assert translator.translate_all([]) == []


def test_long_sentences_are_cut_off():
  translator = _translator(longest=4)
  tokenizer = translation_testing.tokenizer()
  (ids,) = tokenizer.tokenize([TEXTS[3]]).to_list()
  assert len(ids) > 4
  assert translator.count_cut(TEXTS) == 3
  start = tokenizer.detokenize([ids[:3]]).numpy()[0].decode()
  assert tokenizer.tokenize([start]).to_list() == [[*ids[:3], END]]
  one, other = translator.translate_all([TEXTS[3], start])
  assert one == other
