# SPDX-License-Identifier: Apache-2.0
"""Tests of every rule about records, on records made here and by others."""

import random

import numpy as np
import pytest
import tensorflow as tf
from official.core import exp_factory
from official.nlp.configs import bert
from official.nlp.data import create_pretraining_data
from official.nlp.data import pretrain_dataloader
from official.nlp.tools import tokenization

from tests import testing
from token_dropping.common import config_overrides
from token_dropping.common import errors
from token_dropping.common import vocabulary
from token_dropping.data.batches import pretrain_data
from token_dropping.data.batches import record_checks
from token_dropping.tasks.masked_lm import task as masked_lm

V = testing.VOCAB_SIZE
PATH = "task.train_data"


def _data(input_path, **fields):
  defaults = {
    "seq_length": testing.SEQ_LENGTH,
    "max_predictions_per_seq": testing.PREDICTIONS,
    "global_batch_size": 2,
    "use_v2_feature_names": True,
    "use_next_sentence_label": False,
  }
  return pretrain_dataloader.BertPretrainDataConfig(
    input_path=input_path, **(defaults | fields)
  )


def _check(data, vocab_size: int = V) -> None:
  record_checks.check_records(data, vocab_size, PATH)


def _refused(data, vocab_size: int = V) -> str:
  with pytest.raises(errors.UserError) as caught:
    _check(data, vocab_size)
  return str(caught.value)


def _write(folder, *records: dict, name: str = "records") -> str:
  return testing.write_records(folder / name, list(records))


def _with(name: str, index: int, value: int) -> dict:
  """Returns a record with one value changed."""
  features = testing.random_features(0)
  features[name][index] = value
  return features


def _v1(record: dict) -> dict:
  names = pretrain_data.V1_NAMES
  return {names.get(name, name): values for name, values in record.items()}


# Files.


@pytest.fixture
def two_files(tmp_path):
  for index in range(2):
    _write(tmp_path, testing.random_features(index), name=f"part-{index}")
  return tmp_path


@pytest.mark.parametrize(
  "paths",
  [
    "{0}/part-0",
    "{0}/part-*",
    "{0}/part-?",
    "{0}/part-0,{0}/part-1",
    "{0}/part-0, {0}/part-1",
    ["{0}/part-0", "{0}/part-1"],
    ("{0}/part-*",),
    ["{0}/part-0,{0}/part-1"],
  ],
)
def test_input_path_is_read_as_model_garden_reads_it(two_files, paths):
  if isinstance(paths, str):
    paths = paths.format(two_files)
  else:
    paths = type(paths)(path.format(two_files) for path in paths)
  _check(_data(paths))


@pytest.mark.parametrize("separate", [",".join, list])
def test_every_file_of_several_is_read(two_files, separate):
  _write(two_files, _with("input_word_ids", 0, V), name="part-1")
  files = [f"{two_files}/part-{index}" for index in range(2)]
  assert f"in {files[1]}, record 0" in _refused(_data(separate(files)))


def test_dummy_records_are_model_gardens():
  _check(_data("dummy"))


def test_tfds_is_left_to_tensorflow():
  _check(_data("", tfds_name="wikipedia"))


@pytest.mark.parametrize("paths", ["", []])
def test_no_input_path_says_how_to_set_it(paths):
  assert _refused(_data(paths)) == (
    "task.train_data.input_path must name TFRecord files, for example with "
    "--params_override=task.train_data.input_path='data/train-*'. Received: ''"
  )


def test_glob_must_match(tmp_path):
  assert _refused(_data(f"{tmp_path}/nothing*")) == (
    "task.train_data.input_path must match at least one file. "
    f"Received: '{tmp_path}/nothing*'"
  )


def test_commas_alone_match_nothing():
  assert _refused(_data(" , ")) == (
    "task.train_data.input_path must match at least one file. Received: ' , '"
  )


def _assert_unreadable(path, record: int = 0) -> None:
  assert _refused(_data(str(path))).startswith(
    "task.train_data.input_path must match TFRecord files that can be read to "
    f"their end. Received: {path}, record {record}: "
  )


def test_missing_file_is_refused(tmp_path):
  path = tmp_path / "nothing"
  _assert_unreadable(path)
  fault = f"record 0: {path}; No such file or directory"
  assert _refused(_data(str(path))).endswith(fault)


