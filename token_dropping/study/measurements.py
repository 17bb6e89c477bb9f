# SPDX-License-Identifier: Apache-2.0
"""What a finished run has shown."""

import datetime
import itertools
import os
import statistics
from collections.abc import Callable

from official.core import config_definitions as cfg
from official.core import task_factory

from token_dropping.common import errors
from token_dropping.common import provenance
from token_dropping.dropping.importance import importance_report
from token_dropping.models import checkpoint_files
from token_dropping.models import checkpoints
from token_dropping.models import multiply_adds
from token_dropping.study import runs
from token_dropping.tasks import experiments
from token_dropping.tasks.pretraining import config as pretraining_config
from token_dropping.training import run_counters
from token_dropping.training import summaries

PACKAGES = ("tensorflow", "tf-models-official")
LOSS = "lm_example_loss"
SHOWN_TOKENS = 20

# What is called the same in a study, of tasks that call it by another name.
_SAME = {"token_loss": LOSS, "dropped_token_loss": f"dropped_{LOSS}"}
_EVALUATION = {LOSS: "loss", f"dropped_{LOSS}": "dropped_loss", "bleu": "bleu"}
_EVALUATION |= {
  f"{what}_accuracy": "accuracy"
  for what in ("masked_lm", "next_token", "token")
}
_CLOCK = {run_counters.WALL: "seconds", run_counters.CPU: "cpu_seconds"}
# The point where every curve begins that goes on from no other.
START = {"step": 0, "seconds": 0.0, "cpu_seconds": 0.0, "multiply_adds": 0}
Scalars = dict[str, dict[int, float]]


def measure(run: runs.Run, cores: int, trunk: dict | None = None) -> dict:
  """Reads what a complete run, which could use some cores, left in its folder.

  `curve` has what each evaluation found and what the training to there had
  taken, both of the `trunk`, what this returned for the training that was gone
  on from, too. Step times are medians over the run's own steps; `train_loss` is
  the mean over the steps between the last two evaluations, `kept_share` over
  all.
  """
  trained, evaluated = (
    read_scalars(os.path.join(run.model_dir, name))
    for name in ("train", run.params.trainer.validation_summary_subdir)
  )
  last, before = run.last_step, trunk["curve"] if trunk else []
  start = before[-1] if before else START
  for curves, tag in ((evaluated, LOSS), (trained, run_counters.CPU)):
    errors.require(
      last in curves.get(tag, {}),
      f"the summaries of {run.model_dir} must have {tag} at step {last}",
      sorted(curves.get(tag, {}))[-1:] or "none",
    )
  machine = provenance.this_machine(PACKAGES) | {"cores": cores}
  return {
    "variant": run.variant,
    "seed": run.seed,
    "train_steps": last,
    "curve": before + curve(trained, evaluated, _macs(run.params, start)),
    **{
      f"step_{name}": median_step({start["step"]: start[name]} | trained[tag])
      for tag, name in _CLOCK.items()
    },
    "train_loss": last_mean(trained[LOSS], evaluated[LOSS]),
    "kept_share": _kept_share(trained, start["step"] / last, trunk),
    **({} if run.until else _important_tokens(run)),
    "machine": machine,
    "commit": provenance.commit(),
    "date": datetime.date.today().isoformat(),
  }


def read_scalars(folder: str) -> Scalars:
  """Reads summaries; a task's loss is `LOSS`, whatever the task calls it."""
  found = summaries.read_scalars(folder)
  return {_SAME.get(tag, tag): values for tag, values in found.items()}


def curve(
  trained: Scalars, evaluated: Scalars, macs: Callable[[int], int]
) -> list[dict]:
  """Returns a point for each evaluation; `macs` is of training up to a step."""
  return [
    {
      "step": step,
      **{
        name: evaluated[tag][step]
        for tag, name in _EVALUATION.items()
        if step in evaluated.get(tag, {})
      },
      **{name: trained[tag][step] for tag, name in _CLOCK.items()},
      "multiply_adds": macs(step),
    }
    for step in sorted(evaluated[LOSS])
  ]


def _kept_share(trained: Scalars, part: float, trunk: dict | None) -> float:
  """Returns the mean over a run, a part of whose steps were its trunk's."""
  own = statistics.fmean(trained["kept_share"].values())
  return own if trunk is None else part * trunk["kept_share"] + (1 - part) * own


def training_macs(params: cfg.ExperimentConfig) -> Callable[[int], int]:
  """Returns a function: the multiply-adds of a training up to a step."""
  task = params.task
  shape = task.model.encoder.get().shape(task.train_data)
  shape = experiments.hooks_of(params).training_shape(shape)
  schedule = pretraining_config.schedule_of(task)
  batch_size = task.train_data.global_batch_size
  return lambda step: multiply_adds.training_macs(
    shape, schedule, step, batch_size
  )


def _macs(params: cfg.ExperimentConfig, start: dict) -> Callable[[int], int]:
  """Returns a function: those of a training that goes on from a point."""
  own = training_macs(params)
  return lambda step: start["multiply_adds"] + own(step) - own(start["step"])


def median_step(seconds: dict[int, float]) -> float:
  """Returns the median over loops of the time of a step."""
  return statistics.median(
    (seconds[end] - seconds[start]) / (end - start)
    for start, end in itertools.pairwise(sorted(seconds))
  )


def last_mean(losses: dict[int, float], evaluations: dict[int, float]) -> float:
  """Returns the mean training loss since the last evaluation but one."""
  start = sorted([0, *evaluations])[-2]
  return statistics.fmean(v for step, v in losses.items() if step > start)


def _important_tokens(run: runs.Run) -> dict:
  model = task_factory.get_task(run.params.task).build_model()
  prefix = checkpoint_files.find(run.model_dir, "--output_dir")
  checkpoints.restore(model.checkpoint_items, prefix, "--output_dir")
  scorer = model.encoder_network.importance_scorer
  names = experiments.hooks_of(run.params).token_names()
  most, least = importance_report.ranked_tokens(scorer, names, SHOWN_TOKENS)
  return {"most_important": most, "least_important": least}
