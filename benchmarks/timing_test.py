# SPDX-License-Identifier: Apache-2.0
"""Tests of turns, medians and the verdict on noise."""

import itertools

import pytest

from benchmarks import timing


@pytest.fixture
def clock(monkeypatch):
  """A clock whose readings are 0, 1, 3, 6, 10, ...: one more each time."""
  readings = itertools.accumulate(itertools.count())
  monkeypatch.setattr(timing.time, "perf_counter", lambda: next(readings))


def test_steps_take_turns():
  calls = []
  steps = {name: lambda name=name: calls.append(name) for name in "ab"}
  seconds = timing.interleaved(steps, rounds=3)
  assert calls == ["a", "b"] * (timing.WARM_UP_ROUNDS + 3)
  assert {name: len(each) for name, each in seconds.items()} == {"a": 3, "b": 3}


def test_rounds_after_the_warm_up_are_timed(clock):
  # Each timing reads the clock twice; call n takes 2 n + 1 seconds.
  steps = {"a": lambda: None, "b": lambda: None}
  assert timing.interleaved(steps, rounds=2) == {"a": [9, 13], "b": [11, 15]}


def test_first_calls(clock):
  steps = {"a": lambda: None, "b": lambda: None}
  assert timing.first_calls(steps) == {"a": 1, "b": 3}


@pytest.mark.parametrize(
  ("seconds", "median", "spread"),
  [
    # Quartiles of 1 2 3 4 10 are 2 and 4.
    ([10.0, 1.0, 3.0, 2.0, 4.0], 3.0, 2 / 3),
    ([2.0, 2.0, 2.0, 2.0], 2.0, 0.0),
    ([1.0, 2.0], 1.5, None),
    ([1.0, 2.0, 6.0], 2.0, None),
  ],
)
def test_summary(seconds, median, spread):
  assert timing.Summary.of(seconds) == timing.Summary(median, spread)


@pytest.mark.parametrize(
  ("spreads", "message"),
  [
    ([0.02, 0.1], ""),
    ([], ""),
    ([0.02, 0.11], "too noisy to tell (spread 0.110, bound 0.1)"),
    ([0.5, None], "too few rounds to tell (at least 4)"),
  ],
)
def test_noise(spreads, message):
  summaries = [timing.Summary(1.0, spread) for spread in spreads]
  assert timing.noise(summaries, bound=0.1) == message
