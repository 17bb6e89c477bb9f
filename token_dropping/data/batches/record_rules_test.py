# SPDX-License-Identifier: Apache-2.0
"""Tests of every rule about records, on records made here and by others."""

import numpy as np
import pytest
import tensorflow as tf
from official.nlp.data import create_pretraining_data
from official.nlp.data import pretrain_dataloader
from official.nlp.tools import tokenization

from tests import testing
from token_dropping.data.batches import pretrain_data
from token_dropping.data.batches import record_rules

S, P, V = testing.SEQ_LENGTH, testing.PREDICTIONS, testing.VOCAB_SIZE
PATH, WHERE = "task.train_data", "FILE, record 3"
GOOD = testing.random_features(0, next_sentence=True)
UNMASKED = testing.dynamic_features(0, next_sentence=True)
V1_NAMES = {"input_word_ids": "input_ids", "input_type_ids": "segment_ids"}
OLD = {V1_NAMES.get(name, name): values for name, values in GOOD.items()}
# Fields of the config.
V1, PAIRS = {"use_v2_feature_names": False}, {"use_next_sentence_label": True}
DYNAMIC = {"masking": "dynamic"}


def _rules(kind=pretrain_data.PretrainDataConfig, **fields):
  names = {"use_v2_feature_names": True, "use_next_sentence_label": False}
  defaults = testing.DATA | {"global_batch_size": 2} | names
  return record_rules.RecordRules(
    kind(**(defaults | fields)), testing.NETWORK, PATH
  )


def _check(record: dict | bytes, **fields) -> None:
  if isinstance(record, dict):
    record = testing.serialized(record)
  _rules(**fields).check_record(record, WHERE)


def _refused(record: dict | bytes, **fields) -> str:
  return testing.refused(_check, record, **fields)


# Features.


WORKERS = tf.train.ClusterDef(job=[tf.train.JobDef(name="worker")])
MASKS = "masked_lm_ids, masked_lm_positions, masked_lm_weights"
V2_NAMES = f"input_mask, input_type_ids, input_word_ids, {MASKS}"


@pytest.mark.parametrize("record", [b"\xff no proto", WORKERS])
def test_records_of_something_else_are_refused(record):
  if not isinstance(record, bytes):
    record = record.SerializeToString()
  assert _refused(record) == (
    "task.train_data: records must be tf.train.Example. "
    "Received: FILE, record 3, which is not"
  )


def test_other_proto_that_reads_as_an_example_without_features():
  record = tf.train.ServerDef(job_name="worker").SerializeToString()
  assert _refused(record).endswith(f"record 3 without {V2_NAMES}")


@pytest.mark.parametrize(
  ("record", "fields", "names"),
  [
    (GOOD, {}, V2_NAMES),
    (GOOD, PAIRS, f"{V2_NAMES}, next_sentence_labels"),
    (OLD, V1, f"input_ids, input_mask, {MASKS}, segment_ids"),
    (testing.dynamic_features(0), DYNAMIC, "input_word_ids, word_starts"),
    (
      UNMASKED,
      DYNAMIC | PAIRS,
      "input_type_ids, input_word_ids, next_sentence_labels, word_starts",
    ),
  ],
)
def test_every_feature_is_needed(record, fields, names):
  _check(record, **fields)
  rule = f"task.train_data: records must have the features {names}. Received: "
  for missing in names.split(", "):
    without = {key: value for key, value in record.items() if key != missing}
    assert _refused(without, **fields) == f"{rule}{WHERE} without {missing}"


@pytest.mark.parametrize(
  ("record", "wanted", "actual"),
  [(OLD, "false", "true"), (GOOD, "true", "false")],
)
def test_names_of_the_other_version_say_which_flag(record, wanted, actual):
  fields = {"use_v2_feature_names": actual == "true"}
  assert _refused(record, **fields) == (
    f"task.train_data.use_v2_feature_names must be {wanted} for these records "
    f"(FILE, record 3). Received: {actual}"
  )
  _check(GOOD | OLD, **fields)


@pytest.mark.parametrize(
  ("record", "wanted", "actual"),
  [(GOOD, "static", "dynamic"), (UNMASKED, "dynamic", "static")],
)
def test_records_for_the_other_kind_of_masking(record, wanted, actual):
  assert _refused(record, masking=actual) == (
    f"task.train_data.masking must be {wanted} for these records "
    f"(FILE, record 3). Received: '{actual}'"
  )
  _check(GOOD | UNMASKED, masking=actual)


