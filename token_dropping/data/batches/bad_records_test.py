# SPDX-License-Identifier: Apache-2.0
"""Tests of bad records, refused, skipped and found after a failure."""

import os
import pathlib
import types

import numpy as np
import pytest
import tensorflow as tf
from official.nlp.data import pretrain_dataloader
from official.nlp.data import sentence_prediction_dataloader

from tests import testing
from token_dropping.common import errors
from token_dropping.data.batches import bad_records
from token_dropping.data.batches import pretrain_data
from token_dropping.data.batches import record_rules

V = testing.VOCAB_SIZE
PATH = "task.train_data"
FIELDS = {"use_v2_feature_names": True, "use_next_sentence_label": True}
FIELDS |= testing.DATA
# One of each way to be bad, by masking. `record_rules_test` has every rule.
BAD = [
  ("static", {"masked_lm_positions": [1, 16, 0]}),
  ("static", {"masked_lm_ids": [2**32 + 7, 7, 0]}),
  ("static", {"masked_lm_weights": [0.0, 0.0, 0.0]}),
  ("static", {"next_sentence_labels": []}),
  ("static", b"\xff\xff no proto"),
  ("dynamic", {"input_word_ids": [50] * 16}),
  ("dynamic", {"word_starts": [1] * 17}),
]
POSITION = BAD[0][1]


def _write(path, count, masking="static", at=0, change=None) -> pathlib.Path:
  """Writes records; `change` makes the one `at` a place a bad one."""
  is_static = masking == "static"
  make = testing.random_features if is_static else testing.dynamic_features
  records = [make(seed, next_sentence=True) for seed in range(count)]
  if change:
    is_raw = isinstance(change, bytes)
    records[at] = change if is_raw else records[at] | change
  return pathlib.Path(testing.write_records(path, records))


def _skipper(data) -> bad_records.RecordSkipper:
  return bad_records.RecordSkipper(
    record_rules.RecordRules(data, testing.NETWORK, PATH)
  )


def _cut(path: pathlib.Path) -> None:
  path.write_bytes(path.read_bytes()[:-5])


def _data(path, **fields) -> pretrain_data.PretrainDataConfig:
  path = str(path) if isinstance(path, pathlib.Path) else path
  return pretrain_data.PretrainDataConfig(input_path=path, **(FIELDS | fields))


# Before a run.


def _check(data, vocab_size: int = V) -> None:
  sizes = types.SimpleNamespace(vocab_size=vocab_size, type_vocab_size=2)
  rules = record_rules.RecordRules(data, sizes, PATH)
  bad_records.check_first_records(rules)


def _refused(data, vocab_size: int = V) -> str:
  return testing.refused(_check, data, vocab_size)


@pytest.mark.parametrize(
  "paths",
  [
    *("{0}/part-*", "{0}/part-0, {0}/part-1", ("{0}/part-*",)),
    *(["{0}/part-0,{0}/part-1"], ["{0}/part-0", "{0}/part-1"]),
  ],
)
def test_every_file_is_read_as_model_garden_would(tmp_path, paths):
  if isinstance(paths, str):
    paths = paths.format(tmp_path)
  else:
    paths = type(paths)(path.format(tmp_path) for path in paths)
  _write(tmp_path / "part-0", 0)  # some may be empty
  path = _write(tmp_path / "part-1", 1)
  _check(_data(paths))
  _write(path, 2, at=1, change=POSITION)
  assert f"in {path}, record 1" in _refused(_data(paths))


def test_only_the_first_records_of_files_are_read(tmp_path):
  count = bad_records.RECORDS_CHECKED
  _check(_data(_write(tmp_path / "r", count + 1, at=count, change=POSITION)))
  _check(_data("dummy"))
  _check(_data("", tfds_name="wikipedia"))


NONE = ("", [])
PLACES = (
  ": TensorFlow reads other places only with packages of their own, such as "
  "tensorflow-io"
)
EXAMPLE = "--params_override=task.train_data.input_path='data/train-*'"


@pytest.mark.parametrize(
  ("paths", "rule"),
  [
    *((no, f"name TFRecord files, for example with {EXAMPLE}") for no in NONE),
    *((no, "match at least one file") for no in ("/nowhere/*", " , ")),
    ("s3://b/*", f"be local or gs://{PLACES}"),
  ],
)
def test_input_path_must_match(paths, rule):
  message = f"task.train_data.input_path must {rule}. Received: {paths or ''!r}"
  for masking in ("static", "dynamic"):  # whose vocabulary is not there either
    assert _refused(_data(paths, masking=masking)) == message


