# SPDX-License-Identifier: Apache-2.0
"""The pass over layers that are no transformer's, against numbers by hand."""

import numpy as np
import tensorflow as tf

from tests import drops_testing
from token_dropping.dropping import stack
from token_dropping.dropping import tokens as tokens_lib
from token_dropping.dropping.importance import token_scorer


class _Sums:
  """Each layer adds to a token those up to its position in its document."""

  num_layers = 4

  def run_layer(self, index, queries, keys=None):
    keys = keys or queries
    sees = queries.positions[:, :, tf.newaxis] >= keys.positions[:, tf.newaxis]
    sees &= queries.documents[:, :, tf.newaxis] == keys.documents[:, tf.newaxis]
    return tf.cast(sees, tf.float32) @ keys.states


class _Ids(token_scorer.TokenScorer):
  """Scores a token by its id."""

  def _score(self, ids, states, mask, keep, layer):
    return tf.cast(ids, tf.float32)


def _run(plan=None, read=None, documents=(0, 0, 0, 0)):
  tokens = tokens_lib.Tokens.of_sequence(
    tf.ones([1, 4, 1]),
    ids=tf.constant([[5, 9, 6, 8]]),
    documents=tf.constant([documents]),
  )
  run = stack.run_layers(_Sums(), tokens, plan, _Ids(10), read)
  states = [states[0, :, 0].numpy().tolist() for states in run.encoder_outputs]
  return run, states


def test_without_a_plan_every_layer_has_all_tokens():
  run, states = _run()
  assert states == [[1, 2, 3, 4], [1, 3, 6, 10], [1, 4, 10, 20], [1, 5, 15, 35]]
  assert run.what_stayed() == {}


def test_kept_tokens_have_their_positions():
  plan = drops_testing.make_plan(4, token_keep_ratio=0.5, drop_layer=1)
  run, states = _run(plan)
  # 9 and 8 stay: in layer 1 they see all, in layer 2 one another.
  assert states == [[1, 2, 3, 4], [1, 3, 3, 10], [1, 3, 3, 13], [1, 4, 7, 20]]
  np.testing.assert_array_equal(run.kept_positions, [[1, 3]])
  np.testing.assert_array_equal(run.tokens.states, run.encoder_outputs[-1])


def test_kept_tokens_have_their_documents():
  plan = drops_testing.make_plan(4, token_keep_ratio=0.5, drop_layer=1)
  _, states = _run(plan, documents=(0, 0, 1, 1))
  assert states == [[1, 2, 1, 2], [1, 3, 1, 3], [1, 3, 1, 3], [1, 4, 1, 4]]


def test_last_layer_only_where_it_is_read():
  _, states = _run(read=tf.constant([[0, 3]]))
  assert states[-1] == [1, 4, 10, 35]
