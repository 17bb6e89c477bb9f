# SPDX-License-Identifier: Apache-2.0
"""Tests of training that skips bad records, by steps and by whole runs."""

import pathlib
import shutil

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2

from tests import fault_testing
from tests import replica_testing
from tests import testing
from token_dropping.data.batches import bad_records
from token_dropping.data.batches import pretrain_data
from token_dropping.data.batches import record_rules

SKIP = {"on_bad_records": "skip"}
BAD = {"masked_lm_positions": [1, 16, 0]}

HEAD = {"inner_dim": 8, "num_classes": 2, "name": "next_sentence"}

# Steps.


def _batch(path: str) -> dict[str, np.ndarray]:
  """Reads four records, the bad ones as padding."""
  data = pretrain_data.PretrainDataConfig(
    input_path=path,
    seq_length=testing.SEQ_LENGTH,
    max_predictions_per_seq=testing.PREDICTIONS,
    global_batch_size=4,
    shuffle_buffer_size=1,
    use_v2_feature_names=True,
    use_next_sentence_label=True,
    on_bad_records="skip",
  )
  rules = record_rules.RecordRules(data, testing.NETWORK, "data")
  skipper = bad_records.RecordSkipper(rules)
  dataset = pretrain_data.PretrainDataLoader(data).load(skipper=skipper)
  return next(iter(dataset.take(1).as_numpy_iterator()))


def _step(batch: dict, replicas: int = 1) -> tuple[int, list]:
  """Trains one step; returns the skipped records, and all that it has moved."""
  task = {
    "model": {"cls_heads": [HEAD]},
    "train_data": SKIP | {"use_next_sentence_label": True},
  }
  run = replica_testing.Run(testing.mirrored(replicas), {"task": task})
  losses = run.train(batch, batch_size=4)
  scores = run.scores()
  skipped = scores.pop(record_rules.SKIPPED)
  weights = run.model.get_weights()
  return skipped, [losses, run.tables()[0], *scores.values(), *weights]


@pytest.fixture
def batches(tmp_path):
  """A batch with a bad record, and one without that record."""
  records = [testing.random_features(seed, True) for seed in range(4)]
  intact = _batch(testing.write_records(tmp_path / "intact", records))
  records[2] |= BAD
  skipped = _batch(testing.write_records(tmp_path / "bad", records))
  row = int(skipped[record_rules.SKIPPED].argmax())
  for name, values in skipped.items():
    assert not values[row].any() or name == record_rules.SKIPPED
  return skipped, {k: np.delete(v, row, 0) for k, v in intact.items()}


ROUNDING = 1e-4  # sums of three and of four are rounded differently


@testing.eagerly()
def test_a_skipped_record_is_as_if_it_were_not_there(batches):
  (count, with_it), (none, without_it) = map(_step, batches)
  assert (count, none) == (1, 0)
  replica_testing.assert_same(with_it, without_it, ROUNDING)


@pytest.mark.slow
def test_replicas_count_together(batches):
  (count, single), (of_both, several) = (_step(batches[0], n) for n in (1, 2))
  assert count == of_both == 1
  replica_testing.assert_same(several, single, ROUNDING)


# Runs: in an epoch of ten steps, three entries are bad.


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
  """A folder with `run`, of ten steps.

  It reads 40 entries: a bad record, a file that breaks off, one that went.
  """
  folder = tmp_path_factory.mktemp("finished")
  paths = [f"{folder}/train-{file}" for file in ("0", "1", "2", "gone")]
  task = {
    "dropping_pictures": False,
    "train_data": SKIP | {"input_path": paths},
    "validation_data": SKIP,
  }
  trainer = {"train_steps": 10, "validation_interval": 10}
  fault_testing.write_run(folder, task=task, trainer=trainer)
  records = [testing.random_features(seed) for seed in range(13)]
  records[9] |= BAD
  testing.write_records(folder / "train-0", records)
  path = folder / "train-1"
  path.write_bytes(path.read_bytes()[:-5])
  records = [testing.random_features(seed) for seed in range(50, 58)]
  records[2] |= BAD
  testing.write_records(folder / "validation", records)
  with testing.eagerly():
    fault_testing.launch(folder, folder / "run")
  return folder


def _curve(folder: pathlib.Path, part: str) -> dict[int, float]:
  points = fault_testing.curves(folder / "run" / part)["skipped_records"]
  protos = [(s, tensor_pb2.TensorProto.FromString(v)) for s, v in points]
  return {step: float(tf.make_ndarray(proto)) for step, proto in protos}


def test_skipped_records_are_counted(finished):
  name = "skipped_records/.ATTRIBUTES/VARIABLE_VALUE"
  assert fault_testing.variables(finished / "run" / "ckpt-10")[name] == 3
  train = _curve(finished, "train")
  assert train[10] == 3
  assert list(train.values()) == sorted(train.values())
  assert set(_curve(finished, "validation").values()) == {1}


@testing.eagerly()
def test_a_run_goes_on_and_counts_on(finished, tmp_path, capsys):
  shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
  for file in (tmp_path / "run").glob("ckpt-*"):
    if not file.name.startswith("ckpt-4."):
      file.unlink()
  (tmp_path / "run" / "checkpoint").unlink()
  fault_testing.launch(finished, tmp_path / "run")
  printed = capsys.readouterr()
  assert "Trained 6 steps, to step 10" in printed.out
  assert "skipped records  3 in training, 1 in the last evaluation" in (
    printed.out
  )
  assert f"Received: 16 in {finished}/validation, record 2\n" in printed.err
  ends = (folder / "run" / "ckpt-10" for folder in (finished, tmp_path))
  fault_testing.assert_same(*map(fault_testing.variables, ends))
  assert _curve(tmp_path, "train") == _curve(finished, "train")


@pytest.mark.parametrize(
  ("mode", "data"), [("train", "train_data"), ("eval", "validation_data")]
)
@testing.eagerly()
def test_skipped_records_are_bounded(finished, tmp_path, mode, data):
  run = finished / "run" if mode == "eval" else tmp_path
  none = {"mode": mode, "params_override": f"task.{data}.max_bad_records=0"}
  message = testing.refused(fault_testing.launch, finished, run, **none)
  assert message.startswith(f"task.{data}.max_bad_records must be at least the")
  assert f"; the first one: {finished}/" in message
