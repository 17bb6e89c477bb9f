# SPDX-License-Identifier: Apache-2.0
"""Tests of finding the record behind an error of the input."""

import os
import pathlib

import pytest
import tensorflow as tf
from official.core import exp_factory

from tests import testing
from token_dropping.common import config_overrides
from token_dropping.common import errors
from token_dropping.data.batches import record_skipper
from token_dropping.tasks import experiments  # noqa: F401  registers
from token_dropping.training import bad_records

ERROR = tf.errors.InvalidArgumentError(None, None, "some error of TensorFlow")
DATA = ("train_data", "validation_data")
IDS = "is the encoder's vocab_size that of the records? Received: "
# What is wrong with a record, and what is said of it.
STATIC = {
  "negative id": (
    {"input_word_ids": [-1] * 16},
    f"input_word_ids must be in [0, vocab_size) (50); {IDS}-1 in ",
  ),
  "huge id": (
    {"masked_lm_ids": [2**32 + 7, 7, 0]},
    f"masked_lm_ids must be in [0, vocab_size) (50); {IDS}4294967303 in ",
  ),
  "position": (
    {"masked_lm_positions": [1, 16, 0]},
    "masked_lm_positions must be in [0, seq_length) (16). Received: 16 in ",
  ),
  "weights": (
    {"masked_lm_weights": [0.0, 0.0, 0.0]},
    "masked_lm_weights must be at least 0, and one of a record above. "
    "Received: [0.0, 0.0, 0.0] in ",
  ),
  "length": (
    {"input_word_ids": [7] * 15},
    "{path}.seq_length must be that of the records, 15 (input_word_ids in ",
  ),
}
DYNAMIC = {
  "id": (
    {"input_word_ids": [50] * 16},
    f"input_word_ids must be in [0, vocab_size) (50); {IDS}50 in ",
  ),
  "length": (
    {"word_starts": [0] * 17},
    "{path}.seq_length must be that of the records, 17 (word_starts in ",
  ),
}


@pytest.fixture
def folder(tmp_path):
  """Good records: two files to train with and one to validate with."""
  for name in ("train-0", "train-1", "validation"):
    _write(tmp_path / name)
  return tmp_path


def _write(path, bad: dict | None = None, dynamic: bool = False) -> str:
  """Writes four records; changes number 2."""
  make = testing.dynamic_features if dynamic else testing.random_features
  records = [make(seed) for seed in range(4)]
  records[2] |= bad or {}
  return testing.write_records(path, records)


def _params(folder, **data):
  params = exp_factory.get_exp_config("bert/token_drop")
  paths = {
    "train_data": [f"{folder}/train-0", f"{folder}/train-1"],
    "validation_data": f"{folder}/validation",
  }
  tree = {name: {"input_path": paths[name]} | data for name in DATA}
  overrides = testing.merged(testing.TINY, {"task": tree})
  config_overrides.apply_overrides(params, overrides, source="test")
  return params


def _explain(params, mode="train_and_eval", step=0, error=ERROR, **kwargs):
  bad_records.explain(error, params, mode, step, **kwargs)


def _found(*args, **kwargs) -> str:
  with pytest.raises(errors.UserError) as caught:
    _explain(*args, **kwargs)
  assert "\n" not in str(caught.value)
  return str(caught.value)


def _path(folder, data: str) -> pathlib.Path:
  return folder / ("train-1" if data == "train_data" else "validation")


# Files.


@pytest.mark.parametrize("data", DATA)
def test_truncated_file(folder, data):
  path = _path(folder, data)
  path.write_bytes(path.read_bytes()[:-3])
  assert _found(_params(folder)).startswith(
    f"task.{data}.input_path must match TFRecord files that can be read to "
    f"their end. Received: {path}, record 3: "
  )


