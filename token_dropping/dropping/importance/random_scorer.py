# SPDX-License-Identifier: Apache-2.0
"""Tokens stay at random: random-LTD (Yao et al., arXiv 2211.11586, sec. 3)."""

import tensorflow as tf
import tf_keras

from token_dropping.dropping.importance import token_scorer


@tf_keras.utils.register_keras_serializable(package="token_dropping")
class RandomScorer(token_scorer.TokenScorer):
  """Scores every position by a uniform number in (0, 1), new in each step.

  The K highest are a uniformly random subset, but for pinned ids.

  >>> scorer = RandomScorer(vocab_size=8, deny_list=[0])
  >>> scores = scorer(tf.constant([[5, 0, 7]]))
  >>> bool(scores[0, 0] > 0), float(scores[0, 1])
  (True, -10000.0)
  """

  def _score(self, ids, states, mask, keep, layer) -> tf.Tensor:
    return self._uniform(tf.shape(ids), layer)
