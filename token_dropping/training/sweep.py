# SPDX-License-Identifier: Apache-2.0
"""Fine-tunes with every learning rate and seed of a grid.

Dev scores of small tasks differ by points between seeds, so one run says
little. Each setting is a run in its own folder, with a `result.json` that is
written last: a sweep that was cut off goes on where it was.
"""

import dataclasses
import statistics
from collections.abc import Callable

import tensorflow as tf
from absl import flags
from official.core import config_definitions as cfg

from token_dropping.common import errors
from token_dropping.common import files
from token_dropping.common import result_file
from token_dropping.tasks.finetuning import filling as finetune_filling
from token_dropping.training import run_scores
from token_dropping.training import trainer as trainer_lib

FLAGS = ("sweep", "sweep_learning_rates", "sweep_seeds")
RESULT, SUMMARY = "result.json", "sweep"


def define_flags() -> None:
  """Defines the flags of `FLAGS`."""
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


@dataclasses.dataclass(frozen=True)
class Grid:
  """What to try.

  Attributes:
    learning_rates: the greatest of each schedule.
    seeds: values of `task.seed`.

  Raises:
    UserError: nothing to try, or a value outside its range.
  """

  learning_rates: tuple[float, ...]
  seeds: tuple[int, ...]

  def __post_init__(self):
    for name, values, least in (
      ("sweep_learning_rates", self.learning_rates, 1e-12),
      ("sweep_seeds", self.seeds, 0),
    ):
      errors.require(
        len(values) == len(set(values)) > 0 and min(values) >= least,
        f"--{name} must be different numbers, "
        f"{'at least 0' if least == 0 else 'greater than 0'}",
        list(values),
      )

  @classmethod
  def from_flags(cls, values) -> "Grid":
    """Reads the flags; raises `UserError`."""
    try:
      return cls(
        tuple(float(each) for each in values.sweep_learning_rates),
        tuple(int(each) for each in values.sweep_seeds),
      )
    except ValueError as error:
      if isinstance(error, errors.UserError):
        raise
      raise errors.UserError(
        "--sweep_learning_rates and --sweep_seeds must be numbers, whole ones "
        f"for seeds. Received: {values.sweep_learning_rates} and "
        f"{values.sweep_seeds}"
      ) from error


def run(
  params: cfg.ExperimentConfig,
  grid: Grid,
  output_dir: str,
  launch: Callable[..., None],
  strategy: tf.distribute.Strategy | None = None,
) -> dict:
  """Trains what is not trained yet; writes `sweep.json` and `sweep.md`.

  Args:
    params: a checked fine-tuning experiment.
    grid: what to try.
    output_dir: folder of the sweep.
    launch: of `token_dropping.train`: takes config, mode, folder, strategy.
    strategy: where to run; default: as `params.runtime` says.

  Returns:
    What `summarize` returns.

  Raises:
    UserError: not a fine-tuning experiment, or the folder holds a sweep of
      another one.
  """
  errors.require(
    finetune_filling.is_finetuning(params.task),
    "--sweep must be used with a fine-tuning experiment",
    "a pretraining one",
  )
  settings = {_folder(output_dir, r, s): (r, s) for r, s in _settings(grid)}
  variants = {
    folder: _variant(params, rate, seed)
    for folder, (rate, seed) in settings.items()
  }
  found = {f: _read_result(f, variants[f]) for f in settings}
  for folder, variant in variants.items():
    if found[folder] is None:
      strategy = strategy or trainer_lib.make_strategy(params.runtime)
      launch(variant, "train_and_eval", folder, strategy)
      found[folder] = _write_result(folder, variant)
  report = summarize(
    [
      {
        "learning_rate": rate,
        "seed": seed,
        "model_dir": folder,
        **found[folder],
      }
      for folder, (rate, seed) in settings.items()
    ]
  )
  _write_report(report, output_dir)
  return report


def summarize(results: list[dict]) -> dict:
  """Returns the chosen setting, and median and best of each learning rate.

  Args:
    results: of each setting `learning_rate`, `seed`, `model_dir`, `step` and
      `scores`, of which the first is compared.

  Returns:
    `metric`, `chosen` (a result: the first with the best score), `median` and
    `best` over all, `learning_rates` (the same for each), and `results`.
  """
  metric = next(iter(results[0]["scores"]))
  by_rate = {}
  for result in results:
    scores = by_rate.setdefault(result["learning_rate"], [])
    scores.append(result["scores"][metric])
  scores = [score for each in by_rate.values() for score in each]
  return {
    "metric": metric,
    "chosen": max(results, key=lambda result: result["scores"][metric]),
    "median": statistics.median(scores),
    "best": max(scores),
    "learning_rates": [
      {"learning_rate": r, "median": statistics.median(s), "best": max(s)}
      for r, s in by_rate.items()
    ],
    "results": results,
  }


def format_report(report: dict) -> str:
  """Returns what `summarize` returned as Markdown."""
  chosen = report["chosen"]
  rows = [
    f"| {row['learning_rate']:g} | {row['median']:.4f} | {row['best']:.4f} |"
    for row in report["learning_rates"]
  ]
  return "\n".join(
    [
      f"| learning rate | median {report['metric']} | best |",
      "| --- | --- | --- |",
      *rows,
      f"| all {len(report['results'])} runs | {report['median']:.4f} | "
      f"{report['best']:.4f} |",
      "",
      f"Chosen: learning rate {chosen['learning_rate']:g}, seed "
      f"{chosen['seed']}, step {chosen['step']:,}: {chosen['model_dir']}",
    ]
  )


def _settings(grid: Grid) -> list[tuple[float, int]]:
  return [(rate, seed) for rate in grid.learning_rates for seed in grid.seeds]


def _folder(output_dir: str, rate: float, seed: int) -> str:
  return tf.io.gfile.join(output_dir, f"rate_{rate:g}_seed_{seed}")


def _variant(params, rate: float, seed: int) -> cfg.ExperimentConfig:
  variant = params.replace()
  schedule = variant.trainer.optimizer_config.learning_rate.get()
  errors.require(
    hasattr(schedule, "initial_learning_rate"),
    "trainer.optimizer_config.learning_rate.type must be one with an "
    "initial_learning_rate for --sweep",
    repr(variant.trainer.optimizer_config.learning_rate.type),
  )
  schedule.initial_learning_rate = rate
  variant.task.seed = variant.task.train_data.seed = seed
  variant.lock()
  return variant


def _read_result(folder: str, params: cfg.ExperimentConfig) -> dict | None:
  """Returns the result of a setting that is complete."""
  path = tf.io.gfile.join(folder, RESULT)
  return result_file.read(path, _identity(params), "--model_dir")


def _write_result(folder: str, params: cfg.ExperimentConfig) -> dict:
  result = run_scores.read_best(params, folder)
  path = tf.io.gfile.join(folder, RESULT)
  result_file.write(path, _identity(params), result)
  return result


def _identity(params: cfg.ExperimentConfig) -> dict:
  """Returns what decides about a result."""
  return {"task": params.task.as_dict(), "trainer": params.trainer.as_dict()}


def _write_report(report: dict, output_dir: str) -> None:
  path = tf.io.gfile.join(output_dir, SUMMARY)
  files.write_json(f"{path}.json", report)
  with tf.io.gfile.GFile(f"{path}.md", "w") as file:
    file.write(format_report(report) + "\n")
