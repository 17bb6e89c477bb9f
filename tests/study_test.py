# SPDX-License-Identifier: Apache-2.0
"""Tests of the command: a study that is cut off goes on and ends the same."""

import contextlib
import dataclasses
import functools
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest

from tests import fault_testing
from tests import finetune_testing
from tests import study_testing
from tests import testing
from token_dropping.dropping import drop_plan
from token_dropping.models import multiply_adds
from token_dropping.study import __main__ as command
from token_dropping.study import plan as plans
from token_dropping.study import runs
from token_dropping.training import grid
from token_dropping.training import progress
from token_dropping.training import summaries

ROOT = pathlib.Path(__file__).parents[1]
LOG = "out/runs/dense_seed_1/log.txt"
MODEL = "out/runs/dense_seed_1/model"
FORK = {"variant": "dense", "step": study_testing.HALF}


class _Cut(Exception):
  """Stands for a signal that ends the process."""


_run = functools.partial(testing.run_command, command)
_refused = functools.partial(testing.refused, _run)


def _train_here(argv, cores, log: str) -> subprocess.Popen:
  """Trains in this process; returns one that ends at once."""
  del cores
  with open(log, "a") as file, contextlib.redirect_stdout(file):
    testing.launch_argv(list(argv[3:]))
  return subprocess.Popen(["true"])


def _cut(self, output: dict, report=progress.ProgressReporter.on_train) -> None:
  report(self, output)
  if int(self._global_step.numpy()) == 6:  # 4 is saved
    raise _Cut