def test_folder_is_refused(tmp_path):
  _assert_unreadable(tmp_path)


def test_other_file_is_refused(tmp_path):
  path = tmp_path / "text"
  path.write_text("Once upon a time there was no record at all.\n" * 9)
  _assert_unreadable(path)


def test_truncated_file_is_refused(tmp_path):
  path = tmp_path / "records"
  _write(tmp_path, testing.random_features(0), testing.random_features(1))
  path.write_bytes(path.read_bytes()[:-5])
  _assert_unreadable(path, record=1)


def _write_raw(path, *records: bytes) -> str:
  with tf.io.TFRecordWriter(str(path)) as writer:
    for record in records:
      writer.write(record)
  return str(path)


WORKERS = tf.train.ClusterDef(job=[tf.train.JobDef(name="worker")])


@pytest.mark.parametrize(
  "record", [b"\xff\xff no proto", WORKERS.SerializeToString()]
)
def test_records_of_something_else_are_refused(tmp_path, record):
  path = _write_raw(tmp_path / "records", record)
  assert _refused(_data(path)) == (
    "task.train_data: records must be tf.train.Example. "
    f"Received: {path}, record 0, which is not"
  )


def test_other_proto_that_reads_as_an_empty_example_is_refused(tmp_path):
  proto = tf.train.ServerDef(job_name="worker")
  path = _write_raw(tmp_path / "records", proto.SerializeToString())
  message = _refused(_data(path))
  assert message.startswith("task.train_data: records must have the features ")
  assert f"Received: {path}, record 0 without " in message


def test_empty_files_are_refused(tmp_path):
  path = _write(tmp_path)
  assert _refused(_data(path)) == (
    f"task.train_data.input_path must hold records. Received: {path!r}, whose "
    "files are empty"
  )


def test_some_files_may_be_empty(two_files):
  _write(two_files, name="part-0")
  _check(_data(f"{two_files}/part-*"))


def test_compressed_records_are_read(tmp_path):
  plain = tmp_path / "records"
  _write(tmp_path, testing.random_features(0))
  records = tf.data.TFRecordDataset(str(plain)).as_numpy_iterator()
  path = str(tmp_path / "records.gz")
  with tf.io.TFRecordWriter(path, "GZIP") as writer:
    for record in records:
      writer.write(record)
  _check(_data(path, file_type="tfrecord_compressed"))
  _assert_unreadable(path)


# Features.


def test_old_names_are_read(tmp_path):
  path = _write(tmp_path, _v1(testing.random_features(0)))
  _check(_data(path, use_v2_feature_names=False))


@pytest.mark.parametrize("v2", [True, False])
def test_names_of_the_other_kind_say_which_flag(tmp_path, v2):
  record = testing.random_features(0)
  path = _write(tmp_path, _v1(record) if v2 else record)
  flag, other = ("true", "false") if v2 else ("false", "true")
  assert _refused(_data(path, use_v2_feature_names=v2)) == (
    f"task.train_data.use_v2_feature_names must be {other} for these records "
    f"({path}, record 0). Received: {flag}"
  )


def test_records_may_have_both_names(tmp_path):
  record = testing.random_features(0)
  path = _write(tmp_path, record | _v1(record))
  _check(_data(path, use_v2_feature_names=True))
  _check(_data(path, use_v2_feature_names=False))


V2_NAMES = (
  "input_mask, input_type_ids, input_word_ids, masked_lm_ids, "
  "masked_lm_positions, masked_lm_weights"
)


@pytest.mark.parametrize("missing", V2_NAMES.split(", "))
def test_every_feature_is_needed(tmp_path, missing):
  record = testing.random_features(0)
  del record[missing]
  path = _write(tmp_path, testing.random_features(1), record)
  assert _refused(_data(path)) == (
    f"task.train_data: records must have the features {V2_NAMES}. "
    f"Received: {path}, record 1 without {missing}"
  )


def test_missing_old_name_is_named(tmp_path):
  record = _v1(testing.random_features(0))
  del record["segment_ids"]
  path = _write(tmp_path, record)
  message = _refused(_data(path, use_v2_feature_names=False))
  assert message.endswith(f"Received: {path}, record 0 without segment_ids")


