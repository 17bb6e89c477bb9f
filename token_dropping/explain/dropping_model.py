# SPDX-License-Identifier: Apache-2.0
"""A run's pretraining model, and what it drops at its step."""

import os

import tensorflow as tf
import tf_keras
from official.modeling import tf_utils

from token_dropping.common import errors
from token_dropping.dropping import drop_plan
from token_dropping.dropping import keep_schedule
from token_dropping.models import encoder_config
from token_dropping.models import pretrainer
from token_dropping.training import step_random
from token_dropping.training import trained_run


def check(run: trained_run.TrainedRun) -> None:
  """Refuses runs that drop nothing.

  Raises:
    UserError: fine-tuned, or without token dropping.
  """
  errors.require(
    run.kind == trained_run.MASKED_LM,
    f"{run.source} must hold a {trained_run.MASKED_LM} run",
    f"{run.model_dir!r}, a {run.kind} run",
  )
  config = run.encoder
  drops = isinstance(config, encoder_config.TokenDropEncoderConfig) and any(
    plan.drops for plan in _plans(run)
  )
  errors.require(
    drops,
    f"{run.source} must hold a run that drops tokens "
    "(task.model.encoder.any.token_keep_ratio below 1)",
    f"{run.model_dir!r}, which keeps all",
  )


def build(run: trained_run.TrainedRun) -> pretrainer.TokenDropPretrainer:
  """Builds the model of training, without dropout, with trained weights.

  Where importance is random, it is that of the step of the checkpoint.

  Args:
    run: one that `check` allows.

  Raises:
    UserError: the checkpoint does not hold exactly its weights.
  """
  config = run.encoder.replace(
    vocab_file=os.path.join(run.model_dir, trained_run.VOCAB),
    dropout_rate=0.0,
    attention_dropout_rate=0.0,
  )
  model = pretrainer.TokenDropPretrainer(
    encoder_network=encoder_config.build_encoder(config),
    mlm_activation=tf_utils.get_activation(run.task["model"]["mlm_activation"]),
    mlm_initializer=tf_keras.initializers.Zeros(),
  )
  model(model.inputs)  # makes the weights
  run.restore(model.checkpoint_items)
  step_random.follow_step(
    model, tf.Variable(run.step, dtype=tf.int64), run.task.get("seed", 0)
  )
  return model


def current_plan(run: trained_run.TrainedRun) -> drop_plan.DropPlan:
  """Returns what is dropped at the run's step, or was last if nothing is.

  Args:
    run: one that `check` allows.
  """
  return plan_at(_phases(run), run.step)


def plan_at(
  phases: tuple[keep_schedule.Phase, ...], step: int
) -> drop_plan.DropPlan:
  """Returns the last plan up to a step that drops, or else the first that does.

  Args:
    phases: of a schedule, one of them dropping.
    step: int.
  """
  dropping = [phase for phase in phases if phase.plan.drops]
  begun = [phase for phase in dropping if phase.first_step <= step]
  return (begun[-1] if begun else dropping[0]).plan


def _plans(run: trained_run.TrainedRun) -> list[drop_plan.DropPlan]:
  return [phase.plan for phase in _phases(run)]


def _phases(run: trained_run.TrainedRun) -> tuple[keep_schedule.Phase, ...]:
  config = keep_schedule.KeepScheduleConfig()
  config.override(run.task.get("keep_schedule") or {})
  return keep_schedule.phases(config, encoder_config.get_drop_plan(run.encoder))
