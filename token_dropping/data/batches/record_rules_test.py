# SPDX-License-Identifier: Apache-2.0
"""Tests of every rule about records, on records made here and by others."""

import random

import numpy as np
import pytest
import tensorflow as tf
from official.nlp.data import create_pretraining_data
from official.nlp.data import pretrain_dataloader
from official.nlp.tools import tokenization

from tests import testing
from token_dropping.common import errors
from token_dropping.common import vocabulary
from token_dropping.data.batches import pretrain_data
from token_dropping.data.batches import record_rules

S, P, V = testing.SEQ_LENGTH, testing.PREDICTIONS, testing.VOCAB_SIZE
PATH, WHERE = "task.train_data", "FILE, record 3"
GOOD = testing.random_features(0, next_sentence=True)
UNMASKED = testing.dynamic_features(0, next_sentence=True)


def _data(kind=pretrain_data.PretrainDataConfig, **fields):
  defaults = {
    "seq_length": S,
    "max_predictions_per_seq": P,
    "global_batch_size": 2,
    "use_v2_feature_names": True,
    "use_next_sentence_label": False,
  }
  return kind(**(defaults | fields))


def _rules(data, vocab_size: int = V) -> record_rules.RecordRules:
  return record_rules.RecordRules(data, vocab_size, PATH)


def _check(record: dict | bytes, data=None) -> None:
  if isinstance(record, dict):
    record = testing.serialized(record)
  _rules(data or _data()).check_record(record, WHERE)


def _refused(record: dict | bytes, data=None) -> str:
  with pytest.raises(errors.UserError) as caught:
    _check(record, data)
  return str(caught.value)


def _v1(record: dict) -> dict:
  names = {"input_word_ids": "input_ids", "input_type_ids": "segment_ids"}
  return {names.get(name, name): values for name, values in record.items()}


def _without(record: dict, *names: str) -> dict:
  return {name: v for name, v in record.items() if name not in names}


# Features.


WORKERS = tf.train.ClusterDef(job=[tf.train.JobDef(name="worker")])


@pytest.mark.parametrize(
  "record", [b"\xff\xff no proto", WORKERS.SerializeToString()]
)
def test_records_of_something_else_are_refused(record):
  assert _refused(record) == (
    "task.train_data: records must be tf.train.Example. "
    "Received: FILE, record 3, which is not"
  )


EMPTY_EXAMPLE = tf.train.ServerDef(job_name="worker").SerializeToString()
V2_NAMES = (
  "input_mask, input_type_ids, input_word_ids, masked_lm_ids, "
  "masked_lm_positions, masked_lm_weights"
)


@pytest.mark.parametrize("missing", [*V2_NAMES.split(", "), V2_NAMES])
def test_every_feature_is_needed(missing):
  assert _refused(_without(GOOD, *missing.split(", "))) == (
    f"task.train_data: records must have the features {V2_NAMES}. "
    f"Received: FILE, record 3 without {missing}"
  )


def test_other_proto_that_reads_as_an_example_without_features():
  assert _refused(EMPTY_EXAMPLE).endswith(f"record 3 without {V2_NAMES}")


def test_every_feature_is_needed_of_old_names_and_of_pairs():
  old = _data(use_v2_feature_names=False)
  record = _without(_v1(GOOD), "segment_ids")
  assert _refused(record, old).endswith("record 3 without segment_ids")
  pairs = _data(use_next_sentence_label=True)
  _check(GOOD, pairs)
  record = _without(GOOD, "next_sentence_labels")
  assert _refused(record, pairs).endswith("without next_sentence_labels")


@pytest.mark.parametrize("is_v2", [True, False])
def test_names_of_the_other_version_say_which_flag(is_v2):
  record = _v1(GOOD) if is_v2 else GOOD
  data = _data(use_v2_feature_names=is_v2)
  assert _refused(record, data) == (
    "task.train_data.use_v2_feature_names must be "
    f"{str(not is_v2).lower()} for these records (FILE, record 3). "
    f"Received: {str(is_v2).lower()}"
  )
  _check(GOOD | _v1(GOOD), data)


NAMES = {
  False: "input_word_ids, word_starts",
  True: "input_type_ids, input_word_ids, next_sentence_labels, word_starts",
}


@pytest.mark.parametrize(
  ("of_pairs", "missing"),
  [(pairs, name) for pairs in NAMES for name in NAMES[pairs].split(", ")],
)
def test_every_feature_is_needed_without_masks(of_pairs, missing):
  data = _data(masking="dynamic", use_next_sentence_label=of_pairs)
  _check(UNMASKED if of_pairs else testing.dynamic_features(0), data)
  assert _refused(_without(UNMASKED, missing), data) == (
    f"task.train_data: records must have the features {NAMES[of_pairs]}. "
    f"Received: FILE, record 3 without {missing}"
  )


