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
    self, vocab_size: int, init_value: float = 10.0, beta=0.995, **kwargs
  ):
    super().__init__(vocab_size, **kwargs)
    _check(init_value, beta)
    self.init_value = init_value
    self.beta = beta

  @classmethod
  def check_fields(cls, config, kind: str) -> None:
    _check(config.token_loss_init_value, config.token_loss_beta)

  @classmethod
  def arguments(cls, config, vocab_size: int) -> dict:
    own = {"init_value": config.token_loss_init_value}
    own["beta"] = config.token_loss_beta
    return super().arguments(config, vocab_size) | own

  def build(self, input_shape=None):
    # Of pinned ids too: a run may go on with other lists.
    initial = np.full([self.vocab_size], self.init_value)
    self.table = self._add_table("table", initial)
    super().build(input_shape)

  def _score(self, ids, states, mask, keep, layer) -> tf.Tensor:
    return token_scorer.lookup(self.table, ids)

  def _learn(self, ids, losses, weights) -> None:
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
    own = {"init_value": self.init_value, "beta": self.beta}
    return super().get_config() | own


@tf_keras.utils.register_keras_serializable(package="token_dropping")
class NextTokenScorer(ImportanceScorer):
  """Scores an id by a moving average of the loss of what follows it.

  Keyed by what was predicted, as in a masked LM, the scores would tell the
  network, by what stays, the tokens that it is to predict: its task gives the
  ids that were read.
  """

  networks = (token_scorer.CAUSAL,)


@tf_keras.utils.register_keras_serializable(package="token_dropping")
class CrossAttentionScorer(ImportanceScorer):
  """Scores an id by a moving average of the attention that its tokens receive.

  Its task gives, instead of losses, what the decoder's cross-attention gave to
  each token of the source, in even shares: 1 is what a token would have if all
  of its sentence were looked at alike.
  """

  networks = (token_scorer.SOURCE,)
  unit = "even shares"


def _check(init_value: float, beta: float) -> None:
  rule = "token_loss_init_value must be in [-1000, 1000], far from pinned ids"
  errors.require(abs(init_value) <= 1000, rule, init_value)
  errors.require(0 <= beta < 1, "token_loss_beta must be in [0, 1)", beta)
