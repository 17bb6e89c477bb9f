# SPDX-License-Identifier: Apache-2.0
"""The YAML fields of pretraining, and the steps that follow from them."""

import dataclasses

from official.nlp.tasks import masked_lm

from token_dropping.dropping import keep_schedule as schedules
from token_dropping.dropping import step_schedule
from token_dropping.tasks.masked_lm import semantic_consistency as consistency


@dataclasses.dataclass
class TokenDropMaskedLMConfig(masked_lm.MaskedLMConfig):
  """Model Garden's masked-LM task config.

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
    dropping_pictures: show in TensorBoard, at every evaluation, what is dropped
      of the first validation records.
  """

  scale_loss: bool = True
  gradient_accumulation_steps: int = 1
  seed: int = 0
  deterministic: bool = False
  on_bad_numbers: str = "stop"
  max_skipped_steps: int = 10
  keep_schedule: schedules.KeepScheduleConfig = dataclasses.field(
    default_factory=schedules.KeepScheduleConfig
  )
  semantic_consistency: consistency.SemanticConsistencyConfig = (
    dataclasses.field(default_factory=consistency.SemanticConsistencyConfig)
  )
  learning_rate_by_layer_tokens: bool = False
  dropped_validation: bool = False
  dropping_pictures: bool = True


def schedule_of(task: TokenDropMaskedLMConfig) -> step_schedule.StepSchedule:
  """Returns what each training step computes; `ValueError` if it cannot be."""
  config = task.keep_schedule
  plan = task.model.encoder.get().drop_plan
  return step_schedule.StepSchedule(
    schedules.phases(config, plan),
    config.full_interval,
    task.semantic_consistency.interval,
  )