@pytest.mark.parametrize(
  ("record", "made_for", "configured"),
  [(GOOD, "static", "dynamic"), (UNMASKED, "dynamic", "static")],
)
def test_records_for_the_other_kind_of_masking(record, made_for, configured):
  assert _refused(record, _data(masking=configured)) == (
    f"task.train_data.masking must be {made_for} for these records "
    f"(FILE, record 3). Received: '{configured}'"
  )
  _check(GOOD | UNMASKED, _data(masking=configured))


def test_baseline_of_model_garden_needs_masks():
  data = _data(pretrain_dataloader.BertPretrainDataConfig)
  assert _refused(UNMASKED, data) == (
    "task.train_data: records must hold masks, which bert/pretraining does not "
    "make (FILE, record 3); the dense baseline with dynamic masking is "
    "bert/token_drop with task.model.encoder.any.token_keep_ratio=1.0. "
    "Received: word_starts without masked_lm_positions"
  )


# Lengths.


@pytest.mark.parametrize(
  ("field", "wanted", "actual", "feature"),
  [
    ("seq_length", 8, S, "input_word_ids"),
    ("max_predictions_per_seq", 4, P, "masked_lm_positions"),
  ],
)
def test_lengths_must_be_those_of_the_records(field, wanted, actual, feature):
  assert _refused(GOOD, _data(**{field: wanted})) == (
    f"task.train_data.{field} must be that of the records, {actual} "
    f"({feature} in FILE, record 3). Received: {wanted}"
  )
  old = _data(use_v2_feature_names=False, **{field: wanted})
  assert f"{field} must be that of the records" in _refused(_v1(GOOD), old)


@pytest.mark.parametrize(
  ("record", "masking", "feature"),
  [
    (GOOD, "static", "input_mask"),
    (GOOD, "static", "masked_lm_weights"),
    (UNMASKED, "dynamic", "input_word_ids"),
    (UNMASKED, "dynamic", "word_starts"),
    (UNMASKED, "dynamic", "input_type_ids"),
  ],
)
def test_every_feature_must_have_its_length(record, masking, feature):
  record = record | {feature: record[feature][:-1]}
  message = _refused(record, _data(masking=masking))
  assert f"({feature} in FILE, record 3)" in message


@pytest.mark.parametrize("labels", [[], [0, 1]])
def test_a_record_has_one_sentence_label(labels):
  record = GOOD | {"next_sentence_labels": labels}
  assert _refused(record, _data(use_next_sentence_label=True)) == (
    f"next_sentence_labels must be one number. Received: {labels} in FILE, "
    "record 3"
  )
  _check(record)


# Values, of a record and of a batch.


IDS = (
  " must be in [0, vocab_size) (50); is the encoder's vocab_size that of the "
  "records?"
)
POSITIONS = " must be in [0, seq_length) (16)."
VALUES = [
  ("input_word_ids", V, IDS),
  ("input_word_ids", V + 100, IDS),
  ("input_word_ids", -1, IDS),
  ("masked_lm_ids", 2**31 - 1, IDS),
  ("masked_lm_positions", S, POSITIONS),
  ("masked_lm_positions", -1, POSITIONS),
]


def _changed(name: str, value) -> dict:
  record = {key: np.array(values) for key, values in GOOD.items()}
  record[name][1] = value
  return record


def _batches(*records: dict, **more) -> tf.data.Dataset:
  """Returns the batch of two good records, and that of others."""
  pairs = [[GOOD, GOOD], records] if records else [[GOOD, GOOD]]
  stacked = {
    name: np.array([[record[name] for record in pair] for pair in pairs])
    for name in GOOD
  }
  stacked["masked_lm_weights"] = np.float32(stacked["masked_lm_weights"])
  return tf.data.Dataset.from_tensor_slices(stacked | more)


def _broken_rule(dataset: tf.data.Dataset, data=None) -> str:
  """Returns what the check of the second batch says."""
  batches = iter(dataset.map(_rules(data or _data()).check_batch))
  next(batches)
  with pytest.raises(tf.errors.InvalidArgumentError) as caught:
    next(batches)
  return record_rules.broken_rule(caught.value)


def test_good_values_pass_unchanged():
  for value in (0, V - 1):
    _check(_changed("input_word_ids", value))
  plain = _batches()
  checked = plain.map(_rules(_data()).check_batch)
  assert checked.element_spec == plain.element_spec
  for one, two in zip(plain, checked, strict=True):
    tf.nest.map_structure(np.testing.assert_array_equal, one, two)


@pytest.mark.parametrize(("name", "value", "rule"), VALUES)
def test_values_outside_their_range(name, value, rule):
  record, complaint = _changed(name, value), f"{name}{rule} Received: {value}"
  assert _refused(record) == f"{complaint} in FILE, record 3"
  assert _broken_rule(_batches(GOOD, record)) == complaint