def test_baseline_of_model_garden_needs_masks():
  kind = pretrain_dataloader.BertPretrainDataConfig
  assert _refused(UNMASKED, kind=kind) == (
    "task.train_data: records must hold masks, which bert/pretraining does not "
    "make (FILE, record 3); the dense baseline with dynamic masking is "
    "bert/token_drop with task.model.encoder.any.token_keep_ratio=1.0. "
    "Received: word_starts without masked_lm_positions"
  )


# Lengths.


@pytest.mark.parametrize(
  ("record", "fields", "features"),
  [
    (GOOD, {}, "input_mask masked_lm_weights"),
    (OLD, V1, "input_ids masked_lm_positions"),
    (UNMASKED, DYNAMIC, "input_word_ids word_starts input_type_ids"),
  ],
)
def test_every_feature_must_have_its_length(record, fields, features):
  for feature in features.split():
    of_predictions = feature.startswith("masked_lm_")
    field = "max_predictions_per_seq" if of_predictions else "seq_length"
    length = P if of_predictions else S
    short = record | {feature: record[feature][:-1]}
    assert _refused(short, **fields) == (
      f"task.train_data.{field} must be that of the records, {length - 1} "
      f"({feature} in FILE, record 3). Received: {length}"
    )


@pytest.mark.parametrize("labels", [[], [0, 1]])
def test_a_record_has_one_sentence_label(labels):
  record = GOOD | {"next_sentence_labels": labels}
  message = f"must be one number. Received: {labels} in FILE, record 3"
  assert _refused(record, **PAIRS) == f"next_sentence_labels {message}"
  _check(record)


# Values, of a record and of a batch.


IDS = (
  " must be in [0, vocab_size) (50); is the encoder's vocab_size that of the "
  "records?"
)
TYPES = (
  " must be in [0, type_vocab_size) (2); is the encoder's type_vocab_size that "
  "of the records?"
)
FLAGS = " must be 0 or 1."
POSITIONS = " must be in [0, seq_length) (16)."
WEIGHTS = (
  "masked_lm_weights must be finite, at least 0, and one of a record above."
)
NOTHING = GOOD | {"masked_lm_weights": [0.0] * P}


def _changed(name: str, value) -> dict:
  record = {key: np.array(values) for key, values in GOOD.items()}
  record[name][1] = value
  return record


def _batches(*records: dict, **more) -> tf.data.Dataset:
  """Returns the batch of two good records, and that of others."""
  stacked = {
    name: np.array(
      [[one[name] for one in two] for two in ([GOOD] * 2, records)]
    )
    for name in GOOD
  }
  stacked["masked_lm_weights"] = np.float32(stacked["masked_lm_weights"])
  return tf.data.Dataset.from_tensor_slices(stacked | more)


def _broken_rule(dataset: tf.data.Dataset, **fields) -> str:
  """Returns what the check of the second batch says."""
  batches = iter(dataset.map(_rules(**fields).check_batch))
  next(batches)
  with pytest.raises(tf.errors.InvalidArgumentError) as caught:
    next(batches)
  return record_rules.broken_rule(caught.value)


def test_good_values_pass_unchanged():
  records = [_changed("input_word_ids", value) for value in (0, V - 1)]
  for record in records:
    _check(record)
  plain = _batches(*records)
  checked = plain.map(_rules().check_batch)
  assert checked.element_spec == plain.element_spec
  for one, two in zip(plain, checked, strict=True):
    tf.nest.map_structure(np.testing.assert_array_equal, one, two)


@pytest.mark.parametrize(
  ("name", "value", "rule"),
  [
    *(("input_word_ids", value, IDS) for value in (V, -1)),
    ("masked_lm_ids", 2**31 - 1, IDS),
    *(("masked_lm_positions", value, POSITIONS) for value in (S, -1)),
    *(("input_type_ids", value, TYPES) for value in (2, -1)),
    *(("input_mask", value, FLAGS) for value in (2, -1)),
  ],
)
def test_values_outside_their_range(name, value, rule):
  record, complaint = _changed(name, value), f"{name}{rule} Received: {value}"
  assert _refused(record) == f"{complaint} in FILE, record 3"
  assert _broken_rule(_batches(GOOD, record)) == complaint


def test_padding_ends_a_record():
  record = _changed("input_mask", 0)
  complaint = "input_mask must be 0 from the first 0 on. Received: 1"
  assert _refused(record) == f"{complaint} in FILE, record 3"
  assert _broken_rule(_batches(GOOD, record)) == complaint


