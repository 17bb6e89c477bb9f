# SPDX-License-Identifier: Apache-2.0
"""A long run needs no more memory and no more time a step than a short one."""

import os
import re
import statistics
import threading
import time

import numpy as np
import pytest
import tensorflow as tf

from tests import fault_testing

LOOP = 10  # steps
SECONDS = 0.05  # between two looks at the memory
# Evaluations move the resident set by megabytes, up and down; what grew with
# steps or corpus would be far above.
MOST_BYTES_PER_STEP = 8 * 1024
# Not a bound on speed: twice the time would be a list that is walked through.
MOST_SLOWER = 1.5
TICKS = os.sysconf("SC_CLK_TCK")


def _watch(process, samples: list[tuple[float, int, float]]) -> None:
  """Notes the time, and bytes and seconds of CPU that a process has used."""
  while process.poll() is None:
    try:
      with open(f"/proc/{process.pid}/status") as file:
        found = re.search(r"^VmRSS:\s+(\d+) kB", file.read(), re.M)
      with open(f"/proc/{process.pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    except OSError:  # it has just ended
      return
    if found:
      used = (int(fields[11]) + int(fields[12])) / TICKS  # user and system
      samples.append((time.time(), int(found[1]) * 1024, used))
    time.sleep(SECONDS)


def _loop_ends(model_dir) -> list[tuple[int, float]]:
  """Returns step and time of the summaries of training."""
  found = {}
  for path in (model_dir / "train").glob("events.*"):
    for event in tf.compat.v1.train.summary_iterator(str(path)):
      if any(value.tag == "training_loss" for value in event.summary.value):
        found[event.step] = event.wall_time
  return sorted(found.items())


def _run(folder, steps: int) -> tuple[np.ndarray, np.ndarray]:
  """Trains; returns bytes of memory and seconds of CPU so far, loop by loop."""
  trainer = {"train_steps": steps, "steps_per_loop": LOOP}
  trainer |= {"summary_interval": LOOP, "checkpoint_interval": steps // 10}
  trainer["validation_interval"] = steps // 10
  fault_testing.write_run(folder, trainer=trainer)
  process = fault_testing.start(folder, folder / "run")
  samples = []
  watcher = threading.Thread(target=_watch, args=(process, samples))
  watcher.start()
  _, message = process.communicate()
  watcher.join()
  assert process.returncode == 0, message
  ends = _loop_ends(folder / "run")
  assert [step for step, _ in ends] == list(range(LOOP, steps + 1, LOOP))
  times = [when for _, when in ends]
  seen, resident, used = zip(*samples, strict=True)
  return np.interp(times, seen, resident), np.interp(times, seen, used)


@pytest.mark.slow
def test_memory_and_step_time_stay_for_long(tmp_path):
  memory, used = _run(tmp_path, steps=4000)
  durations = np.diff(used) / LOOP
  quarter = len(durations) // 4
  early = statistics.mean(durations[quarter : 2 * quarter])
  late = statistics.mean(durations[-quarter:])
  half = memory[len(memory) // 2 :]
  slope = np.polyfit(np.arange(len(half)) * LOOP, half, 1)[0]
  print(f"{late / early:.2f} of the early CPU time, {slope:.0f} bytes a step")
  assert slope < MOST_BYTES_PER_STEP
  assert late < MOST_SLOWER * early
