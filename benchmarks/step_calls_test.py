# SPDX-License-Identifier: Apache-2.0
"""Tests for step_calls: that it still runs, and its table."""

from benchmarks import step_calls
from tests import fault_testing
from tests import testing


@testing.eagerly()
def test_every_contender_trains(tmp_path):
  fault_testing.write_run(tmp_path, **fault_testing.until(8))
  files, names = [str(tmp_path / "tiny.yaml")], ["apart", "2"]
  rates = step_calls.measure(files, "", names, loop=1, turns=1)
  assert list(rates) == names
  assert all(len(turns) == 1 and turns[0] > 0 for turns in rates.values())


def test_rates_stand_over_the_first():
  rates = {"apart": [100.0, 2000.0, 300.0], "2": [390.0]}
  assert step_calls.format_rates(rates).splitlines()[2:] == [
    "| apart | 300 | 100 | 2,000 | 1.000 |",
    "| 2 | 390 | 390 | 390 | 1.300 |",
  ]
