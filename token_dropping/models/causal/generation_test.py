# SPDX-License-Identifier: Apache-2.0
"""Tests of generation: what a cache gives is what whole sequences give."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from tests import gpt_testing
from token_dropping.models.causal import generation
from token_dropping.models.causal import key_value_cache
from token_dropping.models.causal import sampling

V, S = gpt_testing.V, gpt_testing.S
LENGTHS = np.array([3, 7, 1, 5], np.int32)
NEW = S - 7
GREEDY = sampling.Sampling(top_k=1)
IDS = np.random.default_rng(4).integers(2, V, [4, S]).astype(np.int32)
PROMPTS = IDS[:, :7]  # and what stands behind shorter ones
ALL = np.ones(V, bool)


@pytest.fixture(params=gpt_testing.NETWORKS)
def model(request):
  return gpt_testing.make_model(request.param)


@tf.function
def _traced(model, prompts, allowed, end_id, how):
  generator = generation.Generator(model, allowed, end_id)
  return generator.generate(prompts, LENGTHS, NEW, how)


def _generate(model, how, allowed=ALL, end_id=1, prompts=PROMPTS) -> list:
  how = sampling.Sampling(*map(tf.constant, how))
  prompts, allowed = tf.constant(prompts), tf.constant(allowed)
  return (
    _traced(model, prompts, allowed, tf.constant(end_id), how).numpy().tolist()
  )


def _greedy(model, row: int, allowed: np.ndarray) -> list[int]:
  """Returns what the whole pass thinks best, step by step, without end."""
  ids = PROMPTS[row, : LENGTHS[row]].tolist()
  for _ in range(NEW):
    logits = model({"input_word_ids": tf.constant([ids])})["logits"][0, -1]
    ids.append(int(np.argmax(np.where(allowed, logits, -np.inf))))
  return ids[LENGTHS[row] :]


def test_cached_logits_are_those_of_whole_sequences(model):
  """Prompts of different lengths, then token by token."""
  network = model.encoder_network
  wanted = model({"input_word_ids": IDS})["logits"].numpy()
  cache = key_value_cache.empty(network, 4, S)
  places = np.tile(np.arange(7, dtype=np.int32), [4, 1])
  states, cache = key_value_cache.run(network, PROMPTS, places, cache)
  for row, length in enumerate(LENGTHS):
    found = model.logits(states[row : row + 1, :length])
    np.testing.assert_allclose(found[0], wanted[row, :length], atol=1e-5)
  for step in range(NEW):
    places = (LENGTHS + step)[:, None]
    ids = np.take_along_axis(IDS, places, axis=1)
    states, cache = key_value_cache.run(network, ids, places, cache)
    right = np.take_along_axis(wanted, places[:, :, None], axis=1)
    np.testing.assert_allclose(model.logits(states), right, atol=1e-5)
  assert np.abs(wanted).max() > 1


def test_greedy_text_is_the_best_of_the_whole_pass_at_every_step(model):
  """Of the ids that are allowed."""
  allowed = np.arange(V) % 3 > 0
  wanted = [_greedy(model, row, allowed) for row in range(4)]
  assert _generate(model, GREEDY, allowed, end_id=0) == wanted


def test_padding_of_prompts_counts_for_nothing(model):
  other = np.where(np.arange(7) < LENGTHS[:, None], PROMPTS, 9)
  assert (other != PROMPTS).any()
  found = _generate(model, GREEDY, prompts=other)
  assert found == _generate(model, GREEDY)


def test_a_sequence_stops_at_its_end_and_all_when_all_have(model):
  rows = [_greedy(model, row, ALL) for row in range(4)]
  pairs = itertools.chain.from_iterable(map(itertools.pairwise, rows))
  end = next(one for one, after in pairs if one != after)
  wanted = [
    row[: row.index(end)] + [end] * (NEW - row.index(end))
    if end in row
    else row
    for row in rows
  ]
  assert wanted != rows
  assert _generate(model, GREEDY, end_id=end) == wanted
  only = np.arange(V) == 6
  assert _generate(model, sampling.Sampling(), only, end_id=6) == [[6]] * 4


def test_one_seed_draws_one_text(model):
  one, same, other = (
    _generate(model, sampling.Sampling(seed=seed)) for seed in (1, 1, 2)
  )
  assert one == same != other
