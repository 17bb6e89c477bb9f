# SPDX-License-Identifier: Apache-2.0
"""Tests of the moving average, against hand-computed numbers."""

import numpy as np
import pytest
import tensorflow as tf

from tests import testing
from token_dropping.dropping.importance import importance_scorer
from token_dropping.dropping.importance import token_scorer

ALWAYS_DROPPED = token_scorer.ALWAYS_DROPPED
ALWAYS_KEPT = token_scorer.ALWAYS_KEPT


def _scorer(**kwargs):
  defaults = {"vocab_size": 6, "init_value": 10.0, "beta": 0.5}
  scorer = importance_scorer.ImportanceScorer(**(defaults | kwargs))
  scorer.build()
  return scorer


@pytest.mark.parametrize(
  ("beta", "ids", "losses", "weights", "table"),
  [
    (0.9, [1], [2.0], [1.0], [10, 9.2, 10, 10, 10, 10]),  # 0.9 * 10 + 0.1 * 2
    # An id that is there three times moves once, toward its mean, 106 / 3.
    (0.5, [4] * 3, [2.0, 4.0, 100.0], [1.0] * 3, [10, 10, 10, 10, 68 / 3, 10]),
    (0.0, [2, 2], [1.0, 5.0], [3.0, 1.0], [10, 10, 2, 10, 10, 10]),
    # Slots of weight zero change nothing.
    (0.5, [1, 0], [2.0, np.inf], [1.0, 0.0], [10, 6, 10, 10, 10, 10]),
  ],
)
def test_update_moves_toward_the_weighted_mean(
  beta, ids, losses, weights, table
):
  scorer = _scorer(beta=beta)
  scorer.update([ids], [losses], [weights])
  np.testing.assert_allclose(scorer.table, table, rtol=1e-6)


def test_pinned_ids_survive_padded_updates():
  scorer = _scorer(allow_list=[1, 2], deny_list=[0])
  for _ in range(30):
    scorer.update([[0, 1, 3]], [[12.0, 12.0, 12.0]], [[1.0, 1.0, 1.0]])
  np.testing.assert_allclose(
    scorer([range(5)]),
    [[ALWAYS_DROPPED, ALWAYS_KEPT, ALWAYS_KEPT, 12, 10]],
    rtol=1e-6,
  )


def test_replicas_hold_the_table_of_the_global_batch():
  strategy = testing.mirrored(2)
  with strategy.scope():
    mirrored = _scorer()
  single = _scorer()
  ids = np.array([[1, 2], [1, 0]])
  losses = np.array([[0.0, 4.0], [100.0, 7.0]], np.float32)
  weights = np.array([[1.0, 1.0], [1.0, 0.0]], np.float32)
  single.update(ids, losses, weights)

  def update():
    row = tf.distribute.get_replica_context().replica_id_in_sync_group
    mirrored.update(*(tf.gather(x, [row]) for x in (ids, losses, weights)))

  tf.function(lambda: strategy.run(update))()
  copies = strategy.experimental_local_results(mirrored.table)
  assert len(copies) == 2
  for copy in copies:
    np.testing.assert_allclose(copy, single.table, rtol=1e-6)
  # mean of id 1 is 50 over both replicas: 0.5 * 10 + 0.5 * 50
  np.testing.assert_allclose(single.table, [10, 30, 7, 10, 10, 10])


IN_VOCABULARY = r"must hold ids in \[0, 6\), the vocabulary. Received:"


@pytest.mark.parametrize(
  ("arguments", "message"),
  [
    ({"beta": 1.0}, r"token_loss_beta must be in \[0, 1\). Received: 1.0"),
    (
      {"init_value": -1001.0},
      r"token_loss_init_value must be in \[-1000, 1000\], far from pinned ids. "
      "Received: -1001.0",
    ),
    ({"beta": -0.1}, r"token_loss_beta must be in \[0, 1\). Received: -0.1"),
    ({"allow_list": [1, 6]}, rf"token_allow_list {IN_VOCABULARY} \[6\]"),
    ({"deny_list": [-1]}, rf"token_deny_list {IN_VOCABULARY} \[-1\]"),
    (
      {"allow_list": [1, 2], "deny_list": [2]},
      r"must not share ids. Received: \[2\] in both",
    ),
  ],
)
def test_wrong_arguments_are_refused(arguments, message):
  with pytest.raises(ValueError, match=message):
    _scorer(**arguments)


@pytest.mark.parametrize("loss", [np.nan, np.inf, -np.inf])
def test_a_loss_that_is_not_finite_changes_nothing(loss):
  scorer = importance_scorer.ImportanceScorer(vocab_size=8, beta=0.5)
  scorer.update([3, 3, 4], [loss, 2.0, 4.0], [1.0, 1.0, 1.0])
  assert scorer.table.numpy().tolist() == [10.0] * 4 + [7.0] + [10.0] * 3
