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
  path = str(tmp_path / "b.json")
  grid.write_result(path, {"seed": 2, "names": ("a",)}, {})
  with pytest.raises(errors.UserError) as caught:
    grid.run_here(_runs(tmp_path, measured, a=1, b=3), "--model_dir")
  assert str(caught.value) == (
    "--model_dir must be new or hold results of the same experiment. Received: "
    f"{path!r}, of another one: names is ['a'] there and None here"
  )
  assert not measured


def test_a_tuple_is_a_list(tmp_path):
  path, identity = str(tmp_path / "a.json"), {"names": ("a",)}
  grid.write_result(path, identity, {"score": 0.5})
  assert grid.read_result(path, identity, "--model_dir") == {"score": 0.5}
  assert [file.name for file in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.parametrize("content", ["{", "[]", "{}", "1"])
def test_what_is_no_result_is_refused(tmp_path, content):
  path = tmp_path / "result.json"
  path.write_text(content)
  with pytest.raises(errors.UserError) as caught:
    grid.read_result(str(path), {}, "--model_dir")
  assert str(caught.value) == (
    f"--model_dir must hold results. Received: {str(path)!r}, which is none"
  )
