# SPDX-License-Identifier: Apache-2.0
"""Tests of bad records, refused, skipped and found after a failure."""

import os
import pathlib

import numpy as np
import pytest
import tensorflow as tf
from official.nlp.data import sentence_prediction_dataloader

from tests import testing
from token_dropping.common import errors
from token_dropping.data.batches import bad_records
from token_dropping.data.batches import pretrain_data
from token_dropping.data.batches import record_rules

V = testing.VOCAB_SIZE
PATH = "task.train_data"
SIZES = {
  "seq_length": testing.SEQ_LENGTH,
  "max_predictions_per_seq": testing.PREDICTIONS,
  "global_batch_size": 4,
  "use_v2_feature_names": True,
  "use_next_sentence_label": True,
}
NO_EXAMPLE = b"\xff\xff no proto"
# What is wrong with a record, by masking and feature.
BAD = {
  ("static", "negative id"): {"input_word_ids": [-1] * 16},
  ("static", "huge id"): {"masked_lm_ids": [2**32 + 7, 7, 0]},
  ("static", "position"): {"masked_lm_positions": [1, 16, 0]},
  ("static", "weights of 0"): {"masked_lm_weights": [0.0, 0.0, 0.0]},
  ("static", "negative weight"): {"masked_lm_weights": [1.0, -1.0, 0.0]},
  ("static", "length"): {"input_word_ids": [7] * 15},
  ("static", "no label"): {"next_sentence_labels": []},
  ("static", "no example"): NO_EXAMPLE,
  ("dynamic", "id"): {"input_word_ids": [50] * 16},
  ("dynamic", "length"): {"word_starts": [1] * 17},
  ("dynamic", "no example"): NO_EXAMPLE,
}
POSITION = BAD["static", "position"]


def _records(count: int, masking: str = "static", **bad) -> list:
  """Returns records; `at` and `change` make one a bad one."""
  is_static = masking == "static"
  make = testing.random_features if is_static else testing.dynamic_features
  records = [make(seed, next_sentence=True) for seed in range(count)]
  if bad:
    change = bad["change"]
    is_raw = isinstance(change, bytes)
    records[bad["at"]] = change if is_raw else records[bad["at"]] | change
  return records


def _write(path, *args, **kwargs) -> pathlib.Path:
  return pathlib.Path(testing.write_records(path, _records(*args, **kwargs)))


def _skipper(data) -> bad_records.RecordSkipper:
  return bad_records.RecordSkipper(record_rules.RecordRules(data, V, PATH))


def _cut(path: pathlib.Path) -> None:
  path.write_bytes(path.read_bytes()[:-5])


def _data(input_path, **fields) -> pretrain_data.PretrainDataConfig:
  if isinstance(input_path, pathlib.Path):
    input_path = str(input_path)
  fields = SIZES | fields
  return pretrain_data.PretrainDataConfig(input_path=input_path, **fields)


# Before a run.


def _check(data, vocab_size: int = V) -> None:
  bad_records.check_first_records(data, vocab_size, PATH)


def _refused(data, vocab_size: int = V) -> str:
  with pytest.raises(errors.UserError) as caught:
    _check(data, vocab_size)
  return str(caught.value)


@pytest.mark.parametrize(
  "paths",
  [
    "{0}/part-0",
    "{0}/part-*",
    "{0}/part-0, {0}/part-1",
    ("{0}/part-*",),
    ["{0}/part-0,{0}/part-1"],
  ],
)
def test_input_path_is_read_as_model_garden_reads_it(tmp_path, paths):
  _write(tmp_path / "part-0", 1)
  _write(tmp_path / "part-1", 1)
  if isinstance(paths, str):
    _check(_data(paths.format(tmp_path)))
  else:
    _check(_data(type(paths)(path.format(tmp_path) for path in paths)))


