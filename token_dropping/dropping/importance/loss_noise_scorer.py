# SPDX-License-Identifier: Apache-2.0
"""Tokens stay by their loss and some luck: those near the border take turns."""

import tensorflow as tf
import tf_keras

from token_dropping.common import errors
from token_dropping.dropping.importance import importance_scorer


@tf_keras.utils.register_keras_serializable(package="token_dropping")
class LossNoiseScorer(importance_scorer.ImportanceScorer):
  """Scores a token by `loss + temperature * g`, in nats, `g` a Gumbel number.

  `g = -ln(-ln(u))`, `u` uniform and new in each step. The K highest are a
  sample without replacement, a token's probability being proportional to
  `exp(loss / temperature)` (Kool et al., ICML 2019, arXiv 1903.06059, sec. 2).

  >>> scorer = LossNoiseScorer(vocab_size=8, temperature=0.001)
  >>> [f"{score:.1f}" for score in scorer(tf.constant([[3]])).numpy()[0]]
  ['10.0']
  """

  fields = {"temperature": 1.0}
  by_id_alone = False

  def __init__(self, vocab_size: int, temperature: float, **kwargs):
    super().__init__(vocab_size, **kwargs)
    _check_temperature(temperature)
    self.temperature = temperature

  @classmethod
  def check_fields(cls, config, kind: str) -> None:
    _check_temperature(config.importance.temperature)

  @classmethod
  def arguments(cls, config, vocab_size: int) -> dict:
    own = {"temperature": config.importance.temperature}
    return super().arguments(config, vocab_size) | own

  def _score(self, ids, states, mask, keep, layer) -> tf.Tensor:
    losses = super()._score(ids, states, mask, keep, layer)
    uniform = self._uniform(tf.shape(ids), layer)
    return losses - self.temperature * tf.math.log(-tf.math.log(uniform))

  def get_config(self):
    return super().get_config() | {"temperature": self.temperature}


def _check_temperature(value: float) -> None:
  errors.require(value > 0, "importance.temperature must be above 0", value)
