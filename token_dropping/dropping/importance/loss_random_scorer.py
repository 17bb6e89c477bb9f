# SPDX-License-Identifier: Apache-2.0
"""Most tokens stay by their loss, some at random."""

import tensorflow as tf
import tf_keras

from token_dropping.common import errors
from token_dropping.dropping.importance import importance_scorer

_CHOSEN = 2.0  # above every random number


@tf_keras.utils.register_keras_serializable(package="token_dropping")
class LossRandomScorer(importance_scorer.ImportanceScorer):
  """Keeps `K - R` tokens by importance, `R = round(random_ratio K)` at random.

  So easy tokens are seen too (as in Model Garden's `SelectTopK`, by
  `random_k`). The score is 2 for what importance chooses, always-kept ids but
  no padding, and for others a uniform number in (0, 1), new in each step.

  >>> scorer = LossRandomScorer(vocab_size=8, random_ratio=0.5, beta=0.0)
  >>> scorer.update([3, 4, 5], [1.0, 9.0, 2.0], [1.0, 1.0, 1.0])
  >>> scores = scorer(tf.constant([[3, 4, 5]]), keep=2)
  >>> (scores == 2.0).numpy().tolist()
  [[False, True, False]]
  """

  fields = {"random_ratio": 0.1}
  by_id_alone = False
  unit = ""

  def __init__(self, vocab_size: int, random_ratio: float, **kwargs):
    super().__init__(vocab_size, **kwargs)
    _check_random_ratio(random_ratio)
    self.random_ratio = random_ratio

  @classmethod
  def check_fields(cls, config, kind: str) -> None:
    _check_random_ratio(config.importance.random_ratio)

  @classmethod
  def arguments(cls, config, vocab_size: int) -> dict:
    own = {"random_ratio": config.importance.random_ratio}
    return super().arguments(config, vocab_size) | own

  def _score(self, ids, states, mask, keep, layer) -> tf.Tensor:
    scores = super()._score(ids, states, mask, keep, layer)
    scores = self._with_pins(ids, scores)
    if mask is not None:
      scores = tf.where(tf.cast(mask, tf.bool), scores, scores.dtype.min)
    by_loss = keep - round(self.random_ratio * keep)
    return tf.where(
      _ranks(scores) < by_loss, _CHOSEN, self._uniform(tf.shape(ids), layer)
    )

  def get_config(self):
    return super().get_config() | {"random_ratio": self.random_ratio}


def _check_random_ratio(ratio: float) -> None:
  rule = "importance.random_ratio must be in [0, 1]"
  errors.require(0 <= ratio <= 1, rule, ratio)


def _ranks(scores: tf.Tensor) -> tf.Tensor:
  """Returns 0 for the highest score of a row; equal ones in their order."""
  order = tf.argsort(scores, direction="DESCENDING", stable=True)  # [B, N]
  return tf.argsort(order)  # where each position is in that order