@pytest.mark.parametrize("data", DATA)
def test_corrupt_record(folder, data):
  path = _path(folder, data)
  content = bytearray(path.read_bytes())
  content[len(content) * 5 // 8] ^= 1  # inside of record 2 of 4
  path.write_bytes(content)
  message = _found(_params(folder))
  assert f"Received: {path}, record 2: corrupted record at " in message


@pytest.mark.parametrize("data", DATA)
def test_file_that_went(folder, data):
  path = _path(folder, data)
  path.unlink()
  assert f"Received: {path}, record 0: {path}; No such file" in (
    _found(_params(folder))
  )


def test_the_last_file_of_a_pattern_went(folder):
  params = _params(folder)
  params.task.train_data.input_path = f"{folder}/gone-*"
  assert _found(params) == (
    "task.train_data.input_path must match at least one file. "
    f"Received: '{folder}/gone-*'"
  )


# Records.


def _assert_named(folder, kind: tuple, data: str, dynamic: bool) -> None:
  changes, rule = kind
  for name in ("train-0", "train-1", "validation"):
    _write(folder / name, dynamic=dynamic)
  path = _path(folder, data)
  _write(path, changes, dynamic)
  fields = {"masking": "dynamic"} if dynamic else {}
  message = _found(_params(folder, **fields))
  # Two steps: one a loop, of which four of eight records are read.
  rule = rule.format(path=f"task.{data}")
  assert message.startswith(f"{rule}{path}, record 2"), message


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("kind", STATIC)
def test_bad_record(folder, data, kind):
  _assert_named(folder, STATIC[kind], data, dynamic=False)


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("kind", DYNAMIC)
def test_bad_record_without_masks(folder, data, kind):
  _assert_named(folder, DYNAMIC[kind], data, dynamic=True)


@pytest.mark.parametrize("data", DATA)
def test_record_that_is_no_example(folder, data):
  path = _path(folder, data)
  with tf.io.TFRecordWriter(str(path)) as writer:
    for _ in range(4):
      writer.write(b"\xff\xff no proto")
  message = _found(_params(folder))
  assert message.startswith(f"task.{data}: records must be tf.train.Example. ")
  assert f"Received: {path}, record " in message


def test_of_training_only_the_records_of_the_loop_are_looked_at(folder):
  _write(folder / "train-1", STATIC["position"][0])
  params = _params(folder, shuffle_buffer_size=1)
  # An epoch has two steps; in one of them the record is read.
  found = []
  for step in range(4):
    try:
      _explain(params, mode="train", step=step)
    except errors.UserError:
      found.append(step)
  assert found in ([0, 2], [0, 3], [1, 2], [1, 3])


def test_the_mode_says_which_data_is_read(folder):
  _write(folder / "validation", STATIC["position"][0])
  _explain(_params(folder), mode="train")
  assert "validation, record 2" in _found(_params(folder), mode="eval")


# Nothing found.


def test_an_error_of_something_else_is_left_alone(folder):
  _explain(_params(folder))


def test_a_rule_without_its_record_is_still_told(folder):
  line = "input_word_ids must be in [0, vocab_size) (50). Received: 51"
  error = tf.errors.InvalidArgumentError(None, None, f"assertion [{line}]\n...")
  assert _found(_params(folder), error=error) == line


def test_records_from_elsewhere_are_not_looked_for():
  params = _params("nowhere", input_path="dummy")
  params.task.validation_data.input_path = ""
  params.task.validation_data.tfds_name = "wikipedia"
  _explain(params)


def _finetuning(folder):
  params = exp_factory.get_exp_config("bert/token_drop_glue")
  params.task.train_data.input_path = f"{folder}/train-1"
  params.task.validation_data.input_path = (
    f"{folder}/train-0",
    f"{folder}/validation",
  )
  return params


def test_records_of_fine_tuning_have_other_features(folder):
  _write(folder / "train-1", STATIC["position"][0])
  _explain(_finetuning(folder))


@pytest.mark.parametrize("data", DATA)
def test_truncated_file_of_fine_tuning(folder, data):
  path = _path(folder, data)
  path.write_bytes(path.read_bytes()[:-3])
  message = _found(_finetuning(folder))
  assert message.startswith(f"task.{data}.input_path must match TFRecord files")
  assert f"Received: {path}, record 3: " in message


# What is skipped.


def _skippers(params) -> dict:
  return {
    f"task.{name}": record_skipper.RecordSkipper(
      getattr(params.task, name), testing.VOCAB_SIZE, f"task.{name}"
    )
    for name in DATA
  }


def test_what_is_skipped_is_not_the_reason(folder):
  _write(folder / "train-0", STATIC["position"][0])
  path = _path(folder, "train_data")
  path.write_bytes(path.read_bytes()[:-3])
  params = _params(folder, on_bad_records="skip")
  _explain(params, skippers=_skippers(params))


@pytest.mark.parametrize("data", DATA)
def test_a_file_that_breaks_while_bad_records_are_skipped(folder, data):
  truncated = folder / "train-0"
  truncated.write_bytes(truncated.read_bytes()[:-3])
  params = _params(folder, on_bad_records="skip")
  skippers = _skippers(params)
  path = _path(folder, data)
  os.truncate(path, 25)
  message = _found(params, skippers=skippers)
  assert message.startswith(f"task.{data}.input_path must match TFRecord files")
  assert f"Received: {path}, record 0: " in message
