# SPDX-License-Identifier: Apache-2.0
"""What all scores of importance share: ids that always stay, or leave first."""

import abc
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
import tf_keras

from token_dropping.common import errors
from token_dropping.dropping import selection
from token_dropping.dropping.importance import step_seed

# Far above and below any score, so that pinned ids sort first and last.
ALWAYS_KEPT = 1e4
ALWAYS_DROPPED = -1e4
# What networks there are to a scorer, by what they read: text with masks, text
# from left to right, or the source of a translation.
ENCODER, CAUSAL, SOURCE = "encoder", "causal", "source"


class TokenScorer(tf_keras.layers.Layer, abc.ABC):
  """Scores the tokens that are there when a layer is about to drop some.

  A type of importance is a subclass. Ids of `allow_list` always stay, those of
  `deny_list` leave first; ids outside the vocabulary V, or in both lists, are a
  `UserError`. Random numbers come from `seeds`, a `StepSeed`.
  """

  networks = (ENCODER,)  # those that it is for
  fields = {}  # its own fields under `importance` in YAML, with defaults
  by_id_alone = False  # whether every layer would choose the same
  unit = ""  # of the scores, for people
  denied_tokens = ()  # special ones that leave first unless a config says it

  def __init__(
    self,
    vocab_size: int,
    allow_list: Sequence[int] = (),
    deny_list: Sequence[int] = (),
    **kwargs,
  ):
    # Mixed precision must not round scores: always float32.
    super().__init__(**{**kwargs, "dtype": "float32", "trainable": False})
    _check_id_lists(vocab_size, allow_list, deny_list)
    self.vocab_size = vocab_size
    self.allow_list = tuple(allow_list)
    self.deny_list = tuple(deny_list)
    self._pins = np.zeros([vocab_size], np.float32)  # 0: the id has a score
    self._pins[list(allow_list)] = ALWAYS_KEPT
    self._pins[list(deny_list)] = ALWAYS_DROPPED
    self.seeds = step_seed.StepSeed()
    self.selector = selection.TopK()

  @classmethod
  def check_fields(cls, config, kind: str) -> None:
    """A `UserError` for wrong fields of its own; `kind` is the type in use."""

  @classmethod
  def arguments(cls, config, vocab_size: int) -> dict:
    """Returns what the constructor takes of the config: the type's fields."""
    return {name: getattr(config.importance, name) for name in cls.fields}

  def build(self, input_shape=None):
    """Makes the weights, whose shapes depend on no input."""
    super().build(input_shape)

  def _add_table(self, name: str, initial: np.ndarray) -> tf.Variable:
    """Returns a weight [V] to which all replicas assign the same value.

    This is what aggregation NONE means; it needs no merge call, so that XLA
    compiles it.
    """
    return self.add_weight(
      name=name,
      shape=[self.vocab_size],
      dtype=tf.float32,
      initializer=lambda shape, dtype=None: tf.constant(initial, dtype),
      trainable=False,
      aggregation=tf.VariableAggregation.NONE,
    )

  def call(
    self,
    ids: tf.Tensor,
    states: tf.Tensor | None = None,
    mask: tf.Tensor | None = None,
    keep: int | None = None,
    layer: int = 0,
  ) -> tf.Tensor:
    """Returns scores, float32 [B, N], of N tokens; the K highest stay.

    Args:
      ids: int [B, N]; -1 is a dense input, which has no id and always stays.
      states: [B, N, D], those that enter the layer; read by `hidden_norm`.
      mask: [B, N], 0 at padding; `None` means no padding.
      keep: K, read by `mlm_loss_random`.
      layer: 0-based, the layer that drops. Random scores differ by it.
    """
    ids = tf.convert_to_tensor(ids)
    return self._with_pins(ids, self._score(ids, states, mask, keep, layer))

  @abc.abstractmethod
  def _score(self, ids, states, mask, keep, layer) -> tf.Tensor:
    """Returns the scores, [B, N]; those of pinned ids may be any."""

  @property
  def has_empty_slots(self) -> bool:
    """Whether some of the places that are chosen may be none."""
    return self.selector.has_empty_slots

  def choose(
    self, scores, keep: int, mask, layer: int, in_slots: bool = False
  ) -> tuple:
    """Returns who of scored tokens stays; see the classes of `selection`."""
    return self.selector.choose(scores, keep, mask, layer, self.seeds, in_slots)

  def update(self, ids, losses, weights) -> None:
    """Learns from a step's predictions, once a step; most types do not.

    Ids, losses in nats, weights are [B, P]; weight 0 changes nothing.
    """
    if not self.built:
      self.build()
    losses, weights = (
      tf.reshape(tf.cast(values, tf.float32), [-1])
      for values in (losses, weights)
    )
    self._learn(tf.reshape(ids, [-1]), losses, weights)

  def _learn(self, ids, losses, weights) -> None:
    """Learns from predictions, each [B P]."""
    return  # AutoGraph needs a statement

  def scores_by_id(self) -> np.ndarray | None:
    """Returns float [V] for people, NaN if unknown; `None` if not by id."""
    return None

  def _with_pins(self, ids: tf.Tensor, scores: tf.Tensor) -> tf.Tensor:
    """Returns the scores, those of pinned ids above and below all others."""
    pins = lookup(tf.constant(self._pins), ids)
    pins = tf.where(ids < 0, ALWAYS_KEPT, pins)
    return tf.where(pins == 0.0, scores, pins)

  def _without_pinned(self, scores: np.ndarray) -> np.ndarray:
    return np.where(self._pins == 0.0, scores, np.nan)

  def _uniform(self, shape: tf.Tensor, layer: int) -> tf.Tensor:
    """Returns random numbers in (0, 1), those of step, replica and layer."""
    return self.seeds.uniform(shape, -1 - layer)  # dropout's are from 0 on

  def get_config(self):
    return super().get_config() | {
      "vocab_size": self.vocab_size,
      "allow_list": self.allow_list,
      "deny_list": self.deny_list,
    }


def lookup(table: tf.Tensor, ids: tf.Tensor) -> tf.Tensor:
  """Reads a table [V] at ids [B, N]; dense inputs, of id -1, get any value."""
  return tf.gather(table, tf.maximum(ids, 0))


def global_sums(
  ids, values: Sequence[tf.Tensor], vocab_size: int
) -> list[tf.Tensor]:
  """Sums each of `values`, float32 [n], by id over the *global* batch: [V]."""
  sums = [tf.math.unsorted_segment_sum(v, ids, vocab_size) for v in values]
  replica = tf.distribute.get_replica_context()
  return replica.all_reduce(tf.distribute.ReduceOp.SUM, sums)


def _check_id_lists(
  vocab_size: int, allow_list: Sequence[int], deny_list: Sequence[int]
) -> None:
  for name, ids in ("allow", allow_list), ("deny", deny_list):
    outside = [i for i in ids if not 0 <= i < vocab_size]
    rule = f"must hold ids in [0, {vocab_size}), the vocabulary"
    errors.require(not outside, f"token_{name}_list {rule}", outside)
  both = sorted(set(allow_list) & set(deny_list))
  rule = "token_allow_list and token_deny_list must not share ids"
  errors.require(not both, rule, f"{both} in both")