def test_values_of_other_records():
  complaint = f"{IDS} Received: 50 in FILE, record 3"
  record = UNMASKED | {"input_word_ids": [V] * S}
  assert _refused(record, **DYNAMIC) == f"input_word_ids{complaint}"
  record = OLD | {"input_ids": [V] * S}
  assert _refused(record, **V1) == f"input_ids{complaint}"
  complaint = complaint.replace("50 in", "4294967303 in")
  record = UNMASKED | {"word_starts": [2] * S}
  complaint_of_flags = f"{FLAGS} Received: 2 in FILE, record 3"
  assert _refused(record, **DYNAMIC) == f"word_starts{complaint_of_flags}"
  record = GOOD | {"next_sentence_labels": [2]}
  refused = _refused(record, **PAIRS)
  assert refused == f"next_sentence_labels{complaint_of_flags}"
  assert refused.startswith(_broken_rule(_batches(GOOD, record), **PAIRS))
  huge = _changed("masked_lm_ids", 2**32 + 7)
  assert _refused(huge) == f"masked_lm_ids{complaint}"


@pytest.mark.parametrize("value", [-1.0, np.nan, np.inf, 0.0])
def test_weights_of_a_record(value):
  record = GOOD | {"masked_lm_weights": [value, 0.0, 0.0]}
  received = f"[{value}, 0.0, 0.0] in FILE, record 3"
  assert _refused(record) == f"{WEIGHTS} Received: {received}"
  complaint = _broken_rule(_batches(GOOD, record))
  assert complaint.startswith(f"{WEIGHTS} Received: ")


def test_only_a_skipped_record_may_predict_nothing():
  skipped = {"skipped_records": np.array([[0, 0], [0, 1]], np.float32)}
  dataset = _batches(GOOD, NOTHING, **skipped)
  checked = list(dataset.map(_rules().check_batch))
  assert set(checked[1]) == {*GOOD, "skipped_records"}
  others = _batches(NOTHING, GOOD, **skipped)
  assert _broken_rule(others).startswith(WEIGHTS)


def test_masks_that_are_drawn_or_made_up_may_predict_nothing():
  dataset = _batches(GOOD, NOTHING)
  for fields in (DYNAMIC, {"input_path": "dummy"}):
    assert len(list(dataset.map(_rules(**fields).check_batch))) == 2
  dataset = _batches(GOOD, _changed("masked_lm_ids", V))
  complaint = f"masked_lm_ids{IDS} Received: 50"
  assert _broken_rule(dataset, **DYNAMIC) == complaint


def test_other_errors_break_no_rule():
  error = tf.errors.InvalidArgumentError(None, None, "shapes must be equal")
  assert record_rules.broken_rule(error) is None


@pytest.mark.parametrize("is_v2", [False, True])
def test_records_of_model_garden_pass_and_are_read(tmp_path, is_v2):
  instance = create_pretraining_data.TrainingInstance(
    tokens=["[CLS]", "[MASK]", "[SEP]", "word2", "[SEP]"],
    segment_ids=[0, 0, 0, 1, 1],
    masked_lm_positions=[1],
    masked_lm_labels=["word1"],
    is_random_next=True,
  )
  vocab_file = testing.write_vocabulary(tmp_path / "vocab.txt")
  tokenizer = tokenization.FullTokenizer(vocab_file)
  path = str(tmp_path / "records")
  create_pretraining_data.write_instance_to_example_files(
    [instance] * 2, tokenizer, S, P, [path], False, is_v2
  )
  rules = _rules(input_path=path, use_v2_feature_names=is_v2, **PAIRS)
  for record in tf.data.TFRecordDataset(path).as_numpy_iterator():
    rules.check_record(record, WHERE)
  dataset = pretrain_data.PretrainDataLoader(rules.data).load()
  batch = next(dataset.map(rules.check_batch).as_numpy_iterator())
  ids = [testing.TOKENS.index(token) for token in instance.tokens]
  expected = {
    "input_word_ids": ids + [0] * 11,
    "input_mask": [1] * 5 + [0] * 11,
    "input_type_ids": [0, 0, 0, 1, 1] + [0] * 11,
    "masked_lm_positions": [1, 0, 0],
    "masked_lm_ids": [testing.TOKENS.index("word1"), 0, 0],
    "masked_lm_weights": [1, 0, 0],
    "next_sentence_labels": [1],
  }
  assert {name: values.tolist() for name, values in batch.items()} == {
    name: [values] * 2 for name, values in expected.items()
  }