def test_record_without_features_is_refused(tmp_path):
  path = _write(tmp_path, {})
  assert _refused(_data(path)) == (
    f"task.train_data: records must have the features {V2_NAMES}. "
    f"Received: {path}, record 0 without {V2_NAMES}"
  )


def test_sentence_labels_are_needed_where_used(tmp_path):
  path = _write(tmp_path, testing.random_features(0))
  message = _refused(_data(path, use_next_sentence_label=True))
  assert message.endswith(f"{path}, record 0 without next_sentence_labels")
  path = _write(tmp_path, testing.random_features(0, next_sentence=True))
  _check(_data(path, use_next_sentence_label=True))
  _check(_data(path, use_next_sentence_label=False))


# Lengths and ids.


@pytest.mark.parametrize(
  ("field", "received", "actual", "feature"),
  [
    ("seq_length", 8, 16, "input_word_ids"),
    ("max_predictions_per_seq", 4, 3, "masked_lm_positions"),
  ],
)
def test_lengths_must_be_those_of_the_records(
  tmp_path, field, received, actual, feature
):
  path = _write(tmp_path, testing.random_features(0))
  assert _refused(_data(path, **{field: received})) == (
    f"task.train_data.{field} must be that of the records, {actual} "
    f"({feature} in {path}, record 0). Received: {received}"
  )


@pytest.mark.parametrize("labels", [[], [0, 1]])
def test_a_record_has_one_sentence_label(tmp_path, labels):
  record = testing.random_features(0) | {"next_sentence_labels": labels}
  path = _write(tmp_path, record)
  assert _refused(_data(path, use_next_sentence_label=True)) == (
    f"next_sentence_labels must be one number. Received: {labels} in {path}, "
    "record 0"
  )


@pytest.mark.parametrize("feature", ["input_mask", "masked_lm_weights"])
def test_every_feature_must_have_the_length(tmp_path, feature):
  features = testing.random_features(0)
  features[feature] = features[feature][:-1]
  path = _write(tmp_path, features)
  assert f"({feature} in {path}, record 0)" in _refused(_data(path))


def test_positions_must_be_inside_the_sequence(tmp_path):
  features = testing.random_features(0)
  features["masked_lm_positions"][1] = 16
  path = _write(tmp_path, features)
  assert _refused(_data(path)) == (
    "masked_lm_positions must be in [0, seq_length) (16). "
    f"Received: 16 in {path}, record 0"
  )


def test_lengths_of_old_names_are_checked(tmp_path):
  path = _write(tmp_path, _v1(testing.random_features(0)))
  data = _data(path, use_v2_feature_names=False, seq_length=8)
  assert "seq_length must be that of the records, 16 " in _refused(data)


@pytest.mark.parametrize("value", [V, V + 100, -1])
@pytest.mark.parametrize("name", ["input_word_ids", "masked_lm_ids"])
def test_ids_must_be_of_the_vocabulary(tmp_path, name, value):
  path = _write(tmp_path, testing.random_features(1), _with(name, 1, value))
  assert _refused(_data(path)) == (
    f"{name} must be in [0, vocab_size) (50); is the encoder's vocab_size that "
    f"of the records? Received: {value} in {path}, record 1"
  )


def test_ids_of_old_names_are_checked(tmp_path):
  path = _write(tmp_path, _v1(_with("input_word_ids", 0, V)))
  message = _refused(_data(path, use_v2_feature_names=False))
  assert message.startswith("input_ids must be in [0, vocab_size) (50)")


def test_first_and_last_id_are_fine(tmp_path):
  _check(
    _data(
      _write(
        tmp_path, _with("input_word_ids", 0, 0), _with("input_word_ids", 0, 49)
      )
    )
  )


def test_only_the_first_records_are_read(tmp_path):
  good = [testing.random_features(0)] * record_checks.RECORDS_CHECKED
  _check(_data(_write(tmp_path, *good, _with("input_word_ids", 0, V))))


# To skip bad records.


def _skipping(path: str) -> pretrain_data.PretrainDataConfig:
  fields = _data(path).as_dict()
  return pretrain_data.PretrainDataConfig(**fields | {"on_bad_records": "skip"})


