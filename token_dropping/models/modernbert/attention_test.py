# SPDX-License-Identifier: Apache-2.0
"""Tests of local and global attention, against one with a dense mask."""

import functools
import re

import numpy as np
import pytest
import tensorflow as tf

from tests import modernbert_testing
from token_dropping.dropping import tokens as tokens_lib
from token_dropping.models import softmax_attention
from token_dropping.models.modernbert import global_attention
from token_dropping.models.modernbert import local_attention

B, K, N, H = 2, 23, 2, 4
RANDOM = np.random.default_rng(0)
QUERY, KEY, VALUE, UPSTREAM = RANDOM.normal(size=[4, B, K, N, H])
# Of sequences of twice the length, and some queries among them. One occurs
# several times, as masked positions that are not used do.
POSITIONS = [np.sort(RANDOM.permutation(2 * K)[:K]) for _ in range(B)]
SOME = [[0, 0, 0, 2, 3, 7, 11, 18, 22], [0, 1, 4, 5, 6, 9, 12, 13, 17]]
PADDING, DOCUMENTS = [4, 5], np.repeat([0, 1, 2], [5, 12, 6])
_dense = modernbert_testing.dense_attention
KINDS = {"all": (), "padding": (1,), "documents": (2,), "both": (1, 2)}


def _keys(kind: str) -> tokens_lib.Tokens:
  mask = 1 - tf.reverse(tf.sequence_mask(PADDING, K, tf.int32), [1])
  return tokens_lib.Tokens(
    states=tf.zeros([B, K, 1]),
    positions=tf.constant(POSITIONS, tf.int32),
    mask=mask if 1 in KINDS[kind] else None,
    documents=tf.constant([DOCUMENTS] * B) if 2 in KINDS[kind] else None,
  )


def _global(query, key, value, queries, keys, is_causal=False):
  relations = []
  if keys.documents is not None:
    relations.append((queries.documents, keys.documents, tf.equal))
  if is_causal:
    relations.append((queries.positions, keys.positions, tf.greater_equal))
  return global_attention.attend(query, key, value, keys.mask, relations)


def _results(attend, keys, some=False, dtype=tf.float32, mode="eager") -> list:
  """Returns outputs at real queries, and gradients of queries, keys, values."""
  states = [tf.cast(s, dtype) for s in (QUERY, KEY, VALUE)]
  queries = keys.gather(tf.constant(SOME)) if some else keys

  def run(query, key, value):
    if some:
      query = tf.gather(query, SOME, batch_dims=1)
    found = attend(query, key, value, queries, keys)
    assert found.dtype == dtype
    if keys.mask is None:
      return found
    return found * tf.cast(queries.mask, dtype)[..., tf.newaxis, tf.newaxis]

  def both(*states):
    outputs = run(*states)
    upstream = tf.cast(UPSTREAM[:, : outputs.shape[1]], dtype)
    return outputs, *softmax_attention.gradients(run, states, upstream)

  if mode != "eager":
    both = tf.function(both, jit_compile=mode == "xla", autograph=False)
  results = both(*states)
  assert {value.dtype for value in results} == {dtype}
  return [tf.cast(value, tf.float32) for value in results]


def _assert_same(found, wanted, tolerance=1e-5) -> None:
  for one, other in zip(found, wanted, strict=True):
    np.testing.assert_allclose(one, other, atol=tolerance)


@pytest.mark.parametrize("some", [False, True], ids=["whole", "some"])
@pytest.mark.parametrize("distance", [1, 7, 3 * K])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("causal", [False, True], ids=["both", "causal"])
def test_local_is_dense_with_a_mask(causal, kind, distance, some):
  """Of windows shorter and longer than the sequence."""
  local, dense = (
    functools.partial(attend, distance=distance, is_causal=causal)
    for attend in (local_attention.attend, _dense)
  )
  keys = _keys(kind)
  _assert_same(_results(local, keys, some), _results(dense, keys, some))


@pytest.mark.parametrize("some", [False, True], ids=["whole", "some"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("chunk", [4, K])
@pytest.mark.parametrize("causal", [False, True], ids=["both", "causal"])
def test_global_in_chunks_is_global_at_once(
  causal, chunk, kind, some, monkeypatch
):
  monkeypatch.setattr(global_attention, "CHUNK", chunk)
  found, dense = (
    functools.partial(attend, is_causal=causal) for attend in (_global, _dense)
  )
  keys = _keys(kind)
  _assert_same(_results(found, keys, some), _results(dense, keys, some))


@pytest.mark.parametrize(
  ("dtype", "mode"), [(tf.float32, "xla"), (tf.bfloat16, "graph")], ids=str
)
def test_compiled_and_in_short_types(dtype, mode, monkeypatch):
  monkeypatch.setattr(global_attention, "CHUNK", 8)
  local = functools.partial(local_attention.attend, distance=4)
  dense = functools.partial(_dense, distance=4)
  tolerance = 1e-5 if dtype == tf.float32 else 0.05
  keys = _keys("both")
  for attend, own in ((local, dense), (_global, _dense)):
    found = _results(attend, keys, True, dtype, mode)
    _assert_same(found, _results(own, keys, True), tolerance)


@pytest.mark.parametrize(
  ("attend", "shape", "barriers"),
  [
    (functools.partial(local_attention.attend, distance=4), "4,12", 3),
    (_global, f"8,{K}", 0),  # two loops, which are computed apart anyway
  ],
  ids=["local", "global"],
)
def test_no_program_has_or_keeps_a_number_for_each_pair(
  attend, shape, barriers, monkeypatch
):
  monkeypatch.setattr(global_attention, "CHUNK", 8)
  keys = _keys("both")
  upstream = tf.constant(UPSTREAM, tf.float32)

  @tf.function(jit_compile=True, autograph=False)
  def step(*states):
    def run(*states):
      return attend(*states, keys, keys)

    return softmax_attention.gradients(run, states, upstream)

  states = [tf.constant(s, tf.float32) for s in (QUERY, KEY, VALUE)]
  text = step.experimental_get_compiler_ir(*states)(stage="hlo")
  assert f",{shape}]" in text
  assert text.count(" opt-barrier(") == barriers
  assert not re.search(rf",2[3-9],({K}|24)\]", text)


def test_lengths_may_be_known_when_it_runs(monkeypatch):
  monkeypatch.setattr(global_attention, "CHUNK", 8)
  keys, states = _keys("all"), tf.constant(QUERY, tf.float32)

  @tf.function(input_signature=[tf.TensorSpec([None, None, N, H])])
  def both(states):
    shape = softmax_attention.shape_of(states)[:2]
    tokens = tokens_lib.Tokens.of_sequence(tf.zeros([*shape, 1]))
    tokens = tokens.with_states(states)
    attended = local_attention.attend(*[states] * 3, tokens, tokens, 4)
    return attended, _global(*[states] * 3, tokens, tokens)

  whole = tokens_lib.Tokens.of_sequence(keys.states)
  wanted = [
    _dense(*[states] * 3, whole, whole, 4),
    _dense(*[states] * 3, whole, whole),
  ]
  _assert_same(both(states), wanted)


def test_dropout_of_weights():
  states = [tf.constant(s, tf.float32) for s in (QUERY, KEY, VALUE)]
  keys, halve = _keys("all"), lambda weights: 0.5 * weights
  local = local_attention.attend(*states, keys, keys, 4, dropout=halve)
  whole = global_attention.attend(*states, dropout=halve)
  _assert_same([local], [0.5 * _dense(*states, keys, keys, 4)])
  _assert_same([whole], [0.5 * _dense(*states, keys, keys)])
