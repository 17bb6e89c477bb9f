# SPDX-License-Identifier: Apache-2.0
"""How hard a token is (Hou et al., arXiv 2203.13240, sec. 3.2)."""

import numpy as np
import tensorflow as tf
import tf_keras

from token_dropping.common import errors
from token_dropping.dropping.importance import token_scorer


@tf_keras.utils.register_keras_serializable(package="token_dropping")
class ImportanceScorer(token_scorer.TokenScorer):
  """Scores an id by a moving average of its masked-LM loss.

  `update` moves the ids predicted in a step, once, toward their mean loss in
  the *global* batch, so that every replica holds the same weight `table`,
  float32 [V]; `beta`, in [0, 1), is the weight of the old value. The default
  `init_value` is above any loss at initialization, so that unseen tokens stay.

  >>> scorer = ImportanceScorer(vocab_size=8, beta=0.5, deny_list=[0])
  >>> scorer.update(ids=[3, 3], losses=[2.0, 4.0], weights=[1.0, 1.0])
  >>> scorer([[0, 3, 4]]).numpy().tolist()
  [[-10000.0, 6.5, 10.0]]
  """

  by_id_alone = True
  unit = "nats"

  def __init__(
    self,
    vocab_size: int,
    init_value: float = 10.0,
    beta: float = 0.995,
    **kwargs,
  ):
    super().__init__(vocab_size, **kwargs)
    _check_beta(beta)
    self.init_value = init_value
    self.beta = beta

  @classmethod
  def check_fields(cls, config, kind: str) -> None:
    _check_beta(config.token_loss_beta)

  @classmethod
  def arguments(cls, config, vocab_size: int) -> dict:
    return {
      "init_value": config.token_loss_init_value,
      "beta": config.token_loss_beta,
    }

  def build(self, input_shape=None):
    initial = np.where(self._pins == 0.0, self.init_value, self._pins)
    # Every replica assigns the same all-reduced value to its own copy, which is
    # what aggregation NONE means; it needs no merge call, so XLA compiles it.
    self.table = self.add_weight(
      name="table",
      shape=[self.vocab_size],
      dtype=tf.float32,
      initializer=lambda shape, dtype=None: tf.constant(initial, dtype),
      trainable=False,
      aggregation=tf.VariableAggregation.NONE,
    )
    super().build(input_shape)

  def _score(self, ids, states, mask, keep, layer) -> tf.Tensor:
    return token_scorer.lookup(self.table, ids)

  def update(self, ids, losses, weights) -> None:
    """Makes one moving-average step; call it once per training step."""
    if not self.built:
      self.build()
    ids = tf.reshape(ids, [-1])
    weights = tf.reshape(tf.cast(weights, tf.float32), [-1])
    losses = tf.reshape(tf.cast(losses, tf.float32), [-1])
    # Not a product alone: 0 * inf of an unused slot would be NaN.
    weighted = tf.where(weights > 0, losses * weights, 0.0)
    sums, counts = token_scorer.global_sums(
      ids, [weighted, weights], self.vocab_size
    )
    old = tf.convert_to_tensor(self.table)
    mean = tf.math.divide_no_nan(sums, counts)
    moved = self.beta * old + (1.0 - self.beta) * mean
    # A loss that is not finite would stay in the average for ever.
    changes = (counts > 0) & (self._pins == 0.0) & tf.math.is_finite(moved)
    self.table.assign(tf.where(changes, moved, old))

  def scores_by_id(self) -> np.ndarray:
    """Returns the table with NaN for ids that are pinned or never predicted."""
    table = self.table.numpy()
    seen = table != np.float32(self.init_value)
    return self._without_pinned(np.where(seen, table, np.nan))

  def get_config(self):
    return super().get_config() | {
      "init_value": self.init_value,
      "beta": self.beta,
    }


def _check_beta(beta: float) -> None:
  errors.require(0 <= beta < 1, "token_loss_beta must be in [0, 1)", beta)