def test_values_of_other_records():
  record = UNMASKED | {"input_word_ids": [V] * S}
  complaint = f"input_word_ids{IDS} Received: 50 in FILE, record 3"
  assert _refused(record, _data(masking="dynamic")) == complaint
  old = _data(use_v2_feature_names=False)
  record = _v1(_changed("input_word_ids", V))
  assert _refused(record, old).startswith(f"input_ids{IDS} Received: 50 in ")
  huge = _refused(_changed("masked_lm_ids", 2**32 + 7))
  assert huge == f"masked_lm_ids{IDS} Received: 4294967303 in FILE, record 3"


WEIGHTS = "masked_lm_weights must be at least 0, and one of a record above."


@pytest.mark.parametrize("value", [-1.0, float("nan"), 0.0])
def test_weights_of_a_record(value):
  record = GOOD | {"masked_lm_weights": [value, 0.0, 0.0]}
  assert _refused(record) == (
    f"{WEIGHTS} Received: [{value}, 0.0, 0.0] in FILE, record 3"
  )
  complaint = _broken_rule(_batches(GOOD, record))
  assert complaint.startswith(f"{WEIGHTS} Received: ")


def test_only_a_skipped_record_may_predict_nothing():
  nothing = GOOD | {"masked_lm_weights": [0.0] * P}
  skipped = np.array([[0, 0], [0, 1]], np.float32)
  dataset = _batches(GOOD, nothing, skipped_records=skipped)
  checked = list(dataset.map(_rules(_data()).check_batch))
  assert set(checked[1]) == {*GOOD, "skipped_records"}
  others = _batches(nothing, GOOD, skipped_records=skipped)
  assert _broken_rule(others).startswith(WEIGHTS)


def test_masks_that_are_drawn_or_made_up_may_predict_nothing():
  dataset = _batches(GOOD, GOOD | {"masked_lm_weights": [0.0] * P})
  for data in (_data(masking="dynamic"), _data(input_path="dummy")):
    assert len(list(dataset.map(_rules(data).check_batch))) == 2
  record = _changed("masked_lm_ids", V)
  complaint = _broken_rule(_batches(GOOD, record), _data(masking="dynamic"))
  assert complaint == f"masked_lm_ids{IDS} Received: 50"


def test_other_errors_break_no_rule():
  error = tf.errors.InvalidArgumentError(None, None, "shapes must be equal")
  assert record_rules.broken_rule(error) is None


# Records of Model Garden's own script.


TEXT = """The first sentence of a story.
It has a second one and a third.

Another story begins here.
It ends here.
"""


@pytest.mark.parametrize("is_v2", [False, True], ids=["old names", "v2 names"])
def test_records_of_model_garden_pass_and_are_read(tmp_path, is_v2):
  words = sorted(set(TEXT.lower().replace(".", " .").split()))
  vocab = [*vocabulary.SPECIAL_TOKENS, *words]
  (tmp_path / "vocab.txt").write_text("\n".join(vocab))
  (tmp_path / "text.txt").write_text(TEXT)
  tokenizer = tokenization.FullTokenizer(str(tmp_path / "vocab.txt"))
  instances = create_pretraining_data.create_training_instances(
    [str(tmp_path / "text.txt")],
    tokenizer,
    create_pretraining_data.get_processor_text_fn(False, True),
    max_seq_length=S,
    dupe_factor=2,
    short_seq_prob=0.1,
    masked_lm_prob=0.15,
    max_predictions_per_seq=P,
    rng=random.Random(1),
  )
  create_pretraining_data.write_instance_to_example_files(
    instances,
    tokenizer,
    S,
    P,
    [str(tmp_path / "records")],
    gzip_compress=False,
    use_v2_feature_names=is_v2,
  )
  data = _data(
    input_path=str(tmp_path / "records"),
    use_v2_feature_names=is_v2,
    use_next_sentence_label=True,
  )
  for record in tf.data.TFRecordDataset(data.input_path).as_numpy_iterator():
    _check(record, data)
  dataset = pretrain_data.PretrainDataLoader(data).load()
  batch = next(iter(dataset.map(_rules(data, len(vocab)).check_batch)))
  assert {name: tuple(value.shape) for name, value in batch.items()} == {
    "input_word_ids": (2, S),
    "input_mask": (2, S),
    "input_type_ids": (2, S),
    "masked_lm_positions": (2, P),
    "masked_lm_ids": (2, P),
    "masked_lm_weights": (2, P),
    "next_sentence_labels": (2, 1),
  }
  cls = vocabulary.SPECIAL_TOKENS.index(vocabulary.CLS)
  np.testing.assert_array_equal(batch["input_word_ids"][:, 0], [cls] * 2)
