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

from token_dropping import fault_testing

STEPS = 2000
LOOP = 10  # steps
SECONDS = 0.05  # between two looks at the memory
# Evaluations, checkpoints and summaries of 200 loops leave traces in
# TensorFlow; what grew with the corpus or the steps would be far above.
MOST_BYTES_PER_STEP = 8 * 1024
# Not a bound on speed: twice the time would be a list that is walked through.
MOST_SLOWER = 1.5
TICKS = os.sysconf("SC_CLK_TCK")


def _watch(process, samples: list[tuple[float, int, float]]) -> None:
  """Notes the time, and bytes and seconds of CPU that a process has used.

  Seconds of CPU, since others may work on this machine.
  """
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


@pytest.mark.slow
def test_memory_and_step_time_stay(tmp_path):
  trainer = {
    "train_steps": STEPS,
    "steps_per_loop": LOOP,
    "summary_interval": LOOP,
    "checkpoint_interval": 200,
    "validation_interval": 200,
  }
  fault_testing.write_run(tmp_path, trainer=trainer)
  process = fault_testing.start(tmp_path, tmp_path / "run")
  samples = []
  watcher = threading.Thread(target=_watch, args=(process, samples))
  watcher.start()
  _, message = process.communicate()
  watcher.join()
  assert process.returncode == 0, message

  steps, times = zip(*_loop_ends(tmp_path / "run"), strict=True)
  assert steps[-1] == STEPS
  seen, resident, used = zip(*samples, strict=True)
  memory = np.interp(times, seen, resident)
  half = len(steps) // 2
  slope = np.polyfit(steps[half:], memory[half:], 1)[0]
  durations = np.diff(np.interp(times, seen, used)) / LOOP
  quarter = len(durations) // 4
  early = statistics.mean(durations[quarter : 2 * quarter])
  late = statistics.mean(durations[-quarter:])
  print(f"{slope:.0f} bytes a step, {late / early:.2f} of the early CPU time")
  assert slope < MOST_BYTES_PER_STEP
  assert late < MOST_SLOWER * early
