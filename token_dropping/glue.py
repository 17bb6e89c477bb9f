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

from absl import flags
from official.core import config_definitions as cfg

from token_dropping.common import errors
from token_dropping.common import files
from token_dropping.data import finetune
from token_dropping.data.finetuning import finetune_settings
from token_dropping.data.finetuning import glue_tasks
from token_dropping.tasks import experiments
from token_dropping.training import best_checkpoint
from token_dropping.training import config
from token_dropping.training import grid
from token_dropping.training import launch
from token_dropping.training import sentence_predictions
from token_dropping.training import sweep
from token_dropping.training import trained_run
from token_dropping.training import trainer as trainer_lib

EXPERIMENT = experiments.FINETUNING_NAMES[0]
DIAGNOSTIC, ITS_MODEL = "ax", "mnli"
TASKS = tuple(name for name in glue_tasks.TASKS if name != DIAGNOSTIC)
RESULTS = "glue"


@dataclasses.dataclass(frozen=True)
class Settings:
  """The flags: what to run, and where.

  Attributes:
    tasks: names of GLUE's tasks.
    tried: learning rates and seeds of `--sweep`; `None`: one run a task.

  Raises:
    UserError: a value breaks its rule.
  """

  pretrained: str
  tasks: tuple[str, ...]
  output_dir: str
  data_dir: str = ""
  tfds: bool = False
  seq_length: int = 128
  config_file: tuple[str, ...] = ()
  params_override: str = ""
  tried: sweep.Grid | None = None

  def __post_init__(self):
    for name in ("pretrained", "output_dir"):
      value = getattr(self, name)
      errors.require(bool(value), f"--{name} must be set", "nothing")
    errors.require(
      bool(self.data_dir) != self.tfds,
      "the data must come from exactly one of --data_dir and --tfds",
      "both" if self.tfds else "neither",
    )
    for name in self.tasks:
      errors.require(
        name in TASKS,
        f"--tasks must be all, or some of {', '.join(TASKS)}",
        repr(name),
      )

  @classmethod
  def from_flags(cls, values) -> "Settings":
    """Returns the settings that the flags give; raises `UserError`."""
    return cls(
      pretrained=values.pretrained,
      tasks=TASKS if values.tasks == ["all"] else tuple(values.tasks),
      output_dir=values.output_dir,
      data_dir=values.data_dir,
      tfds=values.tfds,
      seq_length=values.seq_length,
      config_file=tuple(values.config_file),
      params_override=values.params_override,
      tried=sweep.Grid.from_flags(values) if values.sweep else None,
    )

  def records(self, task: str) -> str:
    """Returns the folder of a task's prepared data."""
    return os.path.join(self.output_dir, "data", task)


def run(settings: Settings) -> str:
  """Prepares, trains and predicts; writes table and submissions.

  Returns:
    The table, in Markdown; also in `glue.md`, and in `glue.json`.

  Raises:
    UserError: run, data or folder cannot be used, or the folder holds results
      of other settings.
  """
  # All experiments first: what is wrong shows before hours of training.
  cards = {name: _prepare_data(name, settings) for name in settings.tasks}
  trainings = {name: _experiment(name, settings) for name in settings.tasks}
  runtime = next(iter(trainings.values())).runtime
  strategy = trainer_lib.make_strategy(runtime)
  runs = [
    _run_of(name, params, cards[name], strategy, settings)
    for name, params in trainings.items()
  ]
  results = grid.run_here(runs, "--output_dir")
  return _write_table(
    [
      {"task": name, **result}
      for name, result in zip(settings.tasks, results, strict=True)
    ],
    settings.output_dir,
  )


def _run_of(name: str, params, card: dict, strategy, settings) -> grid.Run:
  identity, file = grid.training_identity(params), sweep.RESULT
  if settings.tried is not None:
    identity["sweep"] = dataclasses.asdict(settings.tried)
    file = f"sweep_{file}"

  def fine_tune() -> dict:
    print(f"{name}:", flush=True)
    best = _train(name, params, strategy, settings)
    model_dir = best["model_dir"]
    written = _predict(name, model_dir, card, settings)
    if name == ITS_MODEL:
      written += _predict_diagnostic(model_dir, settings)
    return best | {"submissions": written}

  path = os.path.join(settings.output_dir, name, file)
  return grid.Run(name, path, identity, fine_tune)


