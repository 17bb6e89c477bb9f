# SPDX-License-Identifier: Apache-2.0
"""Tests of the comparison of what writes text."""

from benchmarks import generation_speed
from tests import testing


def _write(texts: list[str], count: int) -> list[str]:
  return [text * count for text in texts]


def test_each_round_but_the_first_is_timed():
  writers = {"one": _write, "other": _write}
  rates = generation_speed.measure(writers, batch=2, count=3, rounds=4)
  assert [len(rate) for rate in rates.values()] == [4, 4]
  assert all(rate > 0 for rate in rates["one"])


def test_another_text_is_refused():
  writers = {"one": _write, "other": lambda *_: ["x"]}
  message = testing.refused(generation_speed.measure, writers, 1, 1, 1)
  text = ["In the fall of"]
  assert message == f"all must write the same text. Received: ['x'], not {text}"
