# SPDX-License-Identifier: Apache-2.0
"""Fine-tunes with every learning rate and seed of a grid.

Dev scores of small tasks differ by points between seeds: one run says little.
Each setting is a run in its own folder, with a `result.json`.
"""

import dataclasses
import os
import statistics

import tensorflow as tf
from absl import flags
from official.core import config_definitions as cfg

from token_dropping.common import errors
from token_dropping.common import files
from token_dropping.tasks import experiments
from token_dropping.training import best_checkpoint
from token_dropping.training import grid
from token_dropping.training import launch
from token_dropping.training import trainer as trainer_lib

RESULT = "result.json"


def define_flags() -> None:
  """Defines `--sweep` and the flags of its grid."""
  flags.DEFINE_bool(
    "sweep",
    False,
    "Fine-tuning: train with every learning rate and seed of the grid, each in "
    "a folder of its own under --model_dir, and report median and best score.",
  )
  flags.DEFINE_list(
    "sweep_learning_rates", "2e-5,3e-5,4e-5,5e-5", "Learning rates of --sweep."
  )
  flags.DEFINE_list("sweep_seeds", "1,2,3,4,5", "Seeds of --sweep.")


def _shown(number: float) -> str:
  """Returns how folders of runs are named."""
  return f"{number:g}" if isinstance(number, float) else str(number)


@dataclasses.dataclass(frozen=True)
class Grid:
  """What to try: the greatest learning rates of schedules, and seeds."""

  learning_rates: tuple[float, ...]
  seeds: tuple[int, ...]

  def __post_init__(self):
    for name, values, least, below, rule in (
      ("sweep_learning_rates", self.learning_rates, 1e-12, 1e38, "0 and 1e38"),
      ("sweep_seeds", self.seeds, 0, 2**31, "-1 and 2^31"),
    ):
      errors.require(
        len(values) == len(set(map(_shown, values))) > 0
        and all(least <= value < below for value in values),
        f"--{name} must be different numbers between {rule}",
        errors.shorten(list(values)),
      )

  @classmethod
  def from_flags(cls, values) -> "Grid":
    rates, seeds = values.sweep_learning_rates, values.sweep_seeds
    rule = "--sweep_learning_rates and --sweep_seeds must be numbers, whole "
    rule += "ones for seeds"
    with errors.refusing(rule, f"{rates} and {seeds}", ValueError):
      return cls(tuple(map(float, rates)), tuple(map(int, seeds)))


def run(
  params: cfg.ExperimentConfig,
  tried: Grid,
  output_dir: str,
  strategy: tf.distribute.Strategy | None = None,
) -> dict:
  """Trains what is missing; writes and returns what `summarize` returns."""
  errors.require(
    bool(experiments.hooks_of(params).score_names()),
    "--sweep must be used with a fine-tuning experiment",
    "a pretraining one",
  )
  strategy = strategy or trainer_lib.make_strategy(params.runtime)
  settings = [
    {
      "learning_rate": rate,
      "seed": seed,
      "model_dir": os.path.join(output_dir, f"rate_{_shown(rate)}_seed_{seed}"),
    }
    for rate in tried.learning_rates
    for seed in tried.seeds
  ]
  runs = [_run_of(params, setting, strategy) for setting in settings]
  results = grid.run_here(runs, "--model_dir")
  report = summarize([a | b for a, b in zip(settings, results, strict=True)])
  path = os.path.join(output_dir, "sweep")
  files.write_json(f"{path}.json", report)
  files.write(f"{path}.md", format_report(report) + "\n")
  return report


def _run_of(
  params: cfg.ExperimentConfig, setting: dict, strategy: tf.distribute.Strategy
) -> grid.Run:
  params = params.replace()
  optimizer = params.trainer.optimizer_config
  schedule, model_dir = optimizer.learning_rate.get(), setting["model_dir"]
  errors.require(
    hasattr(schedule, "initial_learning_rate"),
    "trainer.optimizer_config.learning_rate.type must be one with an "
    "initial_learning_rate for --sweep",
    repr(optimizer.learning_rate.type),
  )
  schedule.initial_learning_rate = setting["learning_rate"]
  params.task.seed = params.task.train_data.seed = setting["seed"]
  params.lock()

  def fine_tune() -> dict:
    launch.launch(params, "train_and_eval", model_dir, strategy)
    return best_checkpoint.read_scores(params, model_dir)

  path = os.path.join(model_dir, RESULT)
  return grid.Run(model_dir, path, grid.training_identity(params), fine_tune)


def summarize(results: list[dict]) -> dict:
  """Returns the chosen setting, and median and best of each learning rate."""
  metric = next(iter(results[0]["scores"]))

  def median_and_best(some: list[dict]) -> dict:
    scores = [result["scores"][metric] for result in some]
    return {"median": statistics.median(scores), "best": max(scores)}

  by_rate = {}
  for result in results:
    by_rate.setdefault(result["learning_rate"], []).append(result)
  return {
    "metric": metric,
    "chosen": max(results, key=lambda result: result["scores"][metric]),
    **median_and_best(results),
    "learning_rates": [
      {"learning_rate": rate, **median_and_best(some)}
      for rate, some in by_rate.items()
    ],
    "results": results,
  }


def format_report(report: dict) -> str:
  """Returns what `summarize` returned as Markdown."""
  rows = {f"{row['learning_rate']:g}": row for row in report["learning_rates"]}
  rows[f"all {len(report['results'])} runs"] = report
  lines = [f"| learning rate | median {report['metric']} | best |"]
  lines.append("| --- | --- | --- |")
  for name, row in rows.items():
    lines.append(f"| {name} | {row['median']:.4f} | {row['best']:.4f} |")
  chosen = report["chosen"]
  lines += [
    "",
    f"Chosen: learning rate {chosen['learning_rate']:g}, seed "
    f"{chosen['seed']}, step {chosen['step']:,}: {chosen['model_dir']}",
  ]
  return "\n".join(lines)
