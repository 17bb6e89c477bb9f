# SPDX-License-Identifier: Apache-2.0
"""How many bad records a run has skipped, and when they are too many."""

import orbit
from official.core import base_task

from token_dropping.common import errors
from token_dropping.data.batches import record_rules
from token_dropping.training import workers


class SkipCounter:
  """Adds up the skipped records of training; bounds those of each evaluation.

  `on_train` and `on_eval` are Orbit actions, to be called before a checkpoint
  is saved. They raise `UserError` with file and record of the first where too
  many were skipped. The variable `trained` counts over all processes of a run.
  """

  def __init__(self, task: base_task.Task):
    self._task = task
    self.trained = workers.make_counter(record_rules.SKIPPED)

  def on_train(self, outputs: dict) -> None:
    """Counts a loop; the outputs then have the sum of the whole run."""
    if record_rules.SKIPPED in outputs:
      self.trained.assign_add(_skipped(outputs))
      count = int(self.trained.numpy())
      outputs[record_rules.SKIPPED] = float(count)
      self._bound(count, "task.train_data")

  def on_eval(self, outputs: dict) -> None:
    if record_rules.SKIPPED in outputs:
      self._bound(_skipped(outputs), "task.validation_data")

  def _bound(self, count: int, path: str) -> None:
    data = getattr(self._task.task_config, path.removeprefix("task."))
    # Of several workers, the one that has met it knows which one it was.
    first = self._task.skippers[path].first or "not met by this process"
    errors.require(
      count <= data.max_bad_records,
      f"{path}.max_bad_records must be at least the bad records that were "
      f"skipped ({count}; the first one: {first})",
      data.max_bad_records,
    )


def _skipped(outputs: dict) -> int:
  return int(orbit.utils.get_value(outputs[record_rules.SKIPPED]))
