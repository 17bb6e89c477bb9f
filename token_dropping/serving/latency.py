# SPDX-License-Identifier: Apache-2.0
"""How long a SavedModel takes, by batch size."""

import time
from collections.abc import Callable

import numpy as np

WARM_UP = 3
SECONDS = 2.0
LEAST_CALLS = 10


def measure(
  call: Callable[[], object],
  seconds: float = SECONDS,
  clock: Callable[[], float] = time.perf_counter,
) -> np.ndarray:
  """Calls repeatedly and returns the seconds of each call.

  Args:
    call: does one request and waits for its result.
    seconds: how long, but at least for `LEAST_CALLS` calls.
    clock: returns seconds.
  """
  for _ in range(WARM_UP):
    call()
  times = []
  while len(times) < LEAST_CALLS or sum(times) < seconds:
    start = clock()
    call()
    times.append(clock() - start)
  return np.array(times)


def format_table(times: dict[int, np.ndarray], length: int) -> str:
  """Returns a Markdown table.

  Args:
    times: seconds of each call, by batch size.
    length: tokens in a sequence.

  Example:

  >>> print(format_table({8: np.array([0.010, 0.012, 0.020])}, 128))
  | batch of 128 tokens | median ms | 90th percentile ms | sequences/s |
  | ---: | ---: | ---: | ---: |
  | 8 | 12.0 | 18.4 | 667 |
  """
  lines = [
    f"| batch of {length} tokens | median ms | 90th percentile ms "
    "| sequences/s |",
    "| ---: | ---: | ---: | ---: |",
  ]
  for size, seconds in times.items():
    median, high = 1e3 * np.percentile(seconds, [50, 90])
    rate = size * 1e3 / median
    lines.append(f"| {size} | {median:.1f} | {high:.1f} | {rate:,.0f} |")
  return "\n".join(lines)
