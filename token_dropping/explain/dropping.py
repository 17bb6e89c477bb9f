# SPDX-License-Identifier: Apache-2.0
"""What a pretraining call drops of given sequences, as the encoder says it."""

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf

from token_dropping.dropping import drop_plan
from token_dropping.explain import sequences as sequences_lib
from token_dropping.models import encoder as encoder_lib

BATCH = 8  # sequences at a time, which bounds memory


@dataclasses.dataclass(frozen=True)
class Dropping:
  """What happened to the tokens of one sequence of length n.

  Attributes:
    scores: [n] float, importance, by which the first dropping layer chose; that
      of always-kept ids is 1e4. NaN where nothing was chosen.
    computed: [n] float, share of the middle layers that computed the token: 1
      is kept, 0 is dropped. Between them it left at a later stage, or layers
      chose differently, or it was pooled with others.
  """

  scores: np.ndarray
  computed: np.ndarray


def look(
  encoder: encoder_lib.TokenDropEncoder,
  plan: drop_plan.DropPlan,
  sequences: Sequence[sequences_lib.TextSequence],
) -> list[Dropping]:
  """Makes pretraining calls without masks and reads what they kept.

  Sequences are not padded, so that the run's share of each is kept; for a plan
  with a count instead of shares, those that are shorter keep all.

  Args:
    encoder: with trained weights.
    plan: what to follow, one that drops.
    sequences: of any lengths.
  """
  found = {}
  for rows, inputs in batches(sequences):
    length = inputs["input_word_ids"].shape[1]
    scores, computed = _pretraining_call(
      encoder, _shortened(plan, length), inputs
    )
    for row, score, share in zip(rows, scores, computed, strict=True):
      found[row] = Dropping(score, share)
  return [found[row] for row in range(len(sequences))]


def batches(
  sequences: Sequence[sequences_lib.TextSequence],
) -> Iterator[tuple[list[int], dict[str, tf.Tensor]]]:
  """Yields numbers of equally long sequences and their inputs, [B, n] each."""
  by_length = {}
  for row, sequence in enumerate(sequences):
    by_length.setdefault(len(sequence), []).append(row)
  for rows in by_length.values():
    for start in range(0, len(rows), BATCH):
      own = rows[start : start + BATCH]
      ids = tf.constant(np.stack([sequences[row].ids for row in own]))
      types = tf.constant(np.stack([sequences[row].type_ids for row in own]))
      yield (
        own,
        {
          "input_word_ids": ids,
          "input_mask": tf.ones_like(ids),
          "input_type_ids": types,
        },
      )


def _pretraining_call(
  encoder, plan: drop_plan.DropPlan, inputs: dict
) -> tuple[np.ndarray, np.ndarray]:
  """Returns scores and shares of the middle layers, [B, n] each."""
  batch, length = inputs["input_word_ids"].shape
  inputs = inputs | {"masked_lm_positions": tf.zeros([batch, 1], tf.int32)}
  with encoder.following(plan):
    outputs = encoder(inputs, training=True)
  return (
    np.asarray(outputs.get("token_scores", np.full([batch, length], np.nan))),
    np.asarray(outputs.get("computed_share", np.ones([batch, length]))),
  )


def _shortened(plan: drop_plan.DropPlan, length: int) -> drop_plan.DropPlan:
  """Returns the plan with counts that a sequence of `length` can satisfy."""
  stages = tuple(
    stage
    if stage.keep_k is None
    else dataclasses.replace(stage, keep_k=min(stage.keep_k, length))
    for stage in plan.stages
  )
  return dataclasses.replace(plan, stages=stages)
