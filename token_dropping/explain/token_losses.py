# SPDX-License-Identifier: Apache-2.0
"""The masked-LM loss of every token of a text, on whole sequences."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
import tf_keras

from token_dropping.explain import dropping
from token_dropping.explain import sequences as sequences_lib

ROUNDS = 7  # a seventh of the tokens at a time: 14 %, near BERT's 15 %
FEW = 30  # tokens below which a mean is said to be of too few
_SEED = 0


@dataclasses.dataclass(frozen=True)
class LossMean:
  """The mean of some losses.

  Attributes:
    label: whose.
    count: int.
    mean: float, nats.
    margin: float, half of the 95 % interval of the mean; NaN for one loss.
  """

  label: str
  count: int
  mean: float
  margin: float

  @property
  def too_few(self) -> bool:
    """Whether the mean says little."""
    return self.count < FEW


def masked_losses(
  model: tf_keras.Model,
  sequences: Sequence[sequences_lib.TextSequence],
  mask_id: int,
) -> list[np.ndarray]:
  """Masks every token once and returns its loss.

  In each of seven rounds another random seventh of the tokens, the same for the
  same text, is `[MASK]`. The network computes whole sequences, as it is
  evaluated and shipped.

  Args:
    model: a masked LM.
    sequences: the text.
    mask_id: of `[MASK]`.

  Returns:
    [n] float for each sequence, in nats; NaN at special tokens.
  """
  rng = np.random.default_rng(_SEED)
  orders = [rng.permutation(np.flatnonzero(~s.special)) for s in sequences]
  losses = [np.full(len(s), np.nan) for s in sequences]
  for rows, inputs in dropping.batches(sequences):
    for turn in range(ROUNDS):
      groups = [orders[row][turn::ROUNDS] for row in rows]
      found = _losses(model, inputs, groups, mask_id)
      for row, group, values in zip(rows, groups, found, strict=True):
        losses[row][group] = values[: len(group)]
  return losses


def _losses(
  model, inputs: dict, groups: list[np.ndarray], mask_id: int
) -> np.ndarray:
  """Returns the losses [B, P] of the positions that are masked together."""
  slots = max(map(len, groups))
  if not slots:
    return np.zeros([len(groups), 0])
  positions = np.zeros([len(groups), slots], np.int32)
  ids = inputs["input_word_ids"].numpy()
  masked = ids.copy()
  for row, group in enumerate(groups):
    positions[row, : len(group)] = group
    masked[row, group] = mask_id
  outputs = model(
    inputs
    | {
      "input_word_ids": tf.constant(masked),
      "masked_lm_positions": tf.constant(positions),
    },
    training=False,
  )
  return tf_keras.losses.sparse_categorical_crossentropy(
    np.take_along_axis(ids, positions, axis=1),
    tf.cast(outputs["mlm_logits"], tf.float32),
    from_logits=True,
  ).numpy()


def compare(
  losses: Sequence[np.ndarray], computed: Sequence[np.ndarray]
) -> list[LossMean]:
  """Returns the mean losses of kept and dropped tokens, where there are any.

  Args:
    losses: of `masked_losses`.
    computed: share of the middle layers that computed each token, likewise.

  Example:

  >>> compare([np.array([np.nan, 2.0, 4.0])], [np.array([1.0, 1.0, 0.0])])[0]
  LossMean(label='kept', count=1, mean=2.0, margin=nan)
  """
  loss, share = np.concatenate(losses), np.concatenate(computed)
  found = []
  for label, belongs in (
    ("kept", share == 1),
    ("partly kept", (share > 0) & (share < 1)),
    ("dropped", share == 0),
  ):
    own = loss[belongs & ~np.isnan(loss)]
    if len(own):
      error = own.std(ddof=1) / np.sqrt(len(own)) if len(own) > 1 else np.nan
      found.append(
        LossMean(label, len(own), float(own.mean()), float(1.96 * error))
      )
  return found
