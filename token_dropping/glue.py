# SPDX-License-Identifier: Apache-2.0
"""Fine-tunes a pretraining run on all of GLUE: table and test submissions.

    python -m token_dropping.glue --pretrained=runs/base --tasks=all \\
        --data_dir=glue_data --output_dir=runs/glue

For each task it prepares the data, trains, keeps the checkpoint that is best on
the dev set and predicts the test sets. What is complete is left as it is, so
the same command goes on after it was cut off.
"""

import dataclasses
import json
import os

import tensorflow as tf
from absl import flags
from official.core import config_definitions as cfg

from token_dropping.common import errors
from token_dropping.data import finetune
from token_dropping.data.finetuning import finetune_settings
from token_dropping.data.finetuning import glue_tasks
from token_dropping.tasks import experiments
from token_dropping.tasks.sentences import glue_submission
from token_dropping.tasks.sentences import sentence_predictions
from token_dropping.training import config
from token_dropping.training import launch
from token_dropping.training import run_scores
from token_dropping.training import sweep
from token_dropping.training import trained_run
from token_dropping.training import trainer as trainer_lib

EXPERIMENT = experiments.FINETUNING_NAMES[0]
DIAGNOSTIC, ITS_MODEL = "ax", "mnli"
TASKS = tuple(name for name in glue_tasks.TASKS if name != DIAGNOSTIC)
RESULTS = "glue"


@dataclasses.dataclass(frozen=True)
class Settings:
  """What to run, and where.

  Attributes:
    pretrained: folder of the pretraining run.
    tasks: names of tasks.
    output_dir: folder of everything that is written.
    data_dir: folder with GLUE's folders of TSV files; "": `tfds` is true.
    tfds: whether to read TensorFlow Datasets.
    seq_length: int, tokens of a sequence.
    config_file: more YAML for every task.
    params_override: likewise, with commas.
    grid: learning rates and seeds to try; `None`: one run a task.

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
  grid: sweep.Grid | None = None

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


def run(settings: Settings) -> str:
  """Prepares, trains and predicts; writes table and submissions.

  Args:
    settings: what to run.

  Returns:
    The table, in Markdown; also in `glue.md`, and in `glue.json`.

  Raises:
    UserError: run, data or folder cannot be used.
  """
  # All experiments first: what is wrong shows before hours of training.
  prepared = {name: _prepare(name, settings) for name in settings.tasks}
  strategy, rows = None, []
  for name, (params, card) in prepared.items():
    strategy = strategy or trainer_lib.make_strategy(params.runtime)
    model_dir = _train(name, params, strategy, settings)
    best = run_scores.read_best(params, model_dir)
    written = _predict(name, model_dir, card, settings)
    if name == ITS_MODEL:
      written += _predict_diagnostic(model_dir, settings)
    rows.append(
      {"task": name, **best, "model_dir": model_dir, "submissions": written}
    )
  return _write_table(rows, settings.output_dir)


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
  means = [sum(r["scores"].values()) / len(r["scores"]) for r in rows]
  return sum(means) / len(means)


def _prepare(
  name: str, settings: Settings
) -> tuple[cfg.ExperimentConfig, dict]:
  """Makes the data and the experiment of a task."""
  card = _prepare_data(name, settings)
  override = f"task.data_dir={_data_dir(name, settings)}"
  if settings.params_override:
    override = f"{override},{settings.params_override}"
  params = launch.prepare(
    config.LaunchFlags(
      experiment=EXPERIMENT,
      pretrained=settings.pretrained,
      config_file=list(settings.config_file),
      params_override=override,
    )
  )
  return params, card


def _prepare_data(name: str, settings: Settings) -> dict:
  source = {"tfds_name": f"glue/{name}"}
  if settings.data_dir:
    folder = glue_tasks.TASKS[name].folder
    source = {"input_dir": os.path.join(settings.data_dir, folder)}
  return finetune.prepare(
    finetune_settings.FinetuneSettings(
      task=name,
      pretrained=settings.pretrained,
      output_dir=_data_dir(name, settings),
      seq_length=settings.seq_length,
      **source,
    )
  )


def _data_dir(name: str, settings: Settings) -> str:
  return os.path.join(settings.output_dir, "data", name)


def _train(name: str, params, strategy, settings: Settings) -> str:
  """Trains a task; returns the folder of the run to use."""
  folder = os.path.join(settings.output_dir, name)
  print(f"{name}:", flush=True)
  if settings.grid is None:
    launch.launch(params, "train_and_eval", folder, strategy)
    return folder
  report = sweep.run(params, settings.grid, folder, launch.launch, strategy)
  print(sweep.format_report(report))
  return report["chosen"]["model_dir"]


def _predict(name: str, model_dir: str, card: dict, settings) -> list[str]:
  """Writes the submissions of the test sets that are there."""
  run = trained_run.TrainedRun.read(model_dir, trained_run.BEST)
  written = []
  for split, file in card["submissions"].items():
    found = sentence_predictions.predict(run, _data_dir(name, settings), split)
    text = glue_submission.format_predictions(
      found.ids, found.outputs, card["submission_labels"], card["label_range"]
    )
    path = os.path.join(settings.output_dir, "submission", file)
    glue_submission.write(path, text)
    written.append(path)
  return written


def _predict_diagnostic(model_dir: str, settings: Settings) -> list[str]:
  """Answers GLUE's diagnostic set with the model of MNLI, if it is there."""
  task = glue_tasks.TASKS[DIAGNOSTIC]
  path = os.path.join(settings.data_dir, task.folder, task.files["test"])
  if settings.data_dir and not tf.io.gfile.exists(path):
    return []
  card = _prepare_data(DIAGNOSTIC, settings)
  return _predict(DIAGNOSTIC, model_dir, card, settings)


def _write_table(rows: list[dict], output_dir: str) -> str:
  text = format_table(rows)
  content = {"average": average(rows), "tasks": rows}
  for ending, data in (
    ("md", text + "\n"),
    ("json", json.dumps(content, indent=2) + "\n"),
  ):
    path = os.path.join(output_dir, f"{RESULTS}.{ending}")
    with tf.io.gfile.GFile(path, "w") as file:
      file.write(data)
  return text


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


def settings_from_flags(values) -> Settings:
  """Returns the settings that the flags give; raises `UserError`."""
  return Settings(
    pretrained=values.pretrained,
    tasks=TASKS if values.tasks == ["all"] else tuple(values.tasks),
    output_dir=values.output_dir,
    data_dir=values.data_dir,
    tfds=values.tfds,
    seq_length=values.seq_length,
    config_file=tuple(values.config_file),
    params_override=values.params_override,
    grid=sweep.Grid.from_flags(values) if values.sweep else None,
  )


def main(argv: list[str]) -> None:
  """Runs the command.

  Args:
    argv: name of the program.
  """
  errors.require(
    not argv[1:], "arguments must be flags, --name=value", argv[1:]
  )
  print(run(settings_from_flags(flags.FLAGS)))


if __name__ == "__main__":
  define_flags()
  errors.run_command(main)
