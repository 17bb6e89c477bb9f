# SPDX-License-Identifier: Apache-2.0
"""Tests of finding the files of a step again."""

import pytest
import tensorflow as tf

from tests import replica_testing
from tests import testing
from token_dropping.data.batches import pretrain_data
from token_dropping.data.batches import step_files

FILES, RECORDS = 3, 5  # and in each file records that name it
LOOKED_AT = (1, 2, 8, 9, 15, 20)  # epochs end in steps 8 and 15


@pytest.fixture
def params(tmp_path):
  """An experiment that reads two records a step."""
  for file in range(FILES):
    records = [
      testing.random_features(0) | {"input_type_ids": [file] * 16}
      for _ in range(RECORDS)
    ]
    testing.write_records(tmp_path / f"train-{file}", records)
  data = {
    "input_path": str(tmp_path / "train-*"),
    "global_batch_size": 2,
    "shuffle_buffer_size": 4,
    "seed": 3,
  }
  return replica_testing.make_params({"task": {"train_data": data}})


def _find(params, step: int) -> list[str]:
  return step_files.find(params, tf.distribute.get_strategy(), step)


@pytest.mark.parametrize("policy", ["stop", "skip"])
def test_files_are_those_of_the_batches(params, tmp_path, policy):
  params.task.train_data.on_bad_records = policy
  batches = pretrain_data.PretrainDataLoader(params.task.train_data).load()
  found = []
  for step, batch in enumerate(batches.take(20), start=1):  # 2.7 epochs
    if step not in LOOKED_AT:
      continue
    numbers = sorted({int(row[0]) for row in batch["input_type_ids"]})
    expected = [str(tmp_path / f"train-{number}") for number in numbers]
    assert _find(params, step) == expected
    found.append(tuple(expected))
  assert len(set(found)) > 2


@pytest.mark.parametrize(
  "change",
  [{"tfds_name": "imdb"}, {"input_path": "dummy"}, {"input_path": "/no/file*"}],
)
def test_files_that_cannot_be_known(params, change):
  params.task.train_data.override(change)
  assert _find(params, 1) == []
