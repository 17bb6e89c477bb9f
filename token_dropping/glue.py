# SPDX-License-Identifier: Apache-2.0
"""Fine-tunes a pretraining run on all of GLUE: table and test submissions.

    python -m token_dropping.glue --pretrained=runs/base --tasks=all \\
        --data_dir=glue_data --output_dir=runs/glue

For each task it prepares the data, trains, keeps the checkpoint that is best on
the dev set and predicts the test sets. What is complete is left as it is, so
the same command goes on after it was cut off.
"""

import dataclasses
import os
import statistics
from collections.abc import Sequence

import tensorflow as tf
from absl import flags

from token_dropping.common import errors
from token_dropping.common import files
from token_dropping.data import finetune
from token_dropping.data import settings_flags
from token_dropping.data.finetuning import finetune_settings
from token_dropping.data.finetuning import glue_tasks
from token_dropping.training import best_checkpoint
from token_dropping.training import config
from token_dropping.training import grid
from token_dropping.training import launch
from token_dropping.training import sentence_predictions
from token_dropping.training import sweep
from token_dropping.training import trained_run
from token_dropping.training import trainer as trainer_lib

DIAGNOSTIC, ITS_MODEL = "ax", "mnli"
TASKS = tuple(name for name in glue_tasks.TASKS if name != DIAGNOSTIC)


_setting = settings_flags.setting


@dataclasses.dataclass(frozen=True)
class Settings:
  """What to run, and where; each field is a flag of the same name."""

  pretrained: str = _setting("", "Folder of the pretraining run.")
  tasks: str = _setting(
    "all", f"all, or some of {', '.join(TASKS)}, with commas."
  )
  data_dir: str = _setting("", "Folder with GLUE's folders: CoLA, SST-2, ...")
  tfds: bool = _setting(False, "Read TensorFlow Datasets instead.")
  seq_length: int = _setting(128, "Tokens of a sequence.")
  output_dir: str = _setting("", "Folder for all that is written.")
  config_file: Sequence[str] = _setting((), "YAML for every task.")
  params_override: str = _setting("", "As that of the launcher.")

  def __post_init__(self):
    for name in ("pretrained", "output_dir"):
      value = getattr(self, name)
      errors.require(bool(value), f"--{name} must be set", "nothing")
    files.check_name(self.output_dir, "--output_dir")
    errors.require(
      bool(self.data_dir) != self.tfds,
      "the data must come from exactly one of --data_dir and --tfds",
      "both" if self.tfds else "neither",
    )
    rule = f"--tasks must be all, or some of {', '.join(TASKS)}"
    for name in self.task_names:
      errors.require(name in TASKS, rule, repr(name))

  @property
  def task_names(self) -> tuple[str, ...]:
    return TASKS if self.tasks == "all" else tuple(self.tasks.split(","))


def run(settings: Settings, tried: sweep.Grid | None = None) -> str:
  """Prepares, trains and predicts; returns the table, also in `glue.md`.

  Without `tried`, the grid of `--sweep`, each task is one run. Raises
  `UserError` if the folder holds results of other settings.
  """
  # All experiments first: what is wrong shows before hours of training.
  tasks = [_Task(name, settings, tried) for name in settings.task_names]
  strategy = trainer_lib.make_strategy(tasks[0].params.runtime)
  runs = [task.as_run(strategy) for task in tasks]
  results = grid.run_here(runs, "--output_dir")
  pairs = zip(tasks, results, strict=True)
  rows = [{"task": task.name, **result} for task, result in pairs]
  text, path = format_table(rows), os.path.join(settings.output_dir, "glue")
  files.write(f"{path}.md", text + "\n")
  files.write_json(f"{path}.json", {"average": average(rows), "tasks": rows})
  return text


