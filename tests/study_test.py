# SPDX-License-Identifier: Apache-2.0
"""Tests of the command: a study that is killed goes on and ends the same."""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import pytest
from absl import flags

from tests import finetune_testing
from tests import study_testing
from tests import testing
from token_dropping.common import errors
from token_dropping.study import __main__ as command
from token_dropping.study import plan as plans
from token_dropping.study import runs
from token_dropping.training import summaries

ROOT = pathlib.Path(__file__).parents[1]


def _run(**values) -> None:
  parsed = flags.FlagValues()
  command.define_flags(parsed)
  parsed([" ", *(f"--{name}={value}" for name, value in values.items())])
  command.main(["study"], parsed)


def _start(**values) -> subprocess.Popen:
  return subprocess.Popen(
    [
      sys.executable,
      "-m",
      "token_dropping.study",
      *(f"--{name}={value}" for name, value in values.items()),
    ],
    cwd=ROOT,
    env=os.environ | {"PYTHONPATH": str(ROOT)},
    stdout=subprocess.PIPE,
    stderr=subprocess.STDOUT,
    text=True,
  )


def _kill_in_the_first_run(process: subprocess.Popen, log: pathlib.Path):
  """Kills a study while its first run evaluates, half-way."""
  while process.poll() is None:
    if log.exists() and "step      10/" in log.read_text():
      process.send_signal(signal.SIGKILL)
    time.sleep(0.02)
  out, _ = process.communicate()
  assert process.returncode == -signal.SIGKILL, out


def _uninterrupted(folder: pathlib.Path, path: str) -> dict[str, dict]:
  """Trains every run of a plan in this process; returns losses by step."""
  found = {}
  for run in runs.expand(plans.read_plan(path), study_testing.folders(folder)):
    testing.launch_argv(list(run.command[3:]))
    scalars = summaries.read_scalars(f"{run.model_dir}/validation")
    found[run.variant] = scalars["lm_example_loss"]
  return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
  """A study that was killed in its first run and went on."""
  path = tmp_path_factory.mktemp("study")
  plan = study_testing.write_plan(path)
  values = {"plan": plan, "output_dir": path / "out"}
  log = path / "out/runs/dense_seed_1/log.txt"
  _kill_in_the_first_run(_start(**values), log)
  assert not list((path / "out" / "results").glob("*seed*"))
  _run(**values)
  return path


def _results(folder: pathlib.Path) -> list[dict]:
  return json.loads((folder / "out" / "study.json").read_text())["runs"]


def test_a_killed_study_ends_as_one_that_was_not(folder):
  log = (folder / "out/runs/dense_seed_1/log.txt").read_text()
  step = int(re.search("stopped by SIGTERM at step ([0-9]+)", log).group(1))
  assert f"Trained {study_testing.STEPS - step} steps, to step 20" in log
  expected = _uninterrupted(folder / "again", str(folder / "tiny.yaml"))
  for result in _results(folder):
    losses = {point["step"]: point["loss"] for point in result["curve"]}
    assert losses == expected[result["variant"]]


def test_time_and_work_add_up_over_a_restart(folder):
  dense, dropped = _results(folder)
  for result in (dense, dropped):
    first, last = result["curve"]
    assert (first["step"], last["step"]) == (10, study_testing.STEPS)
    assert 0 < first["cpu_seconds"] < last["cpu_seconds"]
    assert 0 < first["seconds"] < last["seconds"]
    assert last["multiply_adds"] == 2 * first["multiply_adds"]
  assert (
    dropped["curve"][1]["multiply_adds"] < dense["curve"][1]["multiply_adds"]
  )
  assert (dense["kept_share"], dropped["kept_share"]) == (1.0, 0.5)


def test_what_is_complete_is_left_alone(folder, capsys):
  before = {
    path: path.stat().st_mtime_ns
    for path in (folder / "out" / "results").iterdir()
  }
  assert len(before) == 3
  _run(plan=folder / "tiny.yaml", output_dir=folder / "out")
  out = capsys.readouterr().out
  assert "2 runs, 0 of them to do" in out
  assert "| mlm_loss | 1 | 20 |" in out
  assert before == {path: path.stat().st_mtime_ns for path in before}


def test_results_are_all_that_another_machine_needs(folder, tmp_path, capsys):
  _run(
    plan=folder / "tiny.yaml",
    output_dir=tmp_path / "elsewhere",
    results_dir=folder / "out" / "results",
  )
  assert "2 runs, 0 of them to do" in capsys.readouterr().out
  whole = (folder / "out" / "study.json").read_text()
  assert (tmp_path / "elsewhere" / "study.json").read_text() == whole


