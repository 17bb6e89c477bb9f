# SPDX-License-Identifier: Apache-2.0
"""The YAML fields that pretraining has whatever is predicted."""

import dataclasses

from official.modeling.hyperparams import base_config
from official.nlp.configs import encoders

from token_dropping.dropping import drop_plan
from token_dropping.dropping import keep_schedule as schedules
from token_dropping.dropping import step_schedule


@dataclasses.dataclass
class TiedModelConfig(base_config.Config):
  """A network with an output tied to its embeddings, a head without fields."""

  encoder: encoders.EncoderConfig = dataclasses.field(
    default_factory=encoders.EncoderConfig
  )


@dataclasses.dataclass
class PretrainingConfig(base_config.Config):
  """How a network that drops tokens is trained; tasks inherit it.

  Attributes:
    scale_loss: divide by the weights of the *global* batch, so that the number
      of replicas changes nothing. `False` is Model Garden's sum over replicas.
    gradient_accumulation_steps: slices of each replica's batch, which one after
      the other make one optimizer step: a large batch on a small device.
    seed: of initial weights and dropout. Another one, another run.
    deterministic: the same command gives the same bits on the same machine, by
      TensorFlow's deterministic operations, slower on accelerators.
    on_bad_numbers: `stop` ends the run at a loss or a gradient that is NaN or
      Inf; `skip` leaves it out, at most `max_skipped_steps` times in a run.
    learning_rate_by_layer_tokens: advance the rate with the tokens that the
      layers have computed, not with the steps.
    dropped_validation: also evaluate with dropping, on the same batches.
  """

  # Every so many steps have a second, full pass; a task may have a field.
  consistency_interval = 0

  scale_loss: bool = True
  gradient_accumulation_steps: int = 1
  seed: int = 0
  deterministic: bool = False
  on_bad_numbers: str = "stop"
  max_skipped_steps: int = 10
  keep_schedule: schedules.KeepScheduleConfig = dataclasses.field(
    default_factory=schedules.KeepScheduleConfig
  )
  learning_rate_by_layer_tokens: bool = False
  dropped_validation: bool = False

  @property
  def training_plan(self) -> drop_plan.DropPlan:
    """What a training step drops, and where its loss is."""
    return self.model.encoder.get().drop_plan


def schedule_of(task: PretrainingConfig) -> step_schedule.StepSchedule:
  """Returns what each training step computes; `ValueError` if it cannot be."""
  config = task.keep_schedule
  return step_schedule.StepSchedule(
    schedules.phases(config, task.training_plan),
    config.full_interval,
    task.consistency_interval,
  )
