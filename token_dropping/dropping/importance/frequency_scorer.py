# SPDX-License-Identifier: Apache-2.0
"""How rare a token is: the static alternative of Hou et al., section 3.2.

The paper (arXiv 2203.13240) drops frequent ids; here counts are learnt.
"""

import numpy as np
import tensorflow as tf
import tf_keras

from token_dropping.dropping.importance import token_scorer


@tf_keras.utils.register_keras_serializable(package="token_dropping")
class FrequencyScorer(token_scorer.TokenScorer):
  """Scores an id by its surprisal, `-ln((count + 1) / (total + V))`, in nats.

  `count`, a weight, is how often the id was predicted in the global batches so
  far, `total` that of all ids. Masks are drawn uniformly, so an id's share of
  the predictions is its share of the text. Ids never predicted are the rarest.

  >>> scorer = FrequencyScorer(vocab_size=4)
  >>> scorer.update([3, 3, 3, 2], [0.0] * 4, [1.0, 1.0, 1.0, 0.0])
  >>> scores = scorer(tf.constant([[2, 3]]))  # 1/7 and 4/7
  >>> [[f"{score:.3f}" for score in row] for row in scores.numpy()]
  [['1.946', '0.560']]
  """

  networks = (token_scorer.ENCODER, token_scorer.CAUSAL, token_scorer.SOURCE)
  by_id_alone = True
  unit = "nats"

  def build(self, input_shape=None):
    self.counts = self._add_table("counts", np.zeros([self.vocab_size]))
    super().build(input_shape)

  def _score(self, ids, states, mask, keep, layer) -> tf.Tensor:
    counts = tf.convert_to_tensor(self.counts)
    total = tf.reduce_sum(counts) + self.vocab_size
    return tf.math.log(total / (token_scorer.lookup(counts, ids) + 1.0))

  def _learn(self, ids, losses, weights) -> None:
    (counts,) = token_scorer.global_sums(ids, [weights], self.vocab_size)
    old = tf.convert_to_tensor(self.counts)
    # A weight that is not finite would stay in the count for ever.
    self.counts.assign(tf.where(tf.math.is_finite(counts), old + counts, old))

  def scores_by_id(self) -> np.ndarray:
    """Returns the surprisals with NaN for ids pinned or never predicted."""
    counts = self.counts.numpy().astype(float)
    scores = np.log((counts.sum() + self.vocab_size) / (counts + 1))
    return self._without_pinned(np.where(counts > 0, scores, np.nan))