def _assert_unreadable(path, record: int = 0, **fields) -> None:
  assert _refused(_data(path, **fields)).startswith(
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
  assert _refused(_data(_write(path, 0))) == (
    f"task.train_data.input_path must hold records. Received: {str(path)!r}, "
    "whose files are empty"
  )


def test_a_length_beyond_the_file_is_found_wherever_it_is(tmp_path):
  count = bad_records.RECORDS_CHECKED + 4
  path = _write(tmp_path / "records", count)
  path.write_bytes(path.read_bytes() + bytes(7) + b"@" + bytes(9))  # 2^62
  _assert_unreadable(path, record=count)


def test_compressed_records_are_read(tmp_path):
  path = tmp_path / "records.gz"
  record = testing.serialized(testing.random_features(0, True))
  with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
    writer.write(record)
  _check(_data(path, file_type="tfrecord_compressed"))
  _assert_unreadable(path)


def test_dynamic_masking_needs_a_vocabulary_that_fits(tmp_path):
  vocab_file = testing.write_vocabulary(tmp_path / "vocab.txt")
  data = _data(_write(tmp_path / "r", 1, "dynamic"), masking="dynamic")
  assert _refused(data) == (
    "task.train_data.vocab_file must name the vocab.txt of the records with "
    "task.train_data.masking=dynamic or "
    "task.train_data.attend_within_documents. Received: ''"
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
  data = data.replace(on_bad_records="skip")
  _check(data)
  # Where none is good, the config is wrong.
  message = _refused(data.replace(seq_length=8))
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


@pytest.fixture(scope="module")
def intact(tmp_path_factory):
  """Batches without a bad record, by masking."""
  folder = tmp_path_factory.mktemp("intact")
  batches = {}
  for masking in pretrain_data.MASKING:
    _write(folder / "records", RECORDS, masking)
    _, batches[masking] = _load(folder, masking, skip=False)
  return batches


@pytest.mark.parametrize(("masking", "change"), [*BAD, ("static", None)])
def test_padding_instead_of_a_bad_record(
  tmp_path, intact, capsys, masking, change
):
  path = _write(tmp_path / "records", RECORDS, masking, AT, change)
  skipper, batches = _load(tmp_path, masking)
  is_bad = change is not None
  assert _count(batches) == is_bad
  assert skipper.first == (f"{path}, record {AT}" if is_bad else None)
  assert bool(capsys.readouterr().err) == is_bad
  for batch, other in zip(batches, intact[masking], strict=True):
    bad = batch.pop(record_rules.SKIPPED) == 1
    assert bad.shape == (4,)
    for name, values in batch.items():
      np.testing.assert_array_equal(values[~bad], other[name][~bad])
      assert not values[bad].any(), name


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


def test_files_that_go(tmp_path, capsys):
  path = _write(tmp_path / "records", RECORDS)
  skipper, _ = _load(tmp_path, paths="records gone")
  assert [content.records for content in skipper.contents] == [RECORDS, 0]
  assert f"Received: {tmp_path}/gone, record 0: " in capsys.readouterr().err
  # Later it is an error.
  loader = pretrain_data.PretrainDataLoader(_data(path))
  dataset = loader.load(skipper=_skipper(_data(path)))
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
  def make_rules(data, path) -> record_rules.RecordRules | None:
    if isinstance(data, pretrain_dataloader.BertPretrainDataConfig):
      return record_rules.RecordRules(data, testing.NETWORK, path)
    return None

  bad_records.explain(error, {PATH: data}, make_rules, steps, skippers or {})


def _found(*args, **kwargs) -> str:
  return testing.refused(_explain, *args, **kwargs)


def _inputs(folder, **fields):
  return _data([f"{folder}/train-0", f"{folder}/train-1"], **fields)


def _sentences(folder):
  return sentence_prediction_dataloader.SentencePredictionDataConfig(
    input_path=f"{folder}/train-*"
  )


def test_a_damaged_file_is_found(folder):
  path = folder / "train-1"
  whole = path.read_bytes()
  _cut(path)
  for data in (_inputs(folder), _sentences(folder)):
    assert _found(data).startswith(
      "task.train_data.input_path must match TFRecord files that can be read "
      f"to their end. Received: {path}, record 3: "
    )
  content = bytearray(whole)
  content[len(content) * 5 // 8] ^= 1  # inside of record 2 of 4
  path.write_bytes(content)
  for is_training in (True, False):
    message = _found(_inputs(folder, is_training=is_training))
    assert f"Received: {path}, record 2: corrupted record at " in message
  path.unlink()
  message = _found(_inputs(folder))
  assert f"Received: {path}, record 0: {path}; No such file" in message
  message = _found(_data(f"{folder}/gone-*"))
  assert message.startswith("task.train_data.input_path must match at least ")


@pytest.mark.parametrize("is_training", [True, False])
@pytest.mark.parametrize(("masking", "change"), [BAD[0], BAD[-1]])
def test_a_bad_record_is_found(folder, masking, change, is_training):
  _write(folder / "train-0", 4, masking)
  path = _write(folder / "train-1", 4, masking, 2, change)
  data = _inputs(folder, masking=masking, is_training=is_training)
  assert f"{path}, record 2" in _found(data)


def test_of_training_only_the_records_of_the_loop_are_looked_at(folder):
  _write(folder / "train-1", 4, at=2, change=POSITION)
  data = _inputs(folder, shuffle_buffer_size=1)
  # An epoch has two steps; in one of them the record is read.
  found = 0
  for step in range(2):
    try:
      _explain(data, range(step, step + 1))
    except errors.UserError:
      found += 1
  assert found == 1


def test_where_nothing_is_found(folder):
  _explain(_inputs(folder))
  _explain(_data("dummy"))
  _explain(_data("", tfds_name="wikipedia"))
  # Records of fine-tuning have other features.
  _write(folder / "train-1", 4, at=2, change=POSITION)
  _explain(_sentences(folder))


def test_a_rule_without_its_record_is_still_told(folder):
  line = "masked_lm_positions must be in [0, seq_length) (16). Received: 16"
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