class _Task:
  """A task of GLUE, its data made and its experiment checked."""

  def __init__(self, name: str, settings: Settings, tried: sweep.Grid | None):
    self.name, self._settings, self._tried = name, settings, tried
    self._card = self._prepare_data(name)
    override = f"task.data_dir={self._records(name)}"
    if settings.params_override:
      override = f"{override},{settings.params_override}"
    pretrained = settings.pretrained
    run = trained_run.TrainedRun.read(pretrained, source="--pretrained")
    asked = config.LaunchFlags(
      f"{run.encoder.network}/token_drop_glue",
      settings.config_file,
      override,
      pretrained=pretrained,
    )
    self.params = config.prepare(asked)
    self._folder = os.path.join(settings.output_dir, name)

  def as_run(self, strategy: tf.distribute.Strategy) -> grid.Run:
    identity, file = grid.training_identity(self.params), sweep.RESULT
    if self._tried is not None:
      identity["sweep"] = dataclasses.asdict(self._tried)
      file = f"sweep_{file}"
    path = os.path.join(self._folder, file)
    return grid.Run(self.name, path, identity, lambda: self._run(strategy))

  def _run(self, strategy: tf.distribute.Strategy) -> dict:
    """Trains; predicts the test sets that are there with the best run."""
    print(f"{self.name}:", flush=True)
    best = self._train(strategy)
    run = trained_run.TrainedRun.read(best["model_dir"], trained_run.BEST)
    written = self._predict(self.name, run, self._card)
    if self.name == ITS_MODEL and self._has_diagnostic():
      card = self._prepare_data(DIAGNOSTIC)
      written += self._predict(DIAGNOSTIC, run, card)
    return best | {"submissions": written}

  def _train(self, strategy: tf.distribute.Strategy) -> dict:
    if self._tried is None:
      launch.launch(self.params, "train_and_eval", self._folder, strategy)
      best = best_checkpoint.read_scores(self.params, self._folder)
      return best | {"model_dir": self._folder}
    report = sweep.run(self.params, self._tried, self._folder, strategy)
    print(sweep.format_report(report))
    chosen = report["chosen"]
    return {key: chosen[key] for key in ("scores", "step", "model_dir")}

  def _predict(
    self, name: str, run: trained_run.TrainedRun, card: dict
  ) -> list[str]:
    folder, written = os.path.join(self._settings.output_dir, "submission"), []
    files.make_folder(folder)
    labels, limits = card["submission_labels"], card["label_range"]
    for split, file in card["submissions"].items():
      found = sentence_predictions.predict(run, self._records(name), split)
      written.append(os.path.join(folder, file))
      files.write(written[-1], found.submission(labels, limits))
    return written

  def _has_diagnostic(self) -> bool:
    task, folder = glue_tasks.TASKS[DIAGNOSTIC], self._settings.data_dir
    path = os.path.join(folder, task.folder, task.files["test"])
    return not folder or files.exists(path)

  def _prepare_data(self, name: str) -> dict:
    settings, source = self._settings, {"tfds_name": f"glue/{name}"}
    if settings.data_dir:
      folder = glue_tasks.TASKS[name].folder
      source = {"input_dir": os.path.join(settings.data_dir, folder)}
    return finetune.prepare(
      finetune_settings.FinetuneSettings(
        task=name,
        pretrained=settings.pretrained,
        output_dir=self._records(name),
        seq_length=settings.seq_length,
        **source,
      )
    )

  def _records(self, name: str) -> str:
    return os.path.join(self._settings.output_dir, "data", name)


def format_table(rows: list[dict]) -> str:
  """Returns the results as Markdown, scores in per cent, as GLUE gives them."""
  lines = ["| task | dev scores | step |", "| --- | --- | --- |"]
  for row in rows:
    scores = [f"{name} {100 * v:.1f}" for name, v in row["scores"].items()]
    lines.append(f"| {row['task']} | {', '.join(scores)} | {row['step']:,} |")
  lines.append(f"| average of {len(rows)} | {100 * average(rows):.1f} | |")
  return "\n".join(lines)


def average(rows: list[dict]) -> float:
  """Returns the mean over tasks of the mean of a task's scores, as GLUE."""
  means = [statistics.fmean(row["scores"].values()) for row in rows]
  return statistics.fmean(means)


def main(argv: list[str]) -> None:
  """Runs the command."""
  values = flags.FLAGS
  errors.check_flags(argv, values)
  settings = settings_flags.read(Settings, values)
  print(run(settings, sweep.Grid.from_flags(values) if values.sweep else None))


if __name__ == "__main__":
  settings_flags.define(Settings, {}, flags.FLAGS)
  sweep.define_flags()
  errors.run_command(main)
