# SPDX-License-Identifier: Apache-2.0
"""Tests of grids: what is complete is left alone."""

import pytest

from token_dropping.common import errors
from token_dropping.training import grid


def _runs(folder, measured: list, **identities) -> list[grid.Run]:
  def run(name: str, seed: int) -> grid.Run:
    def measure() -> dict:
      measured.append(name)
      return {"score": seed}

    return grid.Run(name, str(folder / f"{name}.json"), {"seed": seed}, measure)

  return [run(name, seed) for name, seed in identities.items()]


def test_what_is_missing_is_done_and_all_comes_back_in_order(tmp_path):
  measured = []
  _, second = runs = _runs(tmp_path, measured, a=1, b=2)
  grid.finish(second)
  assert grid.read_results(runs, "--model_dir") == {"b": {"score": 2}}
  for _ in range(2):
    results = grid.run_here(runs, "--model_dir")
    assert results == [{"score": 1}, {"score": 2}]
  assert measured == ["b", "a"]


def test_a_result_of_something_else_is_refused_before_anything_is_done(
  tmp_path,
):
  measured = []
  grid.finish(_runs(tmp_path, [], b=2)[0])
  with pytest.raises(errors.UserError, match="seed is 2 there and 3 here"):
    grid.run_here(_runs(tmp_path, measured, a=1, b=3), "--model_dir")
  assert not measured
