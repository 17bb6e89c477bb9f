# SPDX-License-Identifier: Apache-2.0
"""Tests of the command: from flags to files, and that it goes on."""

import importlib.util
import pathlib

import pytest
import tensorflow as tf
from absl import flags

from benchmarks import step_case
from benchmarks import step_jobs
from benchmarks import step_results
from benchmarks import step_time
from tests import step_testing
from tests import testing

SIZES = (
  *("--widths=8", "--num_layers=2", "--vocab_size=150", "--seq_lengths=8"),
  *("--keep_ratios=0.5", "--batch_sizes=1", "--xla=on", "--dtypes=float32"),
  *("--dropout=0", "--contenders=dense,ours"),
)
# Who is timed, and whose memory is measured.
ALL = [("dense", "ours"), ("dense",), ("ours",)]


def _parse(*argv: str) -> flags.FlagValues:
  values = flags.FlagValues()
  step_time.define_flags(values)
  values(["step_time", *argv])
  return values


def _run(folder: pathlib.Path, *argv: str) -> None:
  step_time.main([], _parse(*SIZES, f"--output_dir={folder}", *argv))


@pytest.fixture
def jobs(monkeypatch):
  """Returns the jobs that are run, which measure nothing.

  One more contender than `jobs.limit` is an interruption.
  """

  def run(job):
    if len(made) == made.limit:
      raise KeyboardInterrupt
    made.append(job)
    if job.kind == step_jobs.ALONE:
      return {"peak": 2, "step": 1, "gpu": None}
    if made.fits:
      seconds = {name: [1.0] * job.rounds for name in job.contenders}
      return {"first": dict.fromkeys(job.contenders, 2.0), "seconds": seconds}
    raise step_jobs.DoesNotFitError

  class Jobs(list):
    limit, fits = None, True

  made = Jobs()
  monkeypatch.setattr(step_jobs, "run", run)
  return made


@pytest.mark.parametrize(
  ("argv", "names"),
  [
    (("--noalone", "--contenders=dense", "--xla=off"), ["dense"]),
    pytest.param((), ["dense", "ours"], marks=pytest.mark.slow),
  ],
)
def test_from_flags_to_report(tmp_path, capsys, argv, names):
  _run(tmp_path, "--steps=1", *argv)
  found = sorted(path.name for path in tmp_path.iterdir())
  assert found == ["step_time.json", "step_time.md"]
  out = capsys.readouterr().out
  assert out.startswith("| target | D |")
  assert out.endswith(f"Report: {tmp_path / 'step_time.md'}\n")
  results = step_results.Results(str(tmp_path))
  (case,) = results.cases()
  times, first = results.times(case), results.first_calls(case)
  assert list(times) == list(first) == names
  for name in names:
    assert times[name].median < first[name]  # which traced or compiled
    memory = results.alone(case, name)
    if not argv:
      assert 0 < memory["step"] < memory["peak"] and memory["gpu"] is None


def test_an_interrupted_run_goes_on(tmp_path, jobs):
  jobs.limit = 2
  with pytest.raises(KeyboardInterrupt):
    _run(tmp_path)
  jobs.limit = None
  _run(tmp_path)
  assert [job.contenders for job in jobs] == ALL
  _run(tmp_path)
  assert len(jobs) == len(ALL)  # nothing is measured again


def test_dense_alone_is_measured_once_for_all_ratios(tmp_path, jobs):
  _run(tmp_path, "--keep_ratios=0.5,0.25")
  alone = [job for job in jobs if job.kind == step_jobs.ALONE]
  assert [(job.contenders, job.case.keep_ratio) for job in alone] == [
    (("dense",), 1.0),
    (("ours",), 0.5),
    (("ours",), 0.25),
  ]


def test_times_only(tmp_path, jobs):
  _run(tmp_path, "--noalone")
  assert [job.kind for job in jobs] == [step_jobs.TIMES]


def test_what_does_not_fit_is_passed_over(tmp_path, jobs, capsys):
  jobs.fits = False
  _run(tmp_path)
  assert [job.contenders for job in jobs] == ALL
  assert "does not fit in memory" in capsys.readouterr().err
  assert "does not fit in memory" in (tmp_path / "step_time.md").read_text()


def test_report_only_measures_nothing(tmp_path, jobs, capsys):
  message = testing.refused(_run, tmp_path, "--report_only")
  assert message.startswith("--output_dir must hold step_time.json for a")
  results = step_testing.make_results(tmp_path)
  times = {"dense": [4.0] * 4, "ours": [2.5] * 4}
  step_testing.add_times(results, step_testing.BASE, **times)
  _run(tmp_path, "--report_only")
  assert "0.625 | met |" in capsys.readouterr().out
  assert not jobs


@pytest.mark.parametrize(
  ("flag", "rule"),
  [
    ("steps=0", "be positive"),
    ("max_spread=0.0", "be positive"),
    (
      "contenders=ours",
      "name dense or modernbert_dense, which the others are compared with",
    ),
  ],
)
def test_wrong_flags(flag, rule):
  name, _, value = flag.partition("=")
  message = testing.refused(step_time.main, [], _parse(f"--{flag}"))
  assert message == f"--{name} must {rule}. Received: {value}"


def test_contenders_are_in_one_order():
  values = _parse("--contenders=ours,dense")
  assert step_time.read_contenders(values) == ("dense", "ours")
  assert step_time.read_contenders(_parse()) == step_case.CONTENDERS


@pytest.mark.parametrize(
  ("flag", "gpus", "reason"),
  [
    ("--steps=1", [], "torch is not installed"),
    ("--tpu=local", [], "it would run on the CPU"),
    ("--steps=1", [0], "on a GPU it runs alone, benchmarks/torch_bert.py"),
  ],
)
def test_torch_is_left_out(monkeypatch, capsys, flag, gpus, reason):
  if "installed" in reason:
    monkeypatch.setattr(importlib.util, "find_spec", {}.get)
  monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: gpus)
  names = step_time.read_contenders(_parse(flag))
  assert names == step_case.CONTENDERS[:-2]
  assert capsys.readouterr().err == f"PyTorch is left out: {reason}\n"