@pytest.mark.parametrize("separate", [",".join, list])
def test_every_file_of_several_is_read(tmp_path, separate):
  files = [f"{tmp_path}/part-{index}" for index in range(2)]
  _write(files[0], 0)  # some may be empty
  _write(files[1], 1)
  _check(_data(separate(files)))
  _write(files[1], 2, at=1, change=POSITION)
  assert f"in {files[1]}, record 1" in _refused(_data(separate(files)))


def test_records_without_files_are_left_to_others():
  _check(_data("dummy"))
  _check(_data("", tfds_name="wikipedia"))


@pytest.mark.parametrize("paths", ["", []])
def test_no_input_path_says_how_to_set_it(paths):
  assert _refused(_data(paths)) == (
    "task.train_data.input_path must name TFRecord files, for example with "
    "--params_override=task.train_data.input_path='data/train-*'. Received: ''"
  )


@pytest.mark.parametrize("path", ["/nowhere/nothing*", " , "])
def test_input_path_must_match(path):
  assert _refused(_data(path)) == (
    "task.train_data.input_path must match at least one file. "
    f"Received: {path!r}"
  )


def _assert_unreadable(path, record: int = 0) -> None:
  assert _refused(_data(path)).startswith(
    "task.train_data.input_path must match TFRecord files that can be read to "
    f"their end. Received: {path}, record {record}: "
  )


def test_what_cannot_be_read_is_refused(tmp_path):
  _assert_unreadable(tmp_path)
  _assert_unreadable(tmp_path / "nothing")
  path = tmp_path / "text"
  path.write_text("Once upon a time there was no record at all.\n" * 9)
  _assert_unreadable(path)
  path = _write(tmp_path / "records", 2)
  _cut(path)
  _assert_unreadable(path, record=1)


def test_empty_files_are_refused(tmp_path):
  path = _write(tmp_path / "records", 0)
  assert _refused(_data(path)) == (
    f"task.train_data.input_path must hold records. Received: {str(path)!r}, "
    "whose files are empty"
  )


def test_compressed_records_are_read(tmp_path):
  path = tmp_path / "records.gz"
  with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
    writer.write(testing.serialized(_records(1)[0]))
  _check(_data(path, file_type="tfrecord_compressed"))
  _assert_unreadable(path)


def test_only_the_first_records_are_read(tmp_path):
  count = bad_records.RECORDS_CHECKED
  path = _write(tmp_path / "r", count + 1, at=count, change=POSITION)
  _check(_data(path))


def test_dynamic_masking_needs_a_vocabulary_that_fits(tmp_path):
  vocab_file = testing.write_vocabulary(tmp_path / "vocab.txt")
  data = _data(_write(tmp_path / "r", 1, "dynamic"), masking="dynamic")
  assert _refused(data) == (
    "task.train_data.vocab_file must name the vocab.txt of the records with "
    "task.train_data.masking=dynamic. Received: ''"
  )
  assert _refused(data.replace(vocab_file="nowhere.txt")) == (
    "vocab_file must be a readable file. Received: 'nowhere.txt'"
  )
  data = data.replace(vocab_file=vocab_file)
  assert _refused(data, V - 1) == (
    "task.train_data.vocab_file must have at most the encoder's vocab_size "
    f"tokens ({V - 1}). Received: {vocab_file!r} with {V}"
  )
  _check(data)


def test_what_is_bad_among_good_ones_is_left_to_be_skipped(tmp_path):
  path = _write(tmp_path / "records", 3, at=0, change=POSITION)
  _cut(path)
  data = _data(f"{path},{tmp_path}/gone")
  _refused(data)
  _check(data.replace(on_bad_records="skip"))


def test_where_no_record_is_good_the_config_is_wrong(tmp_path):
  path = _write(tmp_path / "records", 2)
  message = _refused(_data(path, on_bad_records="skip", seq_length=8))
  assert message.startswith("task.train_data.seq_length must be that of the ")
  assert f"{path}, record 0" in message


