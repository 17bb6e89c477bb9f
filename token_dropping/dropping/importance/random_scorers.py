# SPDX-License-Identifier: Apache-2.0
"""Tokens that stay at random, or by their loss and some luck."""

import tensorflow as tf
import tf_keras

from token_dropping.common import errors
from token_dropping.common import vocabulary
from token_dropping.dropping.importance import importance_scorer
from token_dropping.dropping.importance import token_scorer

_CHOSEN = 2.0  # above every random number


@tf_keras.utils.register_keras_serializable(package="token_dropping")
class RandomScorer(token_scorer.TokenScorer):
  """Scores every position by a uniform number in (0, 1), new in each step.

  The K highest are a uniformly random subset, but for pinned ids: random-LTD
  (Yao et al., arXiv 2211.11586, sec. 3).

  >>> scorer = RandomScorer(vocab_size=8, deny_list=[0])
  >>> scores = scorer(tf.constant([[5, 0, 7]]))
  >>> bool(scores[0, 0] > 0), float(scores[0, 1])
  (True, -10000.0)
  """

  networks = (token_scorer.ENCODER, token_scorer.CAUSAL, token_scorer.SOURCE)

  def _score(self, ids, states, mask, keep, layer) -> tf.Tensor:
    return self._uniform(tf.shape(ids), layer)


@tf_keras.utils.register_keras_serializable(package="token_dropping")
class UnmaskedScorer(RandomScorer):
  """Lets `[MASK]` leave first, and where too few are masked random others.

  What is masked carries nothing but its position: it may join before the last
  layers (MAE-LM, Meng et al., arXiv 2302.02060; Liao et al., 2211.04898). It is
  `RandomScorer` with `[MASK]` among the ids of `deny_list`.
  """

  networks = (token_scorer.ENCODER,)
  denied_tokens = (vocabulary.MASK,)


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
    self.random_ratio = random_ratio

  @classmethod
  def check_fields(cls, config, kind: str) -> None:
    ratio, rule = config.importance.random_ratio, "must be in [0, 1]"
    errors.require(0 <= ratio <= 1, f"importance.random_ratio {rule}", ratio)

  def _score(self, ids, states, mask, keep, layer) -> tf.Tensor:
    scores = super()._score(ids, states, mask, keep, layer)
    scores = self._with_pins(ids, scores)
    if mask is not None:
      scores = tf.where(tf.cast(mask, tf.bool), scores, scores.dtype.min)
    by_loss = keep - round(self.random_ratio * keep)
    order = tf.argsort(scores, direction="DESCENDING", stable=True)  # [B, N]
    ranks = tf.argsort(order)  # 0: the highest; equal ones in their order
    uniform = self._uniform(tf.shape(ids), layer)
    return tf.where(ranks < by_loss, _CHOSEN, uniform)

  def get_config(self):
    return super().get_config() | {"random_ratio": self.random_ratio}


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
    self.temperature = temperature

  @classmethod
  def check_fields(cls, config, kind: str) -> None:
    value, rule = config.importance.temperature, "must be in (0, 100]"
    errors.require(0 < value <= 100, f"importance.temperature {rule}", value)

  def _score(self, ids, states, mask, keep, layer) -> tf.Tensor:
    losses = super()._score(ids, states, mask, keep, layer)
    uniform = self._uniform(tf.shape(ids), layer)
    return losses - self.temperature * tf.math.log(-tf.math.log(uniform))

  def get_config(self):
    return super().get_config() | {"temperature": self.temperature}
