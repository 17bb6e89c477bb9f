# SPDX-License-Identifier: Apache-2.0
"""What a run's model drops of given sequences, and the losses of its tokens."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import tensorflow as tf
import tf_keras

from token_dropping.common import errors
from token_dropping.dropping import drop_plan
from token_dropping.dropping import keep_schedule
from token_dropping.explain import sequences as sequences_lib
from token_dropping.models.transformer import network
from token_dropping.training import step_random
from token_dropping.training import trained_run

BATCH, TOKENS = 8, 4096  # at most at a time, or one sequence: bounds memory
ROUNDS = 7  # a seventh of the tokens is masked at a time: near BERT's 15 %
_SEED = 0


@dataclasses.dataclass(frozen=True)
class Dropping:
  """What happened to the tokens of one sequence of length n.

  Attributes:
    scores: [n] float, importance, by which the first dropping layer chose; 1e4
      of always-kept ids, NaN where nothing was chosen.
    computed: [n] float, share of the middle layers that computed the token: 1
      is kept, 0 dropped. Between them it left at a later stage, or layers chose
      differently, or it was pooled with others.
  """

  scores: np.ndarray
  computed: np.ndarray


def check_run(run: trained_run.TrainedRun) -> None:
  """Refuses runs that drop nothing with a `UserError`."""
  errors.require(
    any(phase.plan.drops for phase in _phases(run)),
    f"{run.source} must hold a run that drops tokens "
    "(task.model.encoder.any.token_keep_ratio below 1)",
    f"{run.model_dir!r}, which keeps all",
  )


def build_model(run: trained_run.TrainedRun) -> tf_keras.Model:
  """Builds the trained model, without dropout, at the checkpoint's step."""
  if run.kind == trained_run.CAUSAL_LM:
    model = run.build_language_model(drops=True)
  elif run.kind == trained_run.TRANSLATION:
    model = run.build_translation(drops=True)
  else:
    model = run.build_dropping()
    run.restore({"importance": model.encoder_network.importance_scorer})
  step_random.follow_step(
    model, tf.Variable(run.step, dtype=tf.int64), run.task.get("seed", 0)
  )
  return model


def current_plan(run: trained_run.TrainedRun) -> drop_plan.DropPlan:
  """Returns what is dropped at the run's step, or was last if nothing is."""
  return plan_at(_phases(run), run.step)


def plan_at(
  phases: tuple[keep_schedule.Phase, ...], step: int
) -> drop_plan.DropPlan:
  """Returns the last dropping plan up to a step, or else the first one."""
  dropping = [phase for phase in phases if phase.plan.drops]
  begun = [phase for phase in dropping if phase.first_step <= step]
  return (begun[-1] if begun else dropping[0]).plan


def _phases(run: trained_run.TrainedRun) -> tuple[keep_schedule.Phase, ...]:
  config = keep_schedule.KeepScheduleConfig()
  config.override(run.task.get("keep_schedule") or {})
  return keep_schedule.phases(config, run.encoder.drop_plan)


def source_encoder(model: network.Transformer) -> Callable:
  """Returns what `look` can call of a network that translates."""

  def encode(inputs: dict, **options) -> dict:
    names = {"inputs": "input_word_ids", "inputs_segmentation": "document_ids"}
    return model.encode({n: inputs[own] for n, own in names.items()}, **options)

  return encode


def look(
  encoder: Callable,
  plan: drop_plan.DropPlan,
  sequences: Sequence[sequences_lib.TextSequence],
) -> list[Dropping]:
  """Makes pretraining calls without masks and reads what they kept.

  Of a sequence, and the padding that its record had, the run's share is kept;
  for a plan with a count instead of shares, those that are shorter keep all.
  """
  droppings = {}
  for rows, inputs in _batches(sequences):
    shape = inputs["input_word_ids"].shape
    inputs["masked_lm_positions"] = tf.zeros([shape[0], 1], tf.int32)
    outputs = encoder(inputs, training=True, plan=_shortened(plan, shape[1]))
    scores = outputs.get("token_scores", np.full(shape, np.nan))
    computed = outputs.get("computed_share", np.ones(shape))
    for row, *values in zip(rows, scores, computed, strict=True):
      end = len(sequences[row])
      droppings[row] = Dropping(*(np.asarray(v)[:end] for v in values))
  return [droppings[row] for row in range(len(sequences))]