# In a run.


RECORDS, AT = 12, 6


def _load(folder, masking="static", paths="records", skip=True, epochs=1):
  """Returns skipper and batches of training."""
  data = _data(
    [f"{folder}/{path}" for path in paths.split()],
    masking=masking,
    vocab_file=testing.write_vocabulary(folder / "vocab.txt"),
  )
  skipper = _skipper(data) if skip else None
  dataset = pretrain_data.PretrainDataLoader(data).load(skipper=skipper)
  batches = dataset.take(epochs * RECORDS // 4).as_numpy_iterator()
  return skipper, list(batches)


def _count(batches: list[dict]) -> int:
  return sum(batch[record_rules.SKIPPED].sum() for batch in batches)


@pytest.mark.parametrize("kind", BAD)
def test_padding_instead_of_a_bad_record(tmp_path, kind):
  masking, path = kind[0], tmp_path / "records"
  _write(path, RECORDS, masking)
  _, intact = _load(tmp_path, masking, skip=False)
  _write(path, RECORDS, masking, at=AT, change=BAD[kind])
  skipper, batches = _load(tmp_path, masking)
  assert _count(batches) == 1
  assert skipper.first == f"{path}, record {AT}"
  for batch, other in zip(batches, intact, strict=True):
    bad = batch.pop(record_rules.SKIPPED) == 1
    assert bad.shape == (4,)
    for name, values in batch.items():
      np.testing.assert_array_equal(values[~bad], other[name][~bad])
      assert not values[bad].any(), name


def test_good_records_are_left_alone(tmp_path, capsys):
  _write(tmp_path / "records", RECORDS)
  _, intact = _load(tmp_path, skip=False)
  skipper, batches = _load(tmp_path)
  for batch, other in zip(batches, intact, strict=True):
    assert not batch.pop(record_rules.SKIPPED).any()
    tf.nest.map_structure(np.testing.assert_array_equal, batch, other)
  assert skipper.first is None
  assert not capsys.readouterr().err


def test_a_bad_record_is_named_once(tmp_path, capsys):
  path = _write(tmp_path / "records", RECORDS, at=AT, change=POSITION)
  _, batches = _load(tmp_path, epochs=4)
  assert _count(batches) == 4
  assert capsys.readouterr().err == (
    "warning: skipped (task.train_data.on_bad_records=skip): "
    "masked_lm_positions must be in [0, seq_length) (16). Received: 16 in "
    f"{path}, record {AT}\n"
  )


@pytest.mark.parametrize("masking", pretrain_data.MASKING)
def test_one_padding_for_what_a_file_has_lost(tmp_path, capsys, masking):
  path = _write(tmp_path / "records", RECORDS, masking)
  _cut(path)
  _, batches = _load(tmp_path, masking)
  assert _count(batches) == 1
  masks = np.concatenate([batch["input_mask"] for batch in batches])
  assert masks.any(axis=1).sum() == RECORDS - 1
  assert f"Received: {path}, record {RECORDS - 1}: " in capsys.readouterr().err


def test_a_file_that_went_before_the_start(tmp_path, capsys):
  _write(tmp_path / "records", RECORDS)
  skipper, _ = _load(tmp_path, paths="records gone")
  assert [content.records for content in skipper.contents] == [RECORDS, 0]
  assert f"Received: {tmp_path}/gone, record 0: " in capsys.readouterr().err


def test_a_file_that_goes_later_is_an_error(tmp_path):
  path = _write(tmp_path / "records", RECORDS)
  data = _data(path)
  skipper = _skipper(data)
  dataset = pretrain_data.PretrainDataLoader(data).load(skipper=skipper)
  path.unlink()
  with pytest.raises(tf.errors.NotFoundError):
    next(iter(dataset))


# After a run failed.


ERROR = tf.errors.InvalidArgumentError(None, None, "some error of TensorFlow")


@pytest.fixture
def folder(tmp_path):
  """Two files of four records."""
  for name in ("train-0", "train-1"):
    _write(tmp_path / name, 4)
  return tmp_path


def _explain(data, steps=range(2), error=ERROR, skippers=None) -> None:
  bad_records.explain(error, {PATH: data}, V, steps, skippers or {})


def _found(*args, **kwargs) -> str:
  with pytest.raises(errors.UserError) as caught:
    _explain(*args, **kwargs)
  assert "\n" not in str(caught.value)
  return str(caught.value)


def _inputs(folder, **fields):
  return _data([f"{folder}/train-0", f"{folder}/train-1"], **fields)


def _sentences(folder):
  return sentence_prediction_dataloader.SentencePredictionDataConfig(
    input_path=f"{folder}/train-*"
  )


@pytest.mark.parametrize("make", [_inputs, _sentences])
def test_a_truncated_file_is_found(folder, make):
  _cut(folder / "train-1")
  assert _found(make(folder)).startswith(
    "task.train_data.input_path must match TFRecord files that can be read to "
    f"their end. Received: {folder}/train-1, record 3: "
  )


@pytest.mark.parametrize("is_training", [True, False])
def test_a_corrupt_record_is_found(folder, is_training):
  path = folder / "train-1"
  content = bytearray(path.read_bytes())
  content[len(content) * 5 // 8] ^= 1  # inside of record 2 of 4
  path.write_bytes(content)
  message = _found(_inputs(folder, is_training=is_training))
  assert f"Received: {path}, record 2: corrupted record at " in message


def test_files_that_went_are_found(folder):
  data = _inputs(folder)
  path = folder / "train-1"
  path.unlink()
  assert f"Received: {path}, record 0: {path}; No such file" in _found(data)
  message = _found(_data(f"{folder}/gone-*"))
  assert message.startswith("task.train_data.input_path must match at least ")


@pytest.mark.parametrize("is_training", [True, False])
@pytest.mark.parametrize("kind", BAD)
def test_a_bad_record_is_found(folder, kind, is_training):
  _write(folder / "train-0", 4, kind[0])
  path = _write(folder / "train-1", 4, kind[0], at=2, change=BAD[kind])
  data = _inputs(folder, masking=kind[0], is_training=is_training)
  assert f"{path}, record 2" in _found(data)


def test_of_training_only_the_records_of_the_loop_are_looked_at(folder):
  _write(folder / "train-1", 4, at=2, change=POSITION)
  data = _inputs(folder, shuffle_buffer_size=1)
  # An epoch has two steps; in one of them the record is read.
  steps = []
  for step in range(4):
    try:
      _explain(data, range(step, step + 1))
    except errors.UserError:
      steps.append(step)
  assert steps in ([0, 2], [0, 3], [1, 2], [1, 3])


def test_where_nothing_is_found(folder):
  _explain(_inputs(folder))
  _explain(_data("dummy"))
  _explain(_data("", tfds_name="wikipedia"))
  # Records of fine-tuning have other features.
  _write(folder / "train-1", 4, at=2, change=POSITION)
  _explain(_sentences(folder))


def test_a_rule_without_its_record_is_still_told(folder):
  line = "input_word_ids must be in [0, vocab_size) (50). Received: 51"
  error = tf.errors.InvalidArgumentError(None, None, f"assertion [{line}]\n...")
  assert _found(_inputs(folder), error=error) == line


def test_what_is_skipped_is_not_the_reason(folder):
  _write(folder / "train-0", 4, at=2, change=POSITION)
  _cut(folder / "train-1")
  data = _inputs(folder)
  skippers = {PATH: _skipper(data)}
  _explain(data, skippers=skippers)
  os.truncate(folder / "train-0", 25)
  message = _found(data, skippers=skippers)
  assert message.startswith(f"{PATH}.input_path must match TFRecord files")
  assert f"Received: {folder}/train-0, record 0: " in message
