# SPDX-License-Identifier: Apache-2.0
"""Tests of reading padding instead of bad records."""

import pathlib

import numpy as np
import pytest
import tensorflow as tf

from tests import testing
from token_dropping.data.batches import pretrain_data
from token_dropping.data.batches import record_skipper
from token_dropping.data.batches import value_checks

PATH = "task.train_data"
RECORDS, BAD = 12, 6
CONFIG = {
  "seq_length": testing.SEQ_LENGTH,
  "max_predictions_per_seq": testing.PREDICTIONS,
  "global_batch_size": 4,
  "use_v2_feature_names": True,
  "use_next_sentence_label": True,
  "on_bad_records": "skip",
}
STATIC = {
  "negative id": {"input_word_ids": [-1] * 16},
  "huge id": {"masked_lm_ids": [2**32 + 7, 7, 0]},
  "position": {"masked_lm_positions": [1, 16, 0]},
  "weights of 0": {"masked_lm_weights": [0.0, 0.0, 0.0]},
  "negative weight": {"masked_lm_weights": [1.0, -1.0, 0.0]},
  "length": {"input_word_ids": [7] * 15},
  "no label": {"next_sentence_labels": []},
}
DYNAMIC = {
  "id": {"input_word_ids": [50] * 16},
  "length": {"word_starts": [1] * 17},
}


def _write(folder, dynamic: bool, **changes) -> pathlib.Path:
  """Writes twelve records, the one at `BAD` changed."""
  make = testing.dynamic_features if dynamic else testing.random_features
  records = [make(seed, next_sentence=True) for seed in range(RECORDS)]
  records[BAD] |= changes
  return pathlib.Path(testing.write_records(folder / "records", records))


def _load(
  folder,
  dynamic: bool,
  paths: str = "records",
  skip: bool = True,
  epochs: int = 1,
):
  """Returns skipper and batches of training."""
  masking = {"masking": "dynamic" if dynamic else "static"}
  masking["vocab_file"] = testing.write_vocabulary(folder / "vocab.txt")
  data = pretrain_data.PretrainDataConfig(
    input_path=[f"{folder}/{path}" for path in paths.split()],
    **(CONFIG | masking),
  )
  skipper = None
  if skip:
    skipper = record_skipper.RecordSkipper(data, testing.VOCAB_SIZE, PATH)
  dataset = pretrain_data.PretrainDataLoader(data).load(skipper=skipper)
  batches = dataset.take(epochs * RECORDS // 4).as_numpy_iterator()
  return skipper, list(batches)


def _assert_padding_instead(found: list[dict], intact: list[dict]) -> None:
  """Compares batches; one record is padding, the others have not moved."""
  skipped = 0
  for batch, other in zip(found, intact, strict=True):
    flags = batch.pop(value_checks.SKIPPED)
    assert flags.shape == (4,)
    skipped += flags.sum()
    for name, values in batch.items():
      np.testing.assert_array_equal(values[flags == 0], other[name][flags == 0])
      assert not values[flags == 1].any(), name
  assert skipped == 1


@pytest.mark.parametrize("kind", STATIC)
def test_padding_instead_of_a_bad_record(tmp_path, kind):
  _write(tmp_path, False)
  _, intact = _load(tmp_path, False, skip=False)
  _write(tmp_path, False, **STATIC[kind])
  skipper, found = _load(tmp_path, False)
  _assert_padding_instead(found, intact)
  assert skipper.first == f"{tmp_path}/records, record {BAD}"


@pytest.mark.parametrize("kind", DYNAMIC)
def test_padding_instead_of_a_bad_record_without_masks(tmp_path, kind):
  _write(tmp_path, True)
  _, intact = _load(tmp_path, True, skip=False)
  _write(tmp_path, True, **DYNAMIC[kind])
  skipper, found = _load(tmp_path, True)
  _assert_padding_instead(found, intact)
  assert skipper.first == f"{tmp_path}/records, record {BAD}"


def test_good_records_are_left_alone(tmp_path, capsys):
  _write(tmp_path, False)
  _, intact = _load(tmp_path, False, skip=False)
  skipper, found = _load(tmp_path, False)
  for batch, other in zip(found, intact, strict=True):
    assert not batch.pop(value_checks.SKIPPED).any()
    tf.nest.map_structure(np.testing.assert_array_equal, batch, other)
  assert skipper.first is None
  assert not capsys.readouterr().err


def test_record_that_is_no_example(tmp_path, capsys):
  _write(tmp_path, False)
  with tf.io.TFRecordWriter(str(tmp_path / "other")) as writer:
    writer.write(b"\xff\xff no proto")
  _, found = _load(tmp_path, False, "other records", epochs=2)
  assert sum(batch[value_checks.SKIPPED].sum() for batch in found) == 1
  assert capsys.readouterr().err == (
    "warning: skipped (task.train_data.on_bad_records=skip): task.train_data: "
    f"records must be tf.train.Example. Received: {tmp_path}/other, record 0, "
    "which is not\n"
  )


def test_a_bad_record_is_named_once(tmp_path, capsys):
  path = _write(tmp_path, False, **STATIC["position"])
  _, found = _load(tmp_path, False, epochs=4)
  assert sum(batch[value_checks.SKIPPED].sum() for batch in found) == 4
  assert capsys.readouterr().err == (
    "warning: skipped (task.train_data.on_bad_records=skip): "
    "masked_lm_positions must be in [0, seq_length) (16). Received: 16 in "
    f"{path}, record {BAD}\n"
  )


@pytest.mark.parametrize("dynamic", [False, True])
def test_one_padding_for_what_a_file_has_lost(tmp_path, capsys, dynamic):
  path = _write(tmp_path, dynamic)
  path.write_bytes(path.read_bytes()[:-5])
  _, found = _load(tmp_path, dynamic)
  assert sum(batch[value_checks.SKIPPED].sum() for batch in found) == 1
  ids = np.concatenate([batch["input_mask"] for batch in found])
  assert ids.any(axis=1).sum() == RECORDS - 1
  assert f"Received: {path}, record {RECORDS - 1}: " in capsys.readouterr().err


def test_a_file_that_went_before_the_start(tmp_path, capsys):
  _write(tmp_path, False)
  skipper, _ = _load(tmp_path, False, "records gone")
  assert [c.records for c in skipper.contents] == [RECORDS, 0]
  assert capsys.readouterr().err.endswith(
    f"Received: {tmp_path}/gone, record 0: {tmp_path}/gone; No such file or "
    "directory\n"
  )


def test_a_file_that_goes_later_is_an_error(tmp_path):
  path = _write(tmp_path, False)
  data = pretrain_data.PretrainDataConfig(input_path=str(path), **CONFIG)
  skipper = record_skipper.RecordSkipper(data, testing.VOCAB_SIZE, PATH)
  dataset = pretrain_data.PretrainDataLoader(data).load(skipper=skipper)
  path.unlink()
  with pytest.raises(tf.errors.NotFoundError):
    next(iter(dataset))
