# SPDX-License-Identifier: Apache-2.0
"""A tiny plan with records, and made-up results, for tests."""

import pathlib

import yaml

from tests import fault_testing
from tests import testing
from token_dropping.common import provenance
from token_dropping.study import runs

STEPS, HALF = 8, 4
OVERRIDES = testing.merged(
  testing.TINY,
  {
    "task": {"deterministic": True},
    "trainer": {
      "train_steps": STEPS,
      "steps_per_loop": 2,
      "summary_interval": 2,
      "validation_interval": HALF,
      "checkpoint_interval": HALF,
      "max_to_keep": 1,
    },
  },
)
KEEP_RATIO = "task.model.encoder.any.token_keep_ratio"


def write_plan(folder: pathlib.Path, **changes) -> str:
  """Writes records and `tiny.yaml` of two variants; returns its path."""
  fault_testing.write_records(folder)
  paths = {
    "task.train_data.input_path": str(folder / "train-*"),
    "task.validation_data.input_path": str(folder / "validation"),
  }
  tree = {
    "experiment": "bert/token_drop",
    "seeds": [1],
    "dense": "dense",
    "overrides": OVERRIDES | paths,
    "variants": {"dense": {KEEP_RATIO: 1.0}, "mlm_loss": {}},
  }
  path = folder / "tiny.yaml"
  path.write_text(yaml.safe_dump(tree | changes, sort_keys=False))
  return str(path)


def folders(folder: pathlib.Path) -> runs.Folders:
  """Returns folders below one."""
  return runs.Folders(
    *(str(folder / name) for name in ("data", "out", "results"))
  )


def result(variant: str, seed: int, losses: list[float]) -> dict:
  """Returns what a session reports of a run, with these losses."""
  return {
    "variant": variant,
    "seed": seed,
    "train_steps": 10 * len(losses),
    "curve": [
      {
        "step": 10 * index,
        "loss": loss,
        "accuracy": 1 - loss / 10,
        "seconds": 20.0 * index,
        "cpu_seconds": 10.0 * index,
        "multiply_adds": 10**12 * index,
      }
      for index, loss in enumerate(losses, 1)
    ],
    "step_seconds": 2.0,
    "step_cpu_seconds": 1.0,
    "train_loss": losses[-1],
    "downstream": {"movies": {"score": losses[-1] / 10, "deviation": 0.01}},
    "kept_share": 0.5,
    "most_important": ["rare", "<b>"],
    "least_important": ["the", ","],
    "machine": provenance.this_machine(("tensorflow",)) | {"gpus": []},
    "commit": "abc1234",
    "date": "2026-11-24",
  }
