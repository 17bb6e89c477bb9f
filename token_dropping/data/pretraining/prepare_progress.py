# SPDX-License-Identifier: Apache-2.0
"""A bar, or lines in a pipe: counts result files, so works with any runner."""

import sys
import threading
import time
from typing import TextIO

import tqdm

from token_dropping.common import files

_INTERVAL = 1.0  # seconds between two looks
_LINE_INTERVAL = 10.0  # seconds between two lines
_MB = 1e6


class Progress:
  """Reports how many tasks and bytes are done while its block runs."""

  def __init__(
    self,
    folder: str,
    label: str,
    tasks: int,
    total_bytes: int,
    stream: TextIO | None = None,
  ):
    self._folder = folder
    self._label = label
    self._tasks = tasks
    self._total = total_bytes
    self._stream = stream or sys.stderr
    self._seen: set[str] = set()
    self._documents = self._bytes = self._old_bytes = 0
    self._end = threading.Event()
    self._thread = threading.Thread(target=self._watch, daemon=True)

  def __enter__(self) -> "Progress":
    self._start = time.monotonic()
    self._look()
    self._old_bytes = self._bytes  # of an earlier run, not of this speed
    self._bar = None
    if self._stream.isatty():
      self._bar = tqdm.tqdm(
        total=self._tasks,
        initial=len(self._seen),
        desc=self._label,
        unit="piece",
        file=self._stream,
      )
    self._thread.start()
    return self

  def __exit__(self, *unused) -> None:
    self._end.set()
    self._thread.join()
    self._look()
    self._show()
    if self._bar is not None:
      self._bar.close()

  def line(self) -> str:
    """Returns what is done, how fast, and the time that is left."""
    seconds = max(time.monotonic() - self._start, 1e-9)
    speed = (self._bytes - self._old_bytes) / seconds
    line = (
      f"{self._label}: {len(self._seen)}/{self._tasks} pieces  "
      f"{self._documents:,} documents  {self._bytes / _MB:,.1f} MB  "
      f"{speed / _MB:,.1f} MB/s"
    )
    rest = max(self._total - self._bytes, 0)
    if len(self._seen) == self._tasks:
      return f"{line}  {tqdm.tqdm.format_interval(seconds)}"
    if not speed:
      return line
    return f"{line}  {tqdm.tqdm.format_interval(rest / speed)} left"

  def _watch(self) -> None:
    last = self._start
    while not self._end.wait(_INTERVAL):
      self._look()
      if self._bar is not None or time.monotonic() - last >= _LINE_INTERVAL:
        last = time.monotonic()
        self._show()

  def _look(self) -> None:
    pattern = files.join(self._folder, f"{self._label}-*.json")
    for path in files.matches(pattern):
      result = None if path in self._seen else files.find_json(path)
      if result is not None:
        self._seen.add(path)
        self._documents += result.get("documents", 0)
        self._bytes += result.get("bytes", 0)

  def _show(self) -> None:
    if self._bar is None:
      print(self.line(), file=self._stream, flush=True)
      return
    self._bar.set_postfix_str(self.line().partition("  ")[2], refresh=False)
    self._bar.update(len(self._seen) - self._bar.n)
