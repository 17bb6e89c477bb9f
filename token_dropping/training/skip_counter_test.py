# SPDX-License-Identifier: Apache-2.0
"""Tests of counting and bounding skipped records."""

import types

import numpy as np
import pytest

from token_dropping.common import errors
from token_dropping.training import skip_counter


def _counter(limit: int, first: str | None = "f-0, record 3"):
  data = types.SimpleNamespace(max_bad_records=limit)
  task = types.SimpleNamespace(
    task_config=types.SimpleNamespace(train_data=data, validation_data=data),
    skippers={
      path: types.SimpleNamespace(first=first)
      for path in ("task.train_data", "task.validation_data")
    },
  )
  return skip_counter.SkipCounter(task)


def _outputs(count: int) -> dict:
  return {"skipped_records": np.float32(count), "loss": 1.0}


def test_loops_add_up():
  counter = _counter(5)
  for count, total in ((2, 2), (0, 2), (3, 5)):
    outputs = _outputs(count)
    counter.on_train(outputs)
    assert outputs == {"skipped_records": total, "loss": 1.0}
  assert int(counter.trained) == 5
  with pytest.raises(errors.UserError) as caught:
    counter.on_train(_outputs(1))
  assert str(caught.value) == (
    "task.train_data.max_bad_records must be at least the bad records that "
    "were skipped (6; the first one: f-0, record 3). Received: 5"
  )


def test_every_evaluation_is_counted_anew():
  counter = _counter(2, first=None)
  for _ in range(3):
    counter.on_eval(_outputs(2))
  assert int(counter.trained) == 0
  with pytest.raises(errors.UserError) as caught:
    counter.on_eval(_outputs(3))
  assert str(caught.value) == (
    "task.validation_data.max_bad_records must be at least the bad records "
    "that were skipped (3; the first one: not met by this process). Received: 2"
  )


def test_without_the_flag_there_is_nothing_to_count():
  counter = skip_counter.SkipCounter(types.SimpleNamespace())
  outputs = {"loss": 1.0}
  counter.on_train(outputs)
  counter.on_eval(outputs)
  assert outputs == {"loss": 1.0}
