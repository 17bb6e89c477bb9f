# SPDX-License-Identifier: Apache-2.0
"""Tests of the measuring loop, by a clock of their own."""

import numpy as np

from token_dropping.serving import latency


def _measure(seconds_a_call, seconds) -> np.ndarray:
  now, calls = [0.0], [0]

  def call():
    calls[0] += 1
    now[0] += seconds_a_call * (100.0 if calls[0] <= latency.WARM_UP else 1.0)

  return latency.measure(call, seconds, clock=lambda: now[0])


def test_slow_first_calls_do_not_count():
  np.testing.assert_allclose(_measure(0.25, seconds=5.0), [0.25] * 20)


def test_slow_requests_are_called_often_enough():
  assert len(_measure(7.0, seconds=5.0)) == latency.LEAST_CALLS
