# SPDX-License-Identifier: Apache-2.0
"""Tests of every rule about records without masks."""

import pytest
from official.nlp.data import pretrain_dataloader

from tests import testing
from token_dropping.common import errors
from token_dropping.data.batches import pretrain_data
from token_dropping.data.batches import record_checks

V = testing.VOCAB_SIZE


def _refused(data, vocab_size: int = V) -> str:
  with pytest.raises(errors.UserError) as caught:
    _check(data, vocab_size)
  return str(caught.value)


def _check(data, vocab_size: int = V) -> None:
  record_checks.check_records(data, vocab_size, "task.train_data")


def _write(folder, record: dict, *more: dict) -> str:
  return testing.write_records(folder / "records", [record, *more])


@pytest.fixture
def vocab_file(tmp_path):
  return testing.write_vocabulary(tmp_path / "vocab.txt")


def _config(kind, input_path, **fields):
  return kind(
    input_path=input_path,
    seq_length=testing.SEQ_LENGTH,
    max_predictions_per_seq=testing.PREDICTIONS,
    global_batch_size=2,
    use_v2_feature_names=True,
    **({"use_next_sentence_label": False} | fields),
  )


def _dynamic(input_path, **fields) -> pretrain_data.PretrainDataConfig:
  fields = {"masking": "dynamic"} | fields
  return _config(pretrain_data.PretrainDataConfig, input_path, **fields)


@pytest.mark.parametrize("next_sentence", [False, True])
def test_dynamic_records_are_read(tmp_path, vocab_file, next_sentence):
  path = _write(tmp_path, testing.dynamic_features(0, next_sentence))
  _check(
    _dynamic(path, vocab_file=vocab_file, use_next_sentence_label=next_sentence)
  )


def test_dynamic_masking_needs_a_vocabulary(tmp_path):
  path = _write(tmp_path, testing.dynamic_features(0))
  assert _refused(_dynamic(path)) == (
    "task.train_data.vocab_file must name the vocab.txt of the records with "
    "task.train_data.masking=dynamic. Received: ''"
  )


def test_vocabulary_must_be_readable(tmp_path):
  path = _write(tmp_path, testing.dynamic_features(0))
  assert _refused(_dynamic(path, vocab_file="nowhere.txt")) == (
    "vocab_file must be a readable file. Received: 'nowhere.txt'"
  )


def test_vocabulary_must_fit_the_encoder(tmp_path, vocab_file):
  path = _write(tmp_path, testing.dynamic_features(0))
  assert _refused(_dynamic(path, vocab_file=vocab_file), V - 1) == (
    "task.train_data.vocab_file must have at most the encoder's vocab_size "
    f"tokens ({V - 1}). Received: {vocab_file!r} with {V}"
  )


def test_static_records_are_not_masked_again(tmp_path, vocab_file):
  path = _write(tmp_path, testing.random_features(0))
  assert _refused(_dynamic(path, vocab_file=vocab_file)) == (
    "task.train_data.masking must be static for these records "
    f"({path}, record 0). Received: 'dynamic'"
  )


def test_records_without_masks_need_dynamic_masking(tmp_path):
  path = _write(tmp_path, testing.dynamic_features(0))
  assert _refused(_dynamic(path, masking="static")) == (
    "task.train_data.masking must be dynamic for these records "
    f"({path}, record 0). Received: 'static'"
  )


def test_baseline_of_model_garden_needs_masks(tmp_path):
  path = _write(tmp_path, testing.dynamic_features(0))
  model_gardens = pretrain_dataloader.BertPretrainDataConfig
  assert _refused(_config(model_gardens, path)) == (
    "task.train_data: records must hold masks, which bert/pretraining does not "
    f"make ({path}, record 0); the dense baseline with dynamic masking is "
    "bert/token_drop with task.model.encoder.any.token_keep_ratio=1.0. "
    "Received: word_starts without masked_lm_positions"
  )


def test_records_may_serve_both_kinds(tmp_path, vocab_file):
  record = testing.random_features(0) | testing.dynamic_features(0)
  path = _write(tmp_path, record)
  for kind in pretrain_data.MASKING:
    _check(_dynamic(path, masking=kind, vocab_file=vocab_file))


@pytest.mark.parametrize("missing", ["input_word_ids", "word_starts"])
def test_every_feature_is_needed_without_masks(tmp_path, vocab_file, missing):
  record = testing.dynamic_features(0)
  del record[missing]
  path = _write(tmp_path, testing.dynamic_features(1), record)
  assert _refused(_dynamic(path, vocab_file=vocab_file)) == (
    "task.train_data: records must have the features input_word_ids, "
    f"word_starts. Received: {path}, record 1 without {missing}"
  )


@pytest.mark.parametrize("missing", ["input_type_ids", "next_sentence_labels"])
def test_pairs_without_masks_have_types_and_labels(
  tmp_path, vocab_file, missing
):
  record = testing.dynamic_features(0, next_sentence=True)
  del record[missing]
  path = _write(tmp_path, record)
  data = _dynamic(path, vocab_file=vocab_file, use_next_sentence_label=True)
  assert _refused(data) == (
    "task.train_data: records must have the features input_type_ids, "
    "input_word_ids, next_sentence_labels, word_starts. "
    f"Received: {path}, record 0 without {missing}"
  )


@pytest.mark.parametrize(
  "name", ["input_word_ids", "word_starts", "input_type_ids"]
)
def test_lengths_are_checked_without_masks(tmp_path, vocab_file, name):
  record = testing.dynamic_features(0, next_sentence=True)
  record[name] = record[name][:-1]
  path = _write(tmp_path, record)
  length = testing.SEQ_LENGTH
  assert _refused(_dynamic(path, vocab_file=vocab_file)) == (
    f"task.train_data.seq_length must be that of the records, {length - 1} "
    f"({name} in {path}, record 0). Received: {length}"
  )


def test_ids_are_checked_without_masks(tmp_path, vocab_file):
  record = testing.dynamic_features(0)
  record["input_word_ids"][5] = V
  path = _write(tmp_path, record)
  assert _refused(_dynamic(path, vocab_file=vocab_file)) == (
    f"input_word_ids must be in [0, vocab_size) ({V}); is the encoder's "
    f"vocab_size that of the records? Received: {V} in {path}, record 0"
  )
