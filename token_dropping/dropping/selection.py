# SPDX-License-Identifier: Apache-2.0
"""Which of the scored tokens stay: the highest, or those over a threshold."""

import dataclasses

import tensorflow as tf
import tf_keras
from official.modeling.hyperparams import base_config

from token_dropping.common import errors
from token_dropping.dropping import tokens as tokens_lib

TOP_K, THRESHOLD = TYPES = ("top_k", "threshold")
_UNKNOWN = -1e9  # a threshold before the first step: all are over it
_RATE = 0.1  # of a threshold's step, in distances of scores from it
_LOT = 1e-3  # what equal scores are told apart by, far below a nat
_PINNED = 1e4  # scores of this size are of ids that always or never stay
# Of random numbers, one a layer; importance has those above it.
_FIRST_PLACE = -10_001


@dataclasses.dataclass
class SelectionConfig(base_config.Config):
  """How the scores decide.

  Attributes:
    type: `top_k`, the highest scores of a sequence; or `threshold`, those over
      a moving quantile, so that no token's choice depends on one after it.
      `None` means `top_k`, and `threshold` where a network is causal and scores
      depend on tokens.
    slack: of `threshold`, how many slots there are for each token that stays on
      average, at least 1. Tokens that find none left are dropped; slots that
      are left are computed for nothing.
  """

  type: str | None = None
  slack: float = 1.1

  @property
  def slots_per_token(self) -> float:
    return self.slack if self.type == THRESHOLD else 1.0

  def make(self, num_layers: int) -> "TopK | Threshold":
    """Returns what selects, in a network of so many layers."""
    if self.type == THRESHOLD:
      return Threshold(num_layers, self.slack, name="threshold")
    return TopK()

  def check(self) -> None:
    """Refuses values out of range with a `UserError`."""
    known = self.type is None or self.type in TYPES
    rule = f"selection.type must be one of {', '.join(TYPES)}"
    errors.require(known, rule, repr(self.type))
    slack = self.slack
    errors.require(slack >= 1, "selection.slack must be at least 1", slack)


class TopK:
  """Keeps the highest scores of each sequence."""

  has_empty_slots = False

  def choose(
    self, scores, keep: int, mask, layer: int, seeds, in_slots: bool = False
  ) -> tuple:
    """Returns the places of those that stay, int32 [B, K], ascending.

    And what a step adds up over them, to learn from; here nothing.
    """
    del layer, seeds, in_slots
    return tokens_lib.select(scores, keep, mask), None

  def sums_of(self, outputs: dict) -> dict[str, tf.Tensor]:
    """Returns what of a pass's outputs a step adds up."""
    del outputs
    return {}

  def move(self, sums: dict[str, tf.Tensor]) -> None:
    """Learns from the sums of a step."""
    del sums
    return  # AutoGraph needs a statement


class Threshold(tf_keras.layers.Layer):
  """Keeps, from left to right, the scores over a threshold, in K slots.

  Whether a token stays depends on it, on those before it and on the training so
  far: the aim of Expert Threshold (arXiv 2603.11535). Each layer that drops has
  a threshold, a weight, which every step moves toward the quantile of the
  *global* batch (Robbins and Monro, 1951): by how much too large the share over
  it is, in distances of the scores from it. Equal scores differ by lot.

  >>> threshold = Threshold(num_layers=1, slack=1.0)
  >>> _ = threshold.thresholds.assign([5.0])
  >>> from token_dropping.dropping.importance import step_seed
  >>> places, _ = threshold.choose(tf.constant([[7.0, 1.0, 9.0, 6.0, 2.0]]),
  ...   keep=2, mask=None, layer=0, seeds=step_seed.StepSeed())
  >>> places.numpy().tolist()
  [[0, 2]]
  """

  has_empty_slots = True

  def __init__(self, num_layers: int, slack: float, **kwargs):
    super().__init__(**{**kwargs, "dtype": "float32", "trainable": False})
    self._num_layers = num_layers
    self._slack = slack
    # All replicas assign the same value, as to tables of importance.
    self.thresholds = self.add_weight(
      name="thresholds",
      shape=[num_layers],
      initializer=tf_keras.initializers.Constant(_UNKNOWN),
      trainable=False,
      aggregation=tf.VariableAggregation.NONE,
    )
    self.built = True

  def choose(
    self, scores, keep: int, mask, layer: int, seeds, in_slots: bool = False
  ) -> tuple:
    """Returns places, int32 [B, K], ascending; N stands for an empty slot.

    And sums by layer, float32 [L, 5], for `move`. `in_slots` says that the N
    are those of an earlier choice, of which as large a share is empty.
    """
    length = scores.shape[1]
    scores += _LOT * seeds.uniform(tf.shape(scores), _FIRST_PLACE - layer)
    can_stay = scores > -_PINNED / 2
    if mask is not None:
      can_stay &= tf.cast(mask, tf.bool)
    threshold = self.thresholds[layer]
    over = (scores >= threshold) & can_stay
    number = tf.cumsum(tf.cast(over, tf.int32), axis=1)  # [B, N], from 1
    places = tf.where(over & (number <= keep), tf.range(length), length)
    places = tf.sort(places, axis=-1)[:, :keep]
    share = keep / length / (1.0 if in_slots else self._slack)
    sums = _sums(scores, threshold, over, can_stay, share)
    only = tf.one_hot(layer, self._num_layers)[:, tf.newaxis]
    return places, only * sums

  def sums_of(self, outputs: dict) -> dict[str, tf.Tensor]:
    none = tf.zeros([self._num_layers, 5])  # of a pass that drops nothing
    return {"selection_sums": outputs.get("selection_sums", none)}

  def move(self, sums: dict[str, tf.Tensor]) -> None:
    replica = tf.distribute.get_replica_context()
    sums = replica.all_reduce(tf.distribute.ReduceOp.SUM, sums)
    count, excess, scored, total, squares = tf.unstack(
      sums["selection_sums"], axis=-1
    )
    old = tf.convert_to_tensor(self.thresholds)
    distance = tf.sqrt(tf.math.divide_no_nan(squares, scored))
    step = _RATE * distance * tf.math.divide_no_nan(excess, count)
    mean = tf.math.divide_no_nan(total, scored)
    new = tf.where(old == _UNKNOWN, mean, old + step)
    moves = (scored > 0) & tf.math.is_finite(new)
    self.thresholds.assign(tf.where(moves, new, old))


def _sums(scores, threshold, over, can_stay, share: float) -> tf.Tensor:
  """Returns five sums over the tokens that can stay, float32 [5].

  Their number, how many more than a share are over the threshold; of those with
  a score of their own the number, the scores, and the squares of the distances
  from the threshold.
  """
  can_stay, over = (tf.cast(each, tf.float32) for each in (can_stay, over))
  scored = can_stay * tf.cast(scores < _PINNED / 2, tf.float32)
  distances = tf.where(threshold == _UNKNOWN, 0.0, scores - threshold)
  parts = (
    can_stay,
    over - share * can_stay,
    scored,
    scored * scores,
    scored * distances**2,
  )
  return tf.stack([tf.reduce_sum(part) for part in parts])
