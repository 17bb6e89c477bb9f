# SPDX-License-Identifier: Apache-2.0
"""Tests of tasks on Beam, and of the whole preparation on its runners."""

import contextlib
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
from tests import testing
from token_dropping.common import errors
from token_dropping.common import files
from token_dropping.data import prepare
from token_dropping.data.pretraining import beam_tasks

ROOT = pathlib.Path(__file__).parents[3]


def _square(index, task):
  if task < 0:
    raise errors.UserError(f"task must be at least 0. Received: {task}")
  return {"square": task * task, "index": index, "pid": os.getpid()}


def _run(folder, tasks, total_bytes=0):
  runner = beam_tasks.TaskRunner(str(folder))
  return runner.run("square", _square, tasks, total_bytes)


def test_results_are_in_the_order_of_the_tasks(tmp_path):
  assert _run(tmp_path, []) == []
  # So little text is worked on in this process.
  results = _run(tmp_path, [3, 1, 2], total_bytes=100_000_000)
  assert results == [
    {"square": square, "index": index, "pid": os.getpid()}
    for index, square in enumerate([9, 1, 4])
  ]


def test_finished_tasks_are_not_done_again(tmp_path):
  name = beam_tasks.result_name("square", 1)
  files.write_json(str(tmp_path / name), {"square": "kept"})
  results = _run(tmp_path, [3, 1])
  assert [result["square"] for result in results] == [9, "kept"]


def test_an_error_of_the_user_comes_back(tmp_path):
  message = testing.refused(_run, tmp_path, [1, -1, -2])
  assert message == "task must be at least 0. Received: -1"


@pytest.mark.parametrize("is_terminal", [False, True])
def test_progress(tmp_path, monkeypatch, capsys, is_terminal):
  monkeypatch.setattr(sys.stderr, "isatty", lambda: is_terminal)
  _run(tmp_path, [3])
  printed = capsys.readouterr().err
  assert printed.lstrip("\r").startswith("square: 1/1 pieces  0 documents")
  assert printed.endswith("\x1b[K\n" if is_terminal else "00\n")


@pytest.mark.parametrize(
  ("results", "old_bytes", "expected"),
  [
    (1, 2e6, "1/2 pieces  1,500 documents  2.0 MB  0.0 MB/s"),
    (1, 0, "1/2 pieces  1,500 documents  2.0 MB  0.5 MB/s  00:04 left"),
    (2, 2e6, "2/2 pieces  3,000 documents  4.0 MB  0.5 MB/s  00:04"),
  ],
)
def test_what_an_earlier_run_did_is_no_speed(results, old_bytes, expected):
  found = [{"documents": 1500, "bytes": 2_000_000}] * results
  line = beam_tasks.describe_progress(found, 2, 4_000_000, old_bytes, 4.0)
  assert line == expected


def test_options_of_beam_are_known():
  for arguments in (["--runner=FlinkRunner"], ["--region", "west"], []):
    beam_tasks.check_beam_args(arguments)


def test_values_of_options_of_beam():
  wrong = ["--direct_num_workers=-1"]
  assert testing.refused(beam_tasks.check_beam_args, wrong) == (
    "direct_num_workers must be at least 0. Received: -1"
  )
  refused = testing.refused(beam_tasks.check_beam_args, ["--job_port=x"])
  assert refused == (
    "options of Apache Beam must be valid: argument --job_port: invalid int "
    "value: 'x'"
  )


@pytest.mark.parametrize(
  ("arguments", "reason"),
  [
    ("--runner=FooRunner", "Unexpected pipeline runner: FooRunner."),
    ("--runner=a.b.C", "No module named 'a'"),
    ("--runner=PortableRunner", "--runner=PortableRunner needs --job_endpoint"),
    ("--runner=FlinkRunner --job_endpoint=nowhere", "invalid literal for int"),
    ("--runner=FlinkRunner --job_endpoint=localhost:1", "[Errno 111]"),
    ("--runner=FlinkRunner --flink_master=http://localhost:1", "[Errno 111]"),
    ("--runner=spark --spark_master_url=spark://localhost:1", "[Errno 111]"),
  ],
)
def test_a_runner_must_be_able_to_start(arguments, reason):
  refused = testing.refused(beam_tasks.check_beam_args, arguments.split())
  assert refused.startswith(
    "options of Apache Beam must be those of a runner that can start. "
    f"Received: {arguments} ({reason}"
  )


def test_ctrl_c_is_no_error_of_beam(tmp_path, monkeypatch):
  def fail(*_):
    with contextlib.suppress(KeyboardInterrupt):
      os.kill(os.getpid(), signal.SIGINT)
    raise RuntimeError("KeyboardInterrupt [while running]")

  monkeypatch.setattr("apache_beam.Pipeline.run", fail)
  with pytest.raises(KeyboardInterrupt):
    beam_tasks.TaskRunner(str(tmp_path), 1).run("label", len, ["task"], 1)


@pytest.mark.parametrize(
  ("done", "kind", "end"),
  [
    ([], errors.UserError, "(no cluster)"),
    (["read-00000.json"], errors.StoppedError, "; call again to go on"),
  ],
)
def test_what_a_cluster_fails_of(tmp_path, monkeypatch, done, kind, end):
  def fail(*unused):
    raise RuntimeError("no\ncluster")

  monkeypatch.setattr("apache_beam.Pipeline.run", fail)
  for name in ("settings.json", *done):
    files.write_json(str(tmp_path / name), {})
  runner = beam_tasks.TaskRunner(str(tmp_path), 1, ("--runner=FlinkRunner",))
  with pytest.raises(kind) as caught:
    runner.run("square", _square, [1], 0)
  assert str(caught.value).endswith(end)