def _prepare_data(name: str, settings: Settings) -> dict:
  source = {"tfds_name": f"glue/{name}"}
  if settings.data_dir:
    folder = glue_tasks.TASKS[name].folder
    source = {"input_dir": os.path.join(settings.data_dir, folder)}
  return finetune.prepare(
    finetune_settings.FinetuneSettings(
      task=name,
      pretrained=settings.pretrained,
      output_dir=settings.records(name),
      seq_length=settings.seq_length,
      **source,
    )
  )


def _experiment(name: str, settings: Settings) -> cfg.ExperimentConfig:
  override = f"task.data_dir={settings.records(name)}"
  if settings.params_override:
    override = f"{override},{settings.params_override}"
  return launch.prepare(
    config.LaunchFlags(
      experiment=EXPERIMENT,
      pretrained=settings.pretrained,
      config_file=list(settings.config_file),
      params_override=override,
    )
  )


def _train(name: str, params, strategy, settings: Settings) -> dict:
  """Trains a task; returns scores, step and folder of the run to use."""
  folder = os.path.join(settings.output_dir, name)
  if settings.tried is None:
    launch.launch(params, "train_and_eval", folder, strategy)
    return best_checkpoint.read_scores(params, folder) | {"model_dir": folder}
  report = sweep.run(params, settings.tried, folder, strategy)
  print(sweep.format_report(report))
  return {key: report["chosen"][key] for key in ("scores", "step", "model_dir")}


def _predict(name: str, model_dir: str, card: dict, settings) -> list[str]:
  """Writes the submissions of the test sets that are there."""
  run = trained_run.TrainedRun.read(model_dir, trained_run.BEST)
  folder, written = os.path.join(settings.output_dir, "submission"), []
  files.make_folder(folder)
  for split, file in card["submissions"].items():
    predictions = sentence_predictions.predict(
      run, settings.records(name), split
    )
    text = predictions.submission(
      card["submission_labels"], card["label_range"]
    )
    written.append(os.path.join(folder, file))
    files.write(written[-1], text)
  return written


def _predict_diagnostic(model_dir: str, settings: Settings) -> list[str]:
  """Answers GLUE's diagnostic set with the model of MNLI, if it is there."""
  task = glue_tasks.TASKS[DIAGNOSTIC]
  path = os.path.join(settings.data_dir, task.folder, task.files["test"])
  if settings.data_dir and not files.exists(path):
    return []
  card = _prepare_data(DIAGNOSTIC, settings)
  return _predict(DIAGNOSTIC, model_dir, card, settings)


def _write_table(rows: list[dict], output_dir: str) -> str:
  text, path = format_table(rows), os.path.join(output_dir, RESULTS)
  files.write(f"{path}.md", text + "\n")
  content = {"average": average(rows), "tasks": rows}
  files.write_json(f"{path}.json", content)
  return text


def format_table(rows: list[dict]) -> str:
  """Returns the results as Markdown, scores in per cent, as GLUE gives them.

  Args:
    rows: of each task `task`, `scores` and `step`.
  """
  lines = ["| task | dev scores | step |", "| --- | --- | --- |"]
  for row in rows:
    scores = ", ".join(
      f"{name} {100 * value:.1f}" for name, value in row["scores"].items()
    )
    lines.append(f"| {row['task']} | {scores} | {row['step']:,} |")
  lines.append(f"| average of {len(rows)} | {100 * average(rows):.1f} | |")
  return "\n".join(lines)


def average(rows: list[dict]) -> float:
  """Returns the mean over tasks of the mean of a task's scores, as GLUE."""
  return statistics.fmean(
    statistics.fmean(row["scores"].values()) for row in rows
  )


def define_flags() -> None:
  """Defines the flags of the command."""
  flags.DEFINE_string("pretrained", "", "Folder of the pretraining run.")
  flags.DEFINE_list("tasks", "all", f"all, or some of {', '.join(TASKS)}.")
  flags.DEFINE_string(
    "data_dir", "", "Folder with GLUE's folders: CoLA, SST-2, ..."
  )
  flags.DEFINE_bool("tfds", False, "Read TensorFlow Datasets instead.")
  flags.DEFINE_integer("seq_length", 128, "Tokens of a sequence.")
  flags.DEFINE_string("output_dir", "", "Folder for all that is written.")
  flags.DEFINE_multi_string("config_file", [], "YAML for every task.")
  flags.DEFINE_string("params_override", "", "As that of the launcher.")
  sweep.define_flags()


def main(argv: list[str]) -> None:
  """Runs the command."""
  errors.require(
    not argv[1:], "arguments must be flags, --name=value", argv[1:]
  )
  print(run(Settings.from_flags(flags.FLAGS)))


if __name__ == "__main__":
  define_flags()
  errors.run_command(main)
