# SPDX-License-Identifier: Apache-2.0
"""How much memory a step takes: of the process, of its buffers, of a GPU.

Linux keeps the largest resident set of a process (`VmHWM`) and sets it back on
request, so that building and compiling do not hide the step. A compiled step
does not show in it: TensorFlow keeps the memory of its temporaries for the next
one. XLA writes down what it allocates for them, if it is told where
(`--xla_dump_to`).
"""

import ctypes
import pathlib
import re
from collections.abc import Callable

import tensorflow as tf

_STATUS = pathlib.Path("/proc/self/status")
_TEMPORARY = re.compile(r"^allocation \d+: size (\d+), preallocated-temp", re.M)


def resident_bytes() -> int:
  """Returns the size of the process in memory, freed pages given back."""
  ctypes.CDLL(None).malloc_trim(0)
  return _read_status("VmRSS")


def peak_bytes(step: Callable[[], object]) -> int:
  """Runs a step and returns the largest size of the process meanwhile."""
  ctypes.CDLL(None).malloc_trim(0)
  pathlib.Path("/proc/self/clear_refs").write_text("5")  # VmHWM begins anew
  step()
  return _read_status("VmHWM")


def gpu_peak_bytes(step: Callable[[], object]) -> int | None:
  """Runs a step and returns the peak of the first GPU; `None` without one."""
  if not tf.config.list_physical_devices("GPU"):
    return None
  tf.config.experimental.reset_memory_stats("GPU:0")
  step()
  return tf.config.experimental.get_memory_info("GPU:0")["peak"]


def temporary_bytes(dump: pathlib.Path) -> int | None:
  """Returns what XLA allocates for the temporaries of a step.

  Args:
    dump: the folder of `--xla_dump_to`; the largest program in it is the step.

  Returns:
    Bytes; `None` where nothing was compiled.
  """
  path = largest(dump, "*after_optimizations-buffer-assignment.txt")
  if path is None:
    return None
  text = path.read_text("utf-8", errors="replace")
  return sum(map(int, _TEMPORARY.findall(text)))


def largest(dump: pathlib.Path, pattern: str) -> pathlib.Path | None:
  """Returns the largest file of a pattern in a folder, if there is one."""
  paths = dump.glob(pattern)
  return max(paths, key=lambda path: path.stat().st_size, default=None)


def _read_status(name: str) -> int:
  match = re.search(rf"^{name}:\s+(\d+) kB", _STATUS.read_text(), re.M)
  return int(match.group(1)) * 1024
