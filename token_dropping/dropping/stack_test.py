# SPDX-License-Identifier: Apache-2.0
"""Passes of every drop type over layers that only sum, by hand."""

import numpy as np
import pytest
import tensorflow as tf

from tests import drops_testing
from token_dropping.dropping import stack
from token_dropping.dropping import tokens as tokens_lib
from token_dropping.dropping.importance import token_scorer

LAYERS, LENGTH = 5, 5


class _Sums:
  """Each layer adds to a token those up to its position in its document."""

  num_layers = LAYERS

  def run_layer(self, index, queries, keys=None):
    keys = keys or queries
    sees = queries.positions[:, :, tf.newaxis] >= keys.positions[:, tf.newaxis]
    sees &= queries.documents[:, :, tf.newaxis] == keys.documents[:, tf.newaxis]
    sees &= keys.mask[:, tf.newaxis] > 0
    return tf.cast(sees, tf.float32) @ keys.states


class _Ids(token_scorer.TokenScorer):
  """Scores a token by its id, in even layers by the negative."""

  def _score(self, ids, states, mask, keep, layer):
    return tf.cast(ids if layer % 2 else -ids, tf.float32)


def _run(plan=None, read=None, documents=(0,) * LENGTH, padding=0):
  tokens = tokens_lib.Tokens.of_sequence(
    tf.ones([1, LENGTH, 1]),
    ids=tf.constant([[5, 9, 6, 8, 7]]),
    documents=tf.constant([documents]),
    mask=tf.sequence_mask([LENGTH - padding], LENGTH, tf.int32),
  )
  run = stack.run_layers(_Sums(), tokens, plan, _Ids(10), read)
  states = [states[0, :, 0].numpy().tolist() for states in run.encoder_outputs]
  return run, states


def test_without_a_plan_every_layer_has_all_tokens():
  run, states = _run()
  assert states[:2] == [[1, 2, 3, 4, 5], [1, 3, 6, 10, 15]]
  assert states[2:4] == [[1, 4, 10, 20, 35], [1, 5, 15, 35, 70]]
  assert run.what_stayed() == {}


def test_last_layer_only_where_it_is_read():
  _, states = _run(read=tf.constant([[0, 3]]))
  assert states[-1] == [1, 5, 15, 56, 70]


# Layer 1 is given half of the tokens (9 and 8), layers 2 and 3 a quarter (8, as
# the score has changed its sign). What comes out of layers 1, 2 and 4, the ids'
# places that stay, and in how many of three layers each token was computed.
STAGES = ({"layer": 1, "keep_ratio": 0.5}, {"layer": 2, "keep_ratio": 0.25})
DOCUMENTS, PADDING = {"documents": (0, 0, 1, 1, 1)}, {"padding": 2}
SKIP = [[1, 3, 3, 10, 5], [1, 3, 3, 13, 5], [1, 4, 7, 20, 25]]
# The kept token sees all others as they were, in layer 3 too.
CONTEXT = [[1, 3, 3, 10, 5], [1, 3, 3, 17, 5], [1, 4, 7, 31, 36]]
# In layer 1 9 and 8 see one another, in layer 2 5 and in layer 3 9 itself.
LAYERWISE = [[1, 2, 3, 6, 5], [1, 2, 3, 6, 5], [1, 3, 6, 12, 17]]
# Means of 2, 3 and of 4, 5 see what their first token sees. In layer 2 one mean
# of the four is left, and 5 in layer 3. It is added to 2, 3, 4 and 5.
POOL = [[1, 3, 3, 10, 10], [1, 4, 4, 4, 4], [2, 9, 17, 26, 36]]


@pytest.mark.parametrize(
  ("drop_type", "known", "expected", "kept", "computed"),
  [
    ("skip", {}, SKIP, [3], [0, 1, 0, 3, 0]),
    ("context", {}, CONTEXT, [3], [0, 1, 0, 3, 0]),
    ("layerwise", {}, LAYERWISE, None, [1, 2, 0, 1, 0]),
    ("pool", {}, POOL, None, [3, 1, 1, 1, 1]),
    (
      *("skip", DOCUMENTS),
      [[1, 3, 1, 3, 3], [1, 3, 1, 3, 3], [1, 4, 1, 4, 7]],
      *([3], [0, 1, 0, 3, 0]),
    ),
    (
      *("pool", DOCUMENTS),
      [[1, 3, 3, 3, 3], [1, 4, 4, 4, 4], [2, 9, 6, 13, 21]],
      *(None, [3, 1, 1, 1, 1]),
    ),
    (  # without 8 the lower id of two is 6
      *("skip", PADDING),
      [[1, 3, 6, 3, 3], [1, 3, 9, 3, 3], [1, 4, 13, 13, 13]],
      *([2], [0, 1, 3, 0, 0]),
    ),
    (  # the second group is nothing but padding, which nobody sees
      *("pool", PADDING),
      [[1, 3, 3, 6, 6], [1, 4, 4, 4, 4], [2, 9, 17, 17, 17]],
      *(None, [3, 1.5, 1.5, 1, 1]),
    ),
  ],
)
def test_passes_by_hand(drop_type, known, expected, kept, computed):
  plan = drops_testing.make_plan(
    LAYERS, stages=STAGES, restore_layer=4, drop={"type": drop_type}
  )
  run, states = _run(plan, **known)
  assert [states[1], states[2], states[4]] == expected
  np.testing.assert_array_equal(run.tokens.states[0, :, 0], states[4])
  stayed = run.what_stayed()
  assert ("kept_positions" in stayed) == (kept is not None)
  np.testing.assert_array_equal(stayed.get("kept_positions", [kept]), [kept])
  share = np.array(computed) / 3
  np.testing.assert_allclose(stayed["computed_share"], [share], rtol=1e-6)
