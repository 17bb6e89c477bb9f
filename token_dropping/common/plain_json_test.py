# SPDX-License-Identifier: Apache-2.0
"""Tests of the bound on nesting, on both sides of what Python can parse."""

import pytest

from token_dropping.common import plain_json


@pytest.mark.parametrize(
  ("start", "end", "levels"),
  [("[", "]", 1), ('{"a": ', "}", 1), ('[1, {"b": ', "}, 2]", 2)],
)
def test_nesting_is_bounded(start, end, levels):
  def nested(depth: int) -> str:
    count = depth // levels
    return start * count + "1" + end * count

  plain_json.loads(nested(100))
  for depth in (102, 3_000, 300_000):
    with pytest.raises(ValueError, match="nested in more than 100 levels"):
      plain_json.loads(nested(depth))


def test_wide_is_not_deep():
  assert len(plain_json.loads("[" + "[[]]," * 1000 + "1]")) == 1001