def test_results_of_another_plan_are_refused(folder, tmp_path):
  changes = {"variants": {"dense": {study_testing.KEEP_RATIO: 0.9}}}
  plan = study_testing.write_plan(tmp_path, **changes)
  with pytest.raises(errors.UserError) as caught:
    _run(plan=plan, output_dir=folder / "out")
  assert "--results_dir must be new or hold results of the same" in str(
    caught.value
  )
  assert "token_keep_ratio is 1.0 there and 0.9 here" in str(caught.value)


def test_records_that_do_not_fit_are_refused_before_anything_is_written(
  folder, tmp_path
):
  changes = {"variants": {"dense": {"task.train_data.seq_length": 15}}}
  plan = study_testing.write_plan(tmp_path, **changes)
  with pytest.raises(errors.UserError) as caught:
    _run(plan=plan, output_dir=tmp_path / "out")
  assert str(caught.value).startswith("variants.dense: ")
  assert "input_word_ids" in str(caught.value)
  assert not (tmp_path / "out").exists()


def test_devices_are_needed_to_train_and_not_to_report(tmp_path, capsys):
  overrides = testing.merged(
    study_testing.OVERRIDES, {"runtime": {"num_gpus": 99}}
  )
  plan = study_testing.write_plan(tmp_path, overrides=overrides)
  with pytest.raises(errors.UserError) as caught:
    _run(plan=plan, output_dir=tmp_path / "out")
  message = str(caught.value)
  assert message.startswith("variants.dense: runtime.num_gpus must be at most")
  assert not (tmp_path / "out").exists()
  _run(plan=plan, output_dir=tmp_path / "out", report_only=True)
  assert "0 of 2 runs." in capsys.readouterr().out
  assert not (tmp_path / "out" / "runs").exists()


@pytest.mark.slow
def test_every_run_is_fine_tuned_with_every_seed(tmp_path, capsys):
  vocabulary = testing.write_vocabulary(tmp_path / "vocab.txt")
  dense = {
    study_testing.KEEP_RATIO: 1.0,
    "task.model.encoder.any.vocab_file": vocabulary,
  }
  tables = [tmp_path / "texts.tsv", tmp_path / "held_out.tsv"]
  for rows, table in zip((24, 10), tables, strict=True):
    finetune_testing.write_table(table, rows)
  plan = study_testing.write_plan(
    tmp_path,
    variants={"dense": dense},
    downstream={
      "data": {
        "task": "classification",
        "train_file": "texts.tsv",
        "validation_file": "held_out.tsv",
        "seq_length": testing.SEQ_LENGTH,
      },
      "overrides": {"task.epochs": 2.0},
      "seeds": [1, 2],
    },
  )
  values = {"plan": plan, "data_dir": tmp_path, "output_dir": tmp_path / "out"}
  _run(**values)
  (result,) = _results(tmp_path)
  models = tmp_path / "out/runs/dense_seed_1/downstream"
  scores = [
    json.loads((models / f"model_seed_{seed}/best/info.json").read_text())
    for seed in (1, 2)
  ]
  found = result["downstream_scores"]
  assert [score["seed"] for score in found] == [1, 2]
  accuracies = [score["accuracy"] for score in scores]
  assert [score["accuracy"] for score in found] == accuracies
  assert result["downstream"] == sum(accuracies) / 2
  _run(**values)
  assert "1 runs, 0 of them to do" in capsys.readouterr().out


def test_neither_beam_nor_gensim_is_needed():
  code = "import sys; sys.modules |= {'apache_beam': None, 'gensim': None}\n"
  code += "import token_dropping.study.session"
  subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_a_part_of_another_run_is_refused(folder, tmp_path):
  part = tmp_path / "runs/dense_seed_1"
  part.mkdir(parents=True)
  (part / "run.json").write_text('{"experiment": {"name": "other"}}')
  with pytest.raises(errors.UserError, match="--output_dir must be new or"):
    _run(plan=folder / "tiny.yaml", output_dir=tmp_path)


@pytest.mark.parametrize(
  ("values", "message"),
  [
    ({"output_dir": "x"}, "--plan must be set. Received: nothing"),
    ({"plan": "x"}, "--output_dir must be set. Received: nothing"),
    (
      {"plan": "none.yaml", "output_dir": "x"},
      "--plan must be a readable YAML file. Received: 'none.yaml'",
    ),
  ],
)
def test_wrong_flags(values, message):
  with pytest.raises(errors.UserError) as caught:
    _run(**values)
  assert str(caught.value) == message


def test_arguments_are_refused():
  parsed = flags.FlagValues()
  command.define_flags(parsed)
  parsed([" "])
  with pytest.raises(errors.UserError, match="must be flags, --name=value"):
    command.main(["study", "plan.yaml"], parsed)
