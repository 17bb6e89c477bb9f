# SPDX-License-Identifier: Apache-2.0
"""Tests of fine-tuning records, read on from a checkpoint."""

import itertools

import pytest
import tensorflow as tf
from official.core import task_factory

from tests import finetune_testing
from tests import run_testing

BATCH, STEP = 2, 17
EXPERIMENTS = {
  finetune_testing.GLUE: finetune_testing.prepare_classes,  # 24 records
  finetune_testing.SQUAD: finetune_testing.prepare_spans,
}


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory):
  """Folder of a pretraining run."""
  path = tmp_path_factory.mktemp("runs") / "pretrained"
  run_testing.make_run(path)
  return path


@pytest.fixture(params=EXPERIMENTS)
def read(request, pretrained, tmp_path):
  """Returns a function that reads batches as a run in a folder does."""
  data = EXPERIMENTS[request.param](tmp_path / "data", pretrained)
  size = f"task.train_data.global_batch_size={BATCH}"
  params = finetune_testing.parse(request.param, pretrained, data, size)

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


@pytest.mark.parametrize("fields", [{}, {"cache": True}, {"seed": 3}])
def test_a_run_that_goes_on_reads_what_it_would_have_read(
  read, stopped, tmp_path, fields
):
  whole = read(tmp_path / "new", 2 * STEP, **fields)
  assert read(stopped, STEP, **fields) == whole[STEP:]
  assert whole[:STEP] != whole[STEP:]


def test_another_seed_is_another_order(read, tmp_path):
  orders = [read(tmp_path, STEP, seed=seed) for seed in (0, 1)]
  assert orders[0] != orders[1]


def test_validation_is_read_from_its_beginning(read, stopped, tmp_path):
  everything = read(tmp_path / "new", None, "validation_data")
  assert everything
  assert read(stopped, None, "validation_data") == everything
