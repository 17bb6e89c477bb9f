# SPDX-License-Identifier: Apache-2.0
"""Tests of the file of measurements: what it keeps, and what is refused."""

import dataclasses
import datetime
import json

from benchmarks import step_jobs
from benchmarks import step_results
from tests import step_testing
from tests import testing
from token_dropping.common import provenance

CASE = step_testing.TINY


def _job(rounds=4, names=("dense", "ours"), kind=step_jobs.TIMES):
  return step_jobs.Job(kind, CASE, names, rounds)


def test_measurements_are_read_again(tmp_path):
  results = step_testing.make_results(tmp_path / "new")
  step_testing.add_times(results, CASE, dense=[1.0, 2.0, 3.0], ours=[1.0] * 3)
  step_testing.add_alone(results, CASE, "ours", gib=1.0)

  results = step_testing.make_results(tmp_path / "new")
  assert results.cases() == [CASE]
  assert results.times(CASE) == {
    "dense": step_results.Summary(2.0, None),
    "ours": step_results.Summary(1.0, None),
  }
  assert results.first_calls(CASE) == {"dense": 60.0, "ours": 60.0}
  assert results.alone(CASE, "ours")["peak"] == 2**30
  assert results.alone(CASE, "dense") == {}
  assert results.facts("command") == [step_testing.COMMAND]
  assert results.facts("date") == [datetime.date.today().isoformat()]


def test_what_is_done_needs_no_measuring(tmp_path):
  results = step_testing.make_results(tmp_path)
  assert not results.has(_job())
  step_testing.add_times(results, CASE, dense=[1.0] * 4, ours=[1.0] * 4)
  results = step_testing.make_results(tmp_path)
  assert results.has(_job(rounds=4)) and results.has(_job(rounds=3))
  assert not results.has(_job(rounds=5))
  assert not results.has(_job(names=("dense",)))
  assert not results.has(_job(kind=step_jobs.ALONE))
  other = dataclasses.replace(CASE, dropout=0.1)
  assert not results.has(dataclasses.replace(_job(), case=other))


def test_what_does_not_fit_is_not_tried_again(tmp_path):
  results = step_testing.make_results(tmp_path)
  results.add(_job(rounds=1), None, step_testing.COMMAND)
  assert results.has(_job(rounds=9))
  assert results.cases() == [CASE]
  assert results.times(CASE) == {} and results.first_calls(CASE) == {}


def test_the_measurement_with_the_most_contenders_counts(tmp_path):
  results = step_testing.make_results(tmp_path)
  for names in (["dense"], ["dense", "ours", "torch"], ["dense", "ours"]):
    seconds = [float(len(names))]
    step_testing.add_times(results, CASE, **dict.fromkeys(names, seconds))
  assert results.cases() == [CASE]
  medians = {name: s.median for name, s in results.times(CASE).items()}
  assert medians == {"dense": 3.0, "ours": 3.0, "torch": 3.0}


def test_a_field_that_files_of_before_lack_has_its_default(tmp_path):
  results = step_testing.make_results(tmp_path)
  step_testing.add_times(results, CASE, dense=[1.0] * 4, ours=[1.0] * 4)
  path = tmp_path / step_results.FILE
  content = json.loads(path.read_text())
  (record,) = content["records"].values()
  del record["case"]["norm_first"]
  path.write_text(json.dumps(content | {"records": {"of before": record}}))
  results = step_testing.make_results(tmp_path)
  assert results.has(_job()) and results.cases() == [CASE]
  assert list(results.times(CASE)) == ["dense", "ours"]


def test_another_machine_is_refused(tmp_path):
  results = step_testing.make_results(tmp_path)
  step_testing.add_times(results, CASE, dense=[1.0])
  results = step_results.Results(str(tmp_path))
  other = step_testing.MACHINE | {"cores": 4}
  assert testing.refused(results.continue_on, other) == (
    "--output_dir must be new or hold measurements of this machine with these "
    f"versions. Received: {tmp_path / step_results.FILE}, of x86_64 Abacus, "
    "2 cores, 16.0 GiB, Python 3.11.0, tensorflow 2.20.0"
  )


def test_another_file_is_refused(tmp_path):
  path = tmp_path / step_results.FILE
  rule = f"{path} must be a file of this benchmark"
  for content, reason in {
    "{": "Expecting property name",
    "{}": "'machine'",
    "[]": "list indices must be integers",
  }.items():
    path.write_text(content)
    message = testing.refused(step_results.Results, str(tmp_path))
    assert message.startswith(f"{rule}. Received: {reason}")


def test_this_machine_is_the_same_after_json():
  machine = provenance.this_machine(step_results.PACKAGES)
  assert json.loads(json.dumps(machine)) == machine
  assert machine["cores"] >= 1 and machine["memory_gib"] > 0
  assert machine["versions"]["tensorflow"].startswith("2.")