# The whole preparation.


OBJECTIVES = {
  "masked_lm": {"packing": "pairs", "duplicates": 2, "vocab_size": 150},
  "causal_lm": {"objective": "causal_lm", "vocab_size": 320},
}
OTHERS = {
  "masked_lm": {"masking": "dynamic", "packing": "best-fit", "duplicates": 1},
  "causal_lm": {"seq_length": 16},
}


@pytest.fixture(
  scope="module",
  params=["masked_lm", pytest.param("causal_lm", marks=pytest.mark.slow)],
)
def settings(request, tmp_path_factory):
  """Of 150 documents of 2 to 12 sentences, 40 kB."""
  rng = np.random.default_rng(0)
  words = [f"{a}{b}" for a in "bcdfghklmnprst" for b in ("a", "en", "ist", "o")]

  def lines(number, least, most, separator):
    return separator.join(
      " ".join(rng.choice(words, rng.integers(least, most)))
      for _ in range(number)
    )

  groups = [lines(rng.integers(2, 12), 5, 12, "\n") for _ in range(150)]
  path = tmp_path_factory.mktemp("text") / "text.txt"
  path.write_text("\n\n".join(groups))
  values = {"piece_bytes": 8000} | OBJECTIVES[request.param]
  return prepare_testing.settings(path, "out", **values)


@pytest.fixture(scope="module")
def expected(settings, tmp_path_factory):
  folder = tmp_path_factory.mktemp("expected")
  prepare_testing.run(settings, output_dir=str(folder))
  assert len(list(folder.glob("train-*.tfrecord"))) > 3
  return prepare_testing.contents(folder)


def _assert_only_progress(printed: str) -> None:
  lines = printed.splitlines()
  assert lines
  for line in lines:
    assert line.startswith(("read: ", "count: ", "pack: ")), printed


def test_two_workers_give_the_bytes_of_one(
  settings, tmp_path, expected, monkeypatch, capfd
):
  monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow's own reports
  made = dataclasses.replace(settings, output_dir=str(tmp_path))
  prepare.prepare(made, num_workers=2)
  assert prepare_testing.contents(tmp_path) == expected
  _assert_only_progress(capfd.readouterr().err)


def _command(settings, folder, **changes) -> dict:
  """Returns what starts the command in a process of its own."""
  changes |= {"output_dir": str(folder)}
  values = dataclasses.asdict(dataclasses.replace(settings, **changes))
  flags = [f"--{name}={v}" for name, v in values.items() if v is not None]
  return {
    "args": [sys.executable, "-m", "token_dropping.data.prepare", *flags],
    "env": os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
    "cwd": ROOT,
  }


@pytest.mark.slow
def test_the_command_prints_its_own_lines_only(settings, tmp_path, expected):
  """And with three workers and other settings makes what one makes."""
  name = "tokenizer.model" if settings.is_causal else "vocab.txt"
  (tmp_path / name).write_bytes(expected[name])
  changes = OTHERS[settings.objective]
  changes = {**changes, "vocab_file": str(tmp_path / name)}
  prepare_testing.run(settings, output_dir=str(tmp_path / "one"), **changes)
  command = _command(settings, tmp_path / "two", **changes)
  command["args"].append("--num_workers=3")
  done = subprocess.run(**command, capture_output=True, text=True, check=True)
  _assert_only_progress(done.stderr)
  said = [line.split(":")[0] for line in done.stdout.splitlines()]
  assert said[:4] == ["dataset", "train", "validation", "text"]
  assert said[4] == "a guess without context"
  one, two = (prepare_testing.contents(tmp_path / n) for n in ("one", "two"))
  assert one == two


@pytest.mark.parametrize(
  "stage",
  [pytest.param("read-00002.json", marks=pytest.mark.slow), "pack-00000.json"],
)
def test_a_killed_run_is_finished_by_the_next(
  settings, tmp_path, expected, stage
):
  command = _command(settings, tmp_path)
  command["args"].append("--num_workers=1")
  process = subprocess.Popen(**command)
  while not (tmp_path / ".prepare" / stage).exists():
    assert process.poll() is None, "it ended too early"
    time.sleep(0.005)
  os.kill(process.pid, signal.SIGKILL)
  process.wait()
  assert [path.name for path in tmp_path.iterdir()] == [".prepare"]
  prepare_testing.run(settings, output_dir=str(tmp_path))
  assert prepare_testing.contents(tmp_path) == expected


def test_a_portable_runner(settings, tmp_path, expected):
  server = local_job_service.LocalJobServicer()
  port = server.start_grpc_server()
  try:
    arguments = [
      "--runner=PortableRunner",
      f"--job_endpoint=localhost:{port}",
      "--environment_type=LOOPBACK",
    ]
    made = dataclasses.replace(settings, output_dir=str(tmp_path))
    prepare.prepare(made, 1, arguments)
  finally:
    server.stop()
  assert prepare_testing.contents(tmp_path) == expected
