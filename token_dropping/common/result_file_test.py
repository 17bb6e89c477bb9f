# SPDX-License-Identifier: Apache-2.0
"""Tests of result files: kept, compared, refused."""

import pytest

from token_dropping.common import errors
from token_dropping.common import result_file

IDENTITY = {"task": {"seed": 1, "names": ("a",)}}


def test_a_result_comes_back(tmp_path):
  path = str(tmp_path / "result.json")
  assert result_file.read(path, IDENTITY, "--model_dir") is None
  result_file.write(path, IDENTITY, {"score": 0.5})
  assert result_file.read(path, IDENTITY, "--model_dir") == {"score": 0.5}
  assert [each.name for each in tmp_path.iterdir()] == ["result.json"]


def test_a_result_of_something_else_is_refused(tmp_path):
  path = str(tmp_path / "result.json")
  result_file.write(path, IDENTITY, {})
  other = {"task": {"seed": 2, "names": ["a"]}}
  with pytest.raises(errors.UserError) as caught:
    result_file.read(path, other, "--model_dir")
  assert str(caught.value) == (
    "--model_dir must be new or hold results of the same experiment. Received: "
    f"{path!r}, of another one: task.seed is 1 there and 2 here"
  )


@pytest.mark.parametrize("content", ["{", "[]", "{}", "1"])
def test_what_is_no_result_is_refused(tmp_path, content):
  path = tmp_path / "result.json"
  path.write_text(content)
  with pytest.raises(errors.UserError) as caught:
    result_file.read(str(path), IDENTITY, "--model_dir")
  assert str(caught.value) == (
    f"--model_dir must hold results. Received: {str(path)!r}, which is none"
  )
