# SPDX-License-Identifier: Apache-2.0
"""Tests for beam_tasks, and of the whole preparation on Beam's runners."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from apache_beam.runners.portability import local_job_service

from token_dropping import errors
from token_dropping.data import beam_tasks
from token_dropping.data import files
from token_dropping.data import prepare
from token_dropping.data import prepare_settings

ROOT = pathlib.Path(__file__).parents[2]


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
  results = _run(tmp_path, [3, 1, 2], num_workers=1)
  assert [result["square"] for result in results] == [9, 1, 4]
  assert [result["index"] for result in results] == [0, 1, 2]


def test_no_tasks(tmp_path):
  assert _run(tmp_path, []) == []


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


def _contents(folder):
  return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def expected(text, tmp_path_factory):
  folder = tmp_path_factory.mktemp("expected")
  prepare.prepare(_settings(text, folder), num_workers=1)
  return _contents(folder)


def test_three_workers_give_the_bytes_of_one(text, tmp_path, expected):
  prepare.prepare(_settings(text, tmp_path), num_workers=3)
  assert _contents(tmp_path) == expected
  assert len(list(tmp_path.glob("train-*.tfrecord"))) > 3


def _start(text, folder):
  code = (
    "from token_dropping.data import prepare, prepare_settings as s\n"
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
  assert not [n for n in _contents_names(tmp_path) if not n.startswith(".")]
  prepare.prepare(_settings(text, tmp_path), num_workers=1)
  assert _contents(tmp_path) == expected


def _contents_names(folder):
  return sorted(path.name for path in folder.iterdir())


def test_a_portable_runner(text, tmp_path, expected):
  server = local_job_service.LocalJobServicer()
  port = server.start_grpc_server()
  try:
    arguments = [
      "--runner=PortableRunner",
      f"--job_endpoint=localhost:{port}",
      "--environment_type=LOOPBACK",
    ]
    prepare.prepare(_settings(text, tmp_path), 1, arguments)
  finally:
    server.stop()
  assert _contents(tmp_path) == expected
