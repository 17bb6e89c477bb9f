# SPDX-License-Identifier: Apache-2.0
"""Tests of fine-tuning records, read on from a checkpoint."""

import itertools

import pytest
import tensorflow as tf
from official.core import task_factory

from tests import finetune_testing

BATCH, STEP = 2, 17
# 24 records of classes, 2 of questions.
DATA = {finetune_testing.GLUE: "classes", finetune_testing.SQUAD: "spans"}


@pytest.fixture(scope="module", params=DATA)
def read(request, prepared):
  """Returns a function that reads batches as a run in a folder does."""
  data = prepared / DATA[request.param]
  size = f"task.train_data.global_batch_size={BATCH}"
  params = finetune_testing.parse(request.param, prepared / "run", data, size)

  def batches(model_dir, count, name="train_data", **fields) -> list:
    task = task_factory.get_task(params.task, logging_dir=str(model_dir))
    dataset = task.build_inputs(getattr(params.task, name).replace(**fields))
    found = itertools.islice(dataset.as_numpy_iterator(), count)
    return [
      [value.tolist() for value in tf.nest.flatten(batch)] for batch in found
    ]

  return batches


@pytest.fixture
def stopped(tmp_path):
  """Folder of a run with a checkpoint of step `STEP`."""
  step = tf.Variable(STEP, dtype=tf.int64)
  tf.train.Checkpoint(global_step=step).save(str(tmp_path / "run" / "ckpt"))
  return tmp_path / "run"


def test_a_run_that_goes_on_reads_what_it_would_have_read(
  read, stopped, tmp_path
):
  orders = []
  for fields in ({}, {"seed": 3}, {"cache": True}):
    whole = read(tmp_path / "new", 2 * STEP, **fields)
    assert read(stopped, STEP, **fields) == whole[STEP:]
    assert whole[:STEP] != whole[STEP:]
    orders.append(whole)
  assert orders[0] != orders[1]  # another seed, another order


def test_validation_is_read_from_its_beginning(read, stopped, tmp_path):
  everything = read(tmp_path / "new", None, "validation_data")
  assert everything
  assert read(stopped, None, "validation_data") == everything