def _batches(
  sequences: Sequence[sequences_lib.TextSequence],
) -> Iterator[tuple[list[int], dict[str, tf.Tensor]]]:
  """Yields numbers of sequences of one length and their inputs, [B, S] each.

  As their records were, they are padded.
  """
  by_length = {}
  for row, sequence in enumerate(sequences):
    length = len(sequence) + sequence.padding
    by_length.setdefault(length, []).append(row)
  names = {"input_word_ids": "ids", "input_type_ids": "type_ids"}
  if all(sequence.document_ids is not None for sequence in sequences):
    names["document_ids"] = "document_ids"
  for length, equal in by_length.items():
    size = max(1, min(BATCH, TOKENS // length))
    for start in range(0, len(equal), size):
      rows = equal[start : start + size]
      chosen = [sequences[row] for row in rows]
      inputs = {
        key: tf.constant(
          [np.pad(getattr(one, name), (0, one.padding)) for one in chosen]
        )
        for key, name in names.items()
      }
      inputs["input_mask"] = tf.sequence_mask(
        [len(one) for one in chosen], length, tf.int32
      )
      yield rows, inputs


def _shortened(plan: drop_plan.DropPlan, length: int) -> drop_plan.DropPlan:
  """Returns the plan with counts that a sequence of `length` can satisfy."""
  stages = tuple(
    dataclasses.replace(s, keep_k=s.keep_k and min(s.keep_k, length))
    for s in plan.stages
  )
  return dataclasses.replace(plan, stages=stages)


def masked_losses(
  model: tf_keras.Model,
  sequences: Sequence[sequences_lib.TextSequence],
  mask_id: int,
) -> list[np.ndarray]:
  """Masks every token once; returns its loss, [n] in nats, NaN if special.

  In each of seven rounds another random seventh of the tokens, the same for the
  same text, is `[MASK]`. The network computes whole sequences, as evaluated.
  """
  rng = np.random.default_rng(_SEED)
  orders = [rng.permutation(np.flatnonzero(~s.special)) for s in sequences]
  losses = [np.full(len(s), np.nan) for s in sequences]
  for rows, inputs in _batches(sequences):
    for turn in range(ROUNDS):
      groups = [orders[row][turn::ROUNDS] for row in rows]
      of_turn = _losses(model, inputs, groups, mask_id)
      for row, group, values in zip(rows, groups, of_turn, strict=True):
        losses[row][group] = values[: len(group)]
  return losses


def next_losses(
  model: tf_keras.Model, sequences: Sequence[sequences_lib.TextSequence]
) -> list[np.ndarray]:
  """Returns the loss of what follows each token, [n] in nats.

  NaN at special tokens and at the last. The network computes whole sequences.
  """
  losses = [np.full(len(s), np.nan) for s in sequences]
  for rows, inputs in _batches(sequences):
    ids = inputs["input_word_ids"]
    found = tf_keras.losses.sparse_categorical_crossentropy(
      ids[:, 1:],
      tf.cast(model(inputs, training=False)["logits"][:, :-1], tf.float32),
      from_logits=True,
    )
    for row, values in zip(rows, found.numpy(), strict=True):
      special = sequences[row].special[:-1]
      losses[row][:-1] = np.where(special, np.nan, values[: len(special)])
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
  changed = {"input_word_ids": masked, "masked_lm_positions": positions}
  outputs = model(inputs | changed, training=False)
  return tf_keras.losses.sparse_categorical_crossentropy(
    np.take_along_axis(ids, positions, axis=1),
    tf.cast(outputs["mlm_logits"], tf.float32),
    from_logits=True,
  ).numpy()
