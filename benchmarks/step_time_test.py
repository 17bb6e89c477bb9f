# SPDX-License-Identifier: Apache-2.0
"""Tests of the command: from flags to files, and that it goes on."""

import importlib.util
import pathlib

import pytest
from absl import flags

from benchmarks import step_flags
from benchmarks import step_jobs
from benchmarks import step_results
from benchmarks import step_time
from tests import step_testing
from token_dropping.common import errors

SIZES = (
  "--widths=8",
  "--num_layers=2",
  "--vocab_size=150",
  "--seq_lengths=8",
  "--keep_ratios=0.5",
  "--batch_sizes=1",
  "--xla=on",
  "--dtypes=float32",
  "--dropout=0",
  "--contenders=dense,ours",
)


def _run(folder: pathlib.Path, *argv: str) -> None:
  values = flags.FlagValues()
  step_flags.define_flags(values)
  values(["step_time", *SIZES, f"--output_dir={folder}", *argv])
  step_time.main([], values)


def _no_process(job):
  raise AssertionError(f"measured again: {job}")


def _result(job):
  if job.kind == step_jobs.TIMES:
    seconds = {name: [1.0] * job.rounds for name in job.contenders}
    return {"first": dict.fromkeys(job.contenders, 2.0), "seconds": seconds}
  return {"peak": 2, "step": 1, "gpu": None, "profile": None}


def test_from_flags_to_report(tmp_path, capsys, monkeypatch):
  _run(tmp_path, "--steps=1")
  assert sorted(path.name for path in tmp_path.iterdir()) == [
    "step_time.json",
    "step_time.md",
  ]
  out = capsys.readouterr().out
  assert out.startswith("| target | D |")
  assert out.endswith(f"Report: {tmp_path / 'step_time.md'}\n")
  results = step_results.Results(str(tmp_path))
  (case,) = results.cases()
  times, first = results.times(case), results.first_calls(case)
  assert list(times) == list(first) == ["dense", "ours"]
  assert all(times[name].median < first[name] for name in times)  # compiled
  for name in times:
    alone = results.alone(case, name)
    assert 0 < alone["step"] < alone["peak"]
    assert alone["profile"]["matrix products"] > 0
    assert alone["gpu"] is None
  assert results.alone(case, "ours")["profile"]["gathers and scatters"] > 0

  # The same command measures nothing again.
  monkeypatch.setattr(step_jobs, "run", _no_process)
  _run(tmp_path, "--steps=1")


def test_an_interrupted_run_goes_on(tmp_path, monkeypatch):
  done = []

  def run(job):
    if len(done) == 2:
      raise KeyboardInterrupt
    done.append(job)
    return _result(job)

  monkeypatch.setattr(step_jobs, "run", run)
  with pytest.raises(KeyboardInterrupt):
    _run(tmp_path)
  assert [job.contenders for job in done] == [("dense", "ours"), ("dense",)]
  missing = []
  monkeypatch.setattr(
    step_jobs, "run", lambda job: missing.append(job) or _result(job)
  )
  _run(tmp_path)
  assert [(j.kind, j.contenders) for j in missing] == [
    (step_jobs.ALONE, ("ours",))
  ]


def test_dense_alone_is_measured_once_for_all_ratios(tmp_path, monkeypatch):
  jobs = []
  monkeypatch.setattr(
    step_jobs, "run", lambda job: jobs.append(job) or _result(job)
  )
  _run(tmp_path, "--keep_ratios=0.5,0.25")
  alone = [job for job in jobs if job.kind == step_jobs.ALONE]
  assert [(job.contenders, job.case.keep_ratio) for job in alone] == [
    (("dense",), 1.0),
    (("ours",), 0.5),
    (("ours",), 0.25),
  ]


def test_times_only(tmp_path, monkeypatch):
  jobs = []
  monkeypatch.setattr(
    step_jobs, "run", lambda job: jobs.append(job) or _result(job)
  )
  _run(tmp_path, "--noalone")
  assert [job.kind for job in jobs] == [step_jobs.TIMES]


def test_what_does_not_fit_is_passed_over(tmp_path, monkeypatch, capsys):
  def run(job):
    if job.kind == step_jobs.TIMES:
      raise step_jobs.DoesNotFitError
    return _result(job)

  monkeypatch.setattr(step_jobs, "run", run)
  _run(tmp_path)
  assert "does not fit in memory" in capsys.readouterr().err
  assert "does not fit in memory" in (tmp_path / "step_time.md").read_text()


def test_report_only_measures_nothing(tmp_path, monkeypatch, capsys):
  monkeypatch.setattr(step_jobs, "run", _no_process)
  results = step_testing.make_results(tmp_path)
  step_testing.add_times(
    results, step_testing.BASE, dense=[4.0] * 4, ours=[2.5] * 4
  )
  _run(tmp_path, "--report_only")
  assert "0.625 | met |" in capsys.readouterr().out


@pytest.mark.parametrize(
  ("argv", "message"),
  [
    (
      ["--max_spread=0"],
      "--max_spread must be positive. Received: 0.0",
    ),
    (
      ["--report_only"],
      "--output_dir must hold step_time.json for a report. Received: ",
    ),
  ],
)
def test_wrong_flags(tmp_path, argv, message):
  with pytest.raises(errors.UserError) as caught:
    _run(tmp_path, *argv)
  assert message in str(caught.value)


def test_matplotlib_is_needed(tmp_path, monkeypatch):
  monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
  with pytest.raises(errors.UserError) as caught:
    _run(tmp_path)
  assert str(caught.value) == (
    "matplotlib must be installed, with the extra `benchmarks`. "
    "Received: no such package"
  )
