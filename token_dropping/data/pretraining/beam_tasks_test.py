# SPDX-License-Identifier: Apache-2.0
"""Tests for beam_tasks, and of the whole preparation on Beam's runners."""

import dataclasses
import os
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from apache_beam.runners.portability import local_job_service

from tests import prepare_testing
from token_dropping.common import errors
from token_dropping.common import files
from token_dropping.data import prepare
from token_dropping.data.pretraining import beam_tasks
from token_dropping.data.pretraining import prepare_settings

ROOT = pathlib.Path(__file__).parents[3]


def _square(index, task):
  if task < 0:
    raise errors.UserError(f"task must be at least 0. Received: {task}")
  return {"square": task * task, "index": index}


def _run(folder, tasks, **values):
  runner = beam_tasks.TaskRunner(str(folder), **values)
  return runner.run("square", _square, tasks, 0)


def _pid(index, task):
  return {"pid": os.getpid()}


def test_little_text_is_worked_on_in_this_process(tmp_path):
  runner = beam_tasks.TaskRunner(str(tmp_path))
  results = runner.run("pid", _pid, [0, 1, 2], total_bytes=100_000_000)
  assert [result["pid"] for result in results] == [os.getpid()] * 3


def test_results_are_in_the_order_of_the_tasks(tmp_path):
  assert _run(tmp_path, []) == []
  results = _run(tmp_path, [3, 1, 2], num_workers=1)
  assert [result["square"] for result in results] == [9, 1, 4]
  assert [result["index"] for result in results] == [0, 1, 2]


def test_finished_tasks_are_not_done_again(tmp_path):
  name = beam_tasks.result_name("square", 1)
  files.write_json(str(tmp_path / name), {"square": "kept"})
  results = _run(tmp_path, [3, 1], num_workers=1)
  assert [result["square"] for result in results] == [9, "kept"]


def test_an_error_of_the_user_comes_back(tmp_path):
  with pytest.raises(errors.UserError, match="Received: -1"):
    _run(tmp_path, [1, -1, -2], num_workers=1)


@pytest.mark.parametrize(
  "arguments", [["--runner=FlinkRunner"], ["--region", "west"], []]
)
def test_options_of_beam_are_known(arguments):
  beam_tasks.check_beam_args(arguments)


@pytest.fixture(scope="module")
def text(tmp_path_factory):
  """300 documents of 2 to 12 sentences, 80 kB."""
  rng = np.random.default_rng(0)
  words = [f"{a}{b}" for a in "bcdfghklmnprst" for b in ("a", "en", "ist", "o")]
  groups = [
    "\n".join(
      " ".join(rng.choice(words, rng.integers(5, 12)))
      for _ in range(rng.integers(2, 12))
    )
    for _ in range(300)
  ]
  path = tmp_path_factory.mktemp("text") / "text.txt"
  path.write_text("\n\n".join(groups))
  return path


def _settings(text, folder):
  return prepare_settings.PrepareSettings(
    input=str(text),
    output_dir=str(folder),
    vocab_size=150,
    seq_length=32,
    max_predictions_per_seq=6,
    piece_bytes=15_000,
    duplicates=2,
  )


@pytest.fixture(scope="module")
def expected(text, tmp_path_factory):
  folder = tmp_path_factory.mktemp("expected")
  prepare.prepare(_settings(text, folder), num_workers=1)
  return prepare_testing.contents(folder)


def _assert_only_progress(printed: str) -> None:
  lines = printed.splitlines()
  assert lines
  for line in lines:
    assert line.startswith(("read: ", "count: ", "pack: ")), printed


def test_three_workers_give_the_bytes_of_one(
  text, tmp_path, expected, monkeypatch, capfd
):
  monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow's own reports
  prepare.prepare(_settings(text, tmp_path), num_workers=3)
  assert prepare_testing.contents(tmp_path) == expected
  assert len(list(tmp_path.glob("train-*.tfrecord"))) > 3
  _assert_only_progress(capfd.readouterr().err)


def test_the_command_prints_its_own_lines_only(text, tmp_path, expected):
  """And with three workers and dynamic masking makes what one makes."""
  (tmp_path / "vocab.txt").write_bytes(expected["vocab.txt"])
  settings = dataclasses.replace(
    _settings(text, tmp_path / "one"),
    **{"masking": "dynamic", "packing": "best-fit", "duplicates": 1},
    piece_bytes=50_000,
    vocab_file=str(tmp_path / "vocab.txt"),
  )
  prepare.prepare(settings, num_workers=1)
  flags = dataclasses.asdict(settings) | {"output_dir": str(tmp_path / "two")}
  done = subprocess.run(
    [
      *(sys.executable, "-m", "token_dropping.data.prepare"),
      *(f"--{name}={v}" for name, v in flags.items() if v is not None),
      "--num_workers=3",
    ],
    env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
    cwd=ROOT,
    capture_output=True,
    text=True,
    check=True,
  )
  _assert_only_progress(done.stderr)
  assert [line.split(":")[0] for line in done.stdout.splitlines()] == [
    *("dataset", "train", "validation", "text"),
    "a guess without context",
  ]
  assert prepare_testing.contents(tmp_path / "two") == prepare_testing.contents(
    tmp_path / "one"
  )


def _start(text, folder):
  code = (
    "from token_dropping.data import prepare\n"
    "from token_dropping.data.pretraining import prepare_settings as s\n"
    f"prepare.prepare(s.{_settings(text, folder)!r}, num_workers=1)"
  )
  return subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)


@pytest.mark.parametrize("stage", ["read-00002.json", "pack-00001.json"])
def test_a_killed_run_is_finished_by_the_next(text, tmp_path, expected, stage):
  process = _start(text, tmp_path)
  while not (tmp_path / ".prepare" / stage).exists():
    assert process.poll() is None, "it ended too early"
    time.sleep(0.005)
  os.kill(process.pid, signal.SIGKILL)
  process.wait()
  assert [path.name for path in tmp_path.iterdir()] == [".prepare"]
  prepare.prepare(_settings(text, tmp_path), num_workers=1)
  assert prepare_testing.contents(tmp_path) == expected


@pytest.mark.parametrize(
  ("packing", "masking"),
  [("full", "static"), ("pairs", "dynamic"), ("documents", "static")],
)
def test_a_portable_runner(text, tmp_path, packing, masking):
  settings = dataclasses.replace(
    _settings(text, tmp_path / "expected"),
    **{"packing": packing, "masking": masking, "duplicates": 1},
  )
  prepare.prepare(settings, num_workers=1)
  settings = dataclasses.replace(settings, output_dir=str(tmp_path / "found"))
  server = local_job_service.LocalJobServicer()
  port = server.start_grpc_server()
  try:
    arguments = [
      "--runner=PortableRunner",
      f"--job_endpoint=localhost:{port}",
      "--environment_type=LOOPBACK",
    ]
    prepare.prepare(settings, 1, arguments)
  finally:
    server.stop()
  found = prepare_testing.contents(tmp_path / "found")
  assert found == prepare_testing.contents(tmp_path / "expected")
