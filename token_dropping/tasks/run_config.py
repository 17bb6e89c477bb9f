# SPDX-License-Identifier: Apache-2.0
"""What the launcher's runs can be told beyond Model Garden's configs."""

import dataclasses

from official.core import config_definitions as cfg


@dataclasses.dataclass
class RuntimeConfig(cfg.RuntimeConfig):
  """Model Garden's, and how attention is computed: see docs/speed.md."""

  attention: str = "auto"


@dataclasses.dataclass
class TrainerConfig(cfg.TrainerConfig):
  """Model Garden's, and what its runs do otherwise.

  Attributes:
    steps_per_call: how many steps one compiled call makes; `None` lets the run
      choose.
    continue_from: a run's folder or a checkpoint in one. A new run goes on from
      there, its optimizer and step included.
  """

  steps_per_call: int | None = None
  continue_from: str | None = None


def extend(params: cfg.ExperimentConfig) -> None:
  """Gives an experiment of Model Garden's these fields, at their defaults."""
  params.runtime = RuntimeConfig(**_fields(params.runtime))
  params.trainer = TrainerConfig(**_fields(params.trainer))


def _fields(config) -> dict:
  names = (field.name for field in dataclasses.fields(config))
  return {name: getattr(config, name) for name in names}