def test_bad_records_among_good_ones_are_left_to_be_skipped(tmp_path):
  bad = _with("input_word_ids", 0, V)
  path = _write(tmp_path, bad, testing.random_features(0))
  assert "record 0" in _refused(_data(path))
  _check(_skipping(path))


def test_a_file_that_breaks_off_is_left_to_be_skipped(tmp_path):
  path = tmp_path / "records"
  _write(tmp_path, testing.random_features(0), testing.random_features(1))
  path.write_bytes(path.read_bytes()[:-5])
  _check(_skipping(f"{path},{tmp_path}/gone"))


def test_where_no_record_is_good_the_config_is_wrong(tmp_path):
  path = _write(tmp_path, *[testing.random_features(seed) for seed in range(2)])
  data = _skipping(path).replace(seq_length=8)
  assert _refused(data) == (
    "task.train_data.seq_length must be that of the records, 16 "
    f"(input_word_ids in {path}, record 0). Received: 8"
  )


# Records of Model Garden's own script.


TEXT = """The first sentence of a story.
It has a second one and a third.

Another story begins here.
It ends here.
"""


def _model_garden_records(folder, v2: bool) -> tuple[str, int]:
  """Returns the path of the records and the size of their vocabulary."""
  words = sorted(set(TEXT.lower().replace(".", " .").split()))
  vocab = [*vocabulary.SPECIAL_TOKENS, *words]
  (folder / "vocab.txt").write_text("\n".join(vocab))
  (folder / "text.txt").write_text(TEXT)
  tokenizer = tokenization.FullTokenizer(str(folder / "vocab.txt"))
  instances = create_pretraining_data.create_training_instances(
    [str(folder / "text.txt")],
    tokenizer,
    create_pretraining_data.get_processor_text_fn(False, True),
    max_seq_length=testing.SEQ_LENGTH,
    dupe_factor=2,
    short_seq_prob=0.1,
    masked_lm_prob=0.15,
    max_predictions_per_seq=testing.PREDICTIONS,
    rng=random.Random(1),
  )
  path = str(folder / "records")
  create_pretraining_data.write_instance_to_example_files(
    instances,
    tokenizer,
    testing.SEQ_LENGTH,
    testing.PREDICTIONS,
    [path],
    gzip_compress=False,
    use_v2_feature_names=v2,
  )
  return path, len(vocab)


@pytest.mark.parametrize("v2", [False, True], ids=["old names", "v2 names"])
def test_records_of_model_garden_pass_and_are_read(tmp_path, v2):
  path, vocab_size = _model_garden_records(tmp_path, v2)
  params = exp_factory.get_exp_config("bert/token_drop")
  head = bert.ClsHeadConfig(inner_dim=8, name="next_sentence").as_dict()
  model = {
    "encoder": {"any": {"vocab_size": vocab_size}},
    "cls_heads": [head],
  }
  data = {
    "input_path": path,
    "use_v2_feature_names": v2,
    "use_next_sentence_label": True,
  }
  tree = {"task": {"model": model, "train_data": data}}
  config_overrides.apply_overrides(
    params, testing.merged(testing.TINY, tree), source="test"
  )
  record_checks.check_records(params.task.train_data, vocab_size, PATH)
  task = masked_lm.TokenDropMaskedLMTask(params.task)
  batch = next(iter(task.build_inputs(params.task.train_data)))
  assert {name: tuple(value.shape) for name, value in batch.items()} == {
    "input_word_ids": (4, 16),
    "input_mask": (4, 16),
    "input_type_ids": (4, 16),
    "masked_lm_positions": (4, 3),
    "masked_lm_ids": (4, 3),
    "masked_lm_weights": (4, 3),
    "next_sentence_labels": (4, 1),
  }
  cls = vocabulary.SPECIAL_TOKENS.index(vocabulary.CLS)
  np.testing.assert_array_equal(batch["input_word_ids"][:, 0], [cls] * 4)


def test_records_of_model_garden_do_not_fit_a_smaller_vocabulary(tmp_path):
  path, vocab_size = _model_garden_records(tmp_path, v2=True)
  message = _refused(_data(path), vocab_size=10)
  assert " must be in [0, vocab_size) (10); is the encoder's " in message
  _check(_data(path), vocab_size)