def _assert_as_uninterrupted(folder: pathlib.Path) -> None:
  """Trains what was forked and cut off as one run; compares bits and losses."""
  plan = plans.read_plan(str(folder / "tiny.yaml"))
  dense = dataclasses.replace(plan.variants["dense"], fork=None)
  plan = dataclasses.replace(plan, variants={"dense": dense})
  (run,) = runs.expand(plan, study_testing.folders(folder / "again"))
  testing.launch_argv(list(run.command[3:]))
  whole, forked = (
    fault_testing.variables(path / f"ckpt-{study_testing.STEPS}")
    for path in (pathlib.Path(run.model_dir), folder / MODEL)
  )
  fault_testing.assert_same(whole, forked)
  scalars = summaries.read_scalars(f"{run.model_dir}/validation")
  curve = _results(folder)[0]["curve"]
  losses = {point["step"]: point["loss"] for point in curve}
  assert losses == scalars["lm_example_loss"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
  """A forked study that was cut off in its first run and went on."""
  path = tmp_path_factory.mktemp("study")
  plan = study_testing.write_plan(path, fork=FORK)
  values = {"plan": plan, "output_dir": path / "out"}
  with testing.eagerly(), pytest.MonkeyPatch.context() as patch:
    patch.setattr(grid, "_start", _train_here)
    with patch.context() as cut, pytest.raises(_Cut):
      cut.setattr(progress.ProgressReporter, "on_train", _cut)
      _run(**values)
    assert not list((path / "out" / "results").glob("*seed*"))
    _run(**values)
  return path


def _results(folder: pathlib.Path) -> list[dict]:
  return json.loads((folder / "out" / "study.json").read_text())["runs"]


@testing.eagerly()
def test_a_study_that_was_cut_off_ends_as_one_that_was_not(folder):
  assert "Trained 4 steps, to step 8" in (folder / LOG).read_text()
  _assert_as_uninterrupted(folder)


@pytest.mark.slow
def test_a_killed_study_ends_as_one_that_was_not(tmp_path):
  values = {
    "plan": study_testing.write_plan(tmp_path, fork=FORK),
    "output_dir": tmp_path / "out",
  }
  process = subprocess.Popen(
    [
      *(sys.executable, "-m", "token_dropping.study"),
      *(f"--{name}={value}" for name, value in values.items()),
    ],
    cwd=ROOT,
    env=os.environ | {"PYTHONPATH": str(ROOT)},
  )
  log = tmp_path / LOG
  while process.poll() is None:  # killed in what goes on from the trunk
    if log.exists() and "step       6/" in log.read_text():
      process.send_signal(signal.SIGKILL)
    time.sleep(0.02)
  assert process.returncode == -signal.SIGKILL
  _run(**values)
  text = log.read_text()
  step = int(re.search("stopped by SIGTERM at step ([0-9]+)", text).group(1))
  assert f"Trained {study_testing.STEPS - step} steps, to step 8" in text
  _assert_as_uninterrupted(tmp_path)


def test_time_and_work_add_up_over_a_restart(folder):
  dense, dropped = _results(folder)
  for result in (dense, dropped):
    first, last = result["curve"]
    assert (first["step"], last["step"]) == (
      study_testing.HALF,
      study_testing.STEPS,
    )
    assert 0 < first["cpu_seconds"] < last["cpu_seconds"]
    assert 0 < first["seconds"] < last["seconds"]
    times = (result["step_seconds"], result["step_cpu_seconds"])
    assert all(0 < taken < last["cpu_seconds"] for taken in times)
  shared, whole = (point["multiply_adds"] for point in dense["curve"])
  assert whole == 2 * shared
  assert shared < dropped["curve"][1]["multiply_adds"] < whole
  assert (dense["kept_share"], dropped["kept_share"]) == (1.0, 0.75)


def test_forks_share_their_beginning_and_nothing_more(folder):
  dense, dropped = (result["curve"] for result in _results(folder))
  assert dense[0] == dropped[0]
  assert dense[1]["loss"] != dropped[1]["loss"]
  logs = [
    (folder / "out/runs" / name / "log.txt").read_text()
    for name in ("trunks/dense_4_seed_1", "mlm_loss_seed_1")
  ]
  assert "Trained 4 steps, to step 4," in logs[0]
  assert "goes on from step 4 of " in logs[1]
  assert "Trained 4 steps, to step 8," in logs[1]


def test_what_is_complete_is_left_alone(folder, capsys):
  before = {
    path: path.stat().st_mtime_ns
    for path in (folder / "out" / "results").glob("*.json")
  }
  assert len(before) == 3
  _run(plan=folder / "tiny.yaml", output_dir=folder / "out")
  out = capsys.readouterr().out
  assert "2 runs, 0 of them to do" in out
  assert "| mlm_loss | 1 | 8 |" in out
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
  message = _refused(plan=plan, output_dir=folder / "out")
  assert "--results_dir must be new or hold results of the same" in message
  assert "token_keep_ratio is 1.0 there and 0.9 here" in message
  dense = {study_testing.KEEP_RATIO: 1.0}
  variants = {"dense": dense, "mlm_loss": {"fork": None}}
  plan = study_testing.write_plan(tmp_path, fork=FORK, variants=variants)
  message = _refused(plan=plan, output_dir=folder / "out")
  assert re.search("of another one: fork is .* there and None here", message)


@pytest.mark.parametrize(
  ("field", "value", "message"),
  [
    ("task.train_data.seq_length", 15, "task.train_data.seq_length must be th"),
    ("runtime.num_gpus", 99, "runtime.num_gpus must be at most the"),
    (
      "task.model.encoder.any.drop_at_inference",
      True,
      "task.model.encoder.any.drop_at_inference must be false: a study "
      "compares whole sequences, and with task.dropped_validation dropped ones "
      "beside them. Received: true",
    ),
  ],
)
def test_what_cannot_be_trained_is_refused_before_anything_is_written(
  tmp_path, field, value, message
):
  changes = {"variants": {"dense": {field: value}}}
  plan = study_testing.write_plan(tmp_path, **changes)
  refusal = _refused(plan=plan, output_dir=tmp_path / "out")
  assert refusal.startswith(f"variants.dense: {message}")
  assert not (tmp_path / "out").exists()


def test_a_report_needs_results_alone(folder, tmp_path):
  """Neither the records nor what only training checks."""
  text = (folder / "tiny.yaml").read_text()
  plan = tmp_path / "tiny.yaml"
  plan.write_text(text.replace(str(folder), str(tmp_path / "none")))
  results, out = folder / "out" / "results", tmp_path / "out"
  flags = {"plan": plan, "output_dir": out, "report_only": True}
  _run(**flags, results_dir=results)
  whole = (folder / "out" / "study.json").read_text()
  assert (out / "study.json").read_text() == whole
  changed = json.loads((results / "mlm_loss_seed_1.json").read_text())
  changed["experiment"]["data"] = "0123"
  shutil.copytree(results, tmp_path / "two")
  testing.write_json(tmp_path / "two" / "mlm_loss_seed_1.json", changed)
  message = _refused(**flags, results_dir=tmp_path / "two")
  assert "data is '0123' there and" in message
  assert _refused(**flags, results_dir=tmp_path) == (
    "--results_dir must hold results of the plan to be reported. "
    f"Received: {str(tmp_path)!r}"
  )


@testing.eagerly()
def test_times_may_be_those_of_steps_timed_in_turns(folder, tmp_path):
  results = shutil.copytree(folder / "out" / "results", tmp_path / "results")
  flags = {"plan": folder / "tiny.yaml", "output_dir": tmp_path / "out"}
  _run(**flags, results_dir=results, time_steps=1)
  table = json.loads((results / "step_times.json").read_text())
  ((dense,), (dropped,)) = (
    table["variants"][name] for name in ("dense", "mlm_loss")
  )
  assert dropped["multiply_adds"] < dense["multiply_adds"]
  kept, left = (run["curve"] for run in _results(tmp_path))
  half, step = study_testing.HALF, dense["seconds"]
  assert kept[1]["time"] == pytest.approx(study_testing.STEPS * step)
  times = half * (step + dropped["seconds"])
  assert left[1]["time"] == pytest.approx(times)
  _run(**flags, results_dir=results, report_only=True)
  assert left == _results(tmp_path)[1]["curve"]
  assert [path.name for path in (tmp_path / "out").glob("**/model*")] == []


@pytest.mark.slow
def test_every_run_is_fine_tuned_on_every_task(tmp_path, capsys):
  vocabulary = testing.write_vocabulary(tmp_path / "vocab.txt")
  dense = {
    study_testing.KEEP_RATIO: 1.0,
    "task.model.encoder.any.vocab_file": vocabulary,
  }
  for name, rows in (("texts.tsv", 24), ("held_out.tsv", 10)):
    finetune_testing.write_table(tmp_path / name, rows)
  for name in ("train", "validation"):
    asked = finetune_testing.question("1", "word1 word2", ("word9", 12))
    path = tmp_path / f"{name}.json"
    finetune_testing.write_squad(path, ("word7 word8 word9 word8", [asked]))
  movies = {
    "task": "classification",
    "train_file": "texts.tsv",
    "validation_file": "held_out.tsv",
    "seq_length": testing.SEQ_LENGTH,
  }
  spans = {
    "task": "squad_v1.1",
    "train_file": "train.json",
    "validation_file": "validation.json",
    "seq_length": testing.SEQ_LENGTH,
    "query_length": 4,
    "doc_stride": 4,
  }
  plan = study_testing.write_plan(
    tmp_path,
    variants={"dense": dense},
    downstream={
      "movies": {
        "data": movies,
        "overrides": {"task.epochs": 2.0},
        "seeds": [1, 2],
      },
      "spans": {"data": spans, "experiment": finetune_testing.SQUAD},
      "of_others": {"data": movies, "variants": []},
    },
  )
  values = {"plan": plan, "data_dir": tmp_path, "output_dir": tmp_path / "out"}
  _run(**values)
  (result,) = _results(tmp_path)
  models = tmp_path / "out/runs/dense_seed_1/downstream/movies"
  scores = [
    json.loads((models / f"model_seed_{seed}/best/info.json").read_text())
    for seed in (1, 2)
  ]
  assert result["downstream"].keys() == {"movies", "spans"}
  found = result["downstream"]["movies"]
  accuracies = [score["accuracy"] for score in scores]
  assert [(score["seed"], score["accuracy"]) for score in found["scores"]] == [
    *enumerate(accuracies, 1)
  ]
  assert found["score"] == sum(accuracies) / 2
  (spans,) = result["downstream"]["spans"]["scores"]
  assert result["downstream"]["spans"]["score"] == list(spans.values())[1]
  _run(**values)
  assert "1 runs, 0 of them to do" in capsys.readouterr().out


def test_a_part_of_another_run_is_refused(folder, tmp_path):
  part = tmp_path / "runs/dense_seed_1"
  part.mkdir(parents=True)
  (part / "run.json").write_text('{"experiment": {"name": "other"}}')
  message = _refused(plan=folder / "tiny.yaml", output_dir=tmp_path)
  assert message.startswith("--output_dir must be new or")


def test_wrong_flags():
  assert _refused(output_dir="x") == "--plan must be set. Received: nothing"
  refused = _refused(plan="x", output_dir="gs://b/x")
  assert refused == "--output_dir must be a local folder. Received: 'gs://b/x'"
  refused = _refused(plan="x", output_dir="x", results_dir=f"{__file__}/x")
  assert refused.startswith("--results_dir must be a folder, there or to be m")
  assert _refused(plan="x") == "--output_dir must be set. Received: nothing"
  assert _refused(plan="none.yaml", output_dir="x") == (
    "--plan must be a readable YAML file. Received: 'none.yaml'"
  )
  assert "must be flags, --name=value" in _refused("plan.yaml")
  rule = "--time_steps must be 0 or more, and 0 with --report_only"
  for flags, value in (({"report_only": True}, 2), ({}, -1)):
    message = _refused(plan="x", output_dir="x", time_steps=value, **flags)
    assert message == f"{rule}. Received: {value}"


@pytest.mark.slow
@testing.eagerly()
def test_a_trunk_may_have_shorter_sequences(tmp_path, monkeypatch):
  """Its own records and batch, by which it is also counted."""
  half = testing.SEQ_LENGTH // 2
  (tmp_path / "data" / "short").mkdir(parents=True)
  records = [_cut_features(seed, half) for seed in range(32)]
  testing.write_records(tmp_path / "data/short/train-0", records)
  data = {"global_batch_size": 8, "seq_length": half}
  short = {"fork": None, "seeds": [], "data": {"folder": "short"}}
  short |= {f"task.train_data.{name}": value for name, value in data.items()}
  dense = {study_testing.KEEP_RATIO: 1.0, "fork": None}
  fork = {"variant": "short", "step": study_testing.HALF}
  plan = study_testing.write_plan(
    tmp_path,
    variants={
      "short": short | {study_testing.KEEP_RATIO: 1.0},
      "dense": dense,
      "grown": dense | {"fork": fork},
    },
  )
  flags = {"plan": plan, "output_dir": tmp_path / "out"}
  monkeypatch.setattr(grid, "_start", _train_here)
  _run(**flags, data_dir=tmp_path / "data")
  whole, grown = (result["curve"] for result in _results(tmp_path))
  shape = multiply_adds.BertShape(3, 8, 16, 50, half, testing.PREDICTIONS)
  cut = multiply_adds.token_drop_macs(shape, drop_plan.DropPlan(3, (), 2))
  work = multiply_adds.PASSES * 8 * study_testing.HALF * cut
  first, last = (point["multiply_adds"] for point in grown)
  assert first == work
  assert last - first == whole[1]["multiply_adds"] - whole[0]["multiply_adds"]
  before = (tmp_path / "out" / "study.json").read_text()
  _run(**flags, report_only=True)
  assert (tmp_path / "out" / "study.json").read_text() == before


def _cut_features(seed: int, length: int) -> dict:
  features = testing.random_features(seed)
  names = ("input_word_ids", "input_mask", "input_type_ids")
  features |= {name: features[name][:length] for name in names}
  return features | {"masked_lm_positions": [1, 4, 0]}
