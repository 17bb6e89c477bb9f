# SPDX-License-Identifier: Apache-2.0
"""Tests of the records of causal language models: read, checked, skipped."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from tests import testing
from token_dropping.data.batches import bad_records
from token_dropping.data.batches import causal_data
from token_dropping.data.batches import causal_rules
from token_dropping.data.batches import record_rules

RECORDS, S, V = 12, testing.SEQ_LENGTH, testing.VOCAB_SIZE
PATH, WHERE = "task.train_data", "FILE, record 3"


def _record(seed: int) -> dict:
  return {"input_word_ids": np.random.default_rng(seed).integers(2, V, S)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
  """Three files of four records each."""
  folder = tmp_path_factory.mktemp("data")
  records = [_record(seed) for seed in range(RECORDS)]
  for file in range(3):
    testing.write_records(folder / f"records-{file}", records[file::3])
  return folder


def _config(folder, **fields) -> causal_data.CausalDataConfig:
  defaults = {
    "input_path": f"{folder}/records-*",
    "global_batch_size": 4,
    "seq_length": S,
    "is_training": True,
  }
  return causal_data.CausalDataConfig(**(defaults | fields))


def _load(config, batches=None, context=None, **kwargs) -> list[dict]:
  dataset = causal_data.CausalDataLoader(config).load(context, **kwargs)
  return list(itertools.islice(dataset.as_numpy_iterator(), batches))


def test_batches_are_the_ids_of_the_records(folder):
  batches = _load(_config(folder, is_training=False))
  assert [list(batch) for batch in batches] == [["input_word_ids"]] * 3
  found = np.concatenate([batch["input_word_ids"] for batch in batches])
  wanted = [_record(seed)["input_word_ids"].tolist() for seed in range(RECORDS)]
  assert sorted(found.tolist()) == sorted(wanted)
  assert found.dtype == np.int32


def test_training_reads_each_epoch_in_another_order_and_goes_on(folder):
  config = _config(folder, seed=5)
  context = tf.distribute.InputContext(2, 1, 2)
  whole = _load(config, 15, context)
  for one, two in zip(
    _load(config, 4, context, first_step=11), whole[11:], strict=True
  ):
    np.testing.assert_array_equal(one["input_word_ids"], two["input_word_ids"])
  epochs = np.stack([b["input_word_ids"] for b in _load(config, 6)])
  one, two = epochs.reshape(2, RECORDS, S)
  assert not np.array_equal(one, two)
  assert sorted(one.tolist()) == sorted(two.tolist())


def test_the_end_of_text_ends_a_document(tmp_path):
  record = {"input_word_ids": [7, 8, 1, 1, 9, 1, *[0] * (S - 6)]}
  testing.write_records(tmp_path / "records-0", [record])
  fields = {"attend_within_documents": True, "global_batch_size": 1}
  (batch,) = _load(_config(tmp_path, is_training=False, **fields))
  wanted = [0, 0, 0, 1, 2, 2, *[3] * (S - 6)]
  assert batch["document_ids"].tolist() == [wanted]
  rules = causal_rules.CausalRules(
    _config(tmp_path, **fields), testing.NETWORK, PATH
  )
  bad_records.check_first_records(rules)  # without a vocabulary


def _refused(record: dict) -> str:
  config = _config("nowhere")
  rules = causal_rules.CausalRules(config, testing.NETWORK, PATH)
  return testing.refused(rules.check_record, testing.serialized(record), WHERE)


BAD = {
  "input_word_ids must be in [0, vocab_size) (50); is the encoder's vocab_size "
  "that of the records? Received: 50": [5] * (S - 1) + [V],
  "input_word_ids must be 0, the padding, from the first 0 on. Received: 7": [
    5,
    0,
    7,
  ]
  + [0] * (S - 3),
}


@pytest.mark.parametrize(("message", "ids"), BAD.items())
def test_values_that_are_refused(tmp_path, message, ids):
  """Before a run, and in it."""
  record = {"input_word_ids": ids}
  assert _refused(record) == f"{message} in {WHERE}"
  testing.write_records(tmp_path / "records-0", [record] * 4)
  config = _config(tmp_path)
  rules = causal_rules.CausalRules(config, testing.NETWORK, PATH)
  dataset = causal_data.CausalDataLoader(config).load()
  with pytest.raises(tf.errors.InvalidArgumentError) as caught:
    next(iter(dataset.map(rules.check_batch)))
  assert record_rules.broken_rule(caught.value) == message


def test_records_of_another_kind_are_refused():
  message = _refused({"input_word_ids": [5] * (S + 1)})
  assert message.startswith(
    f"{PATH}.seq_length must be that of the records, 17 (input_word_ids in "
  )
  assert _refused(testing.dynamic_features(0)) == (
    f"{PATH}: records must be those of --objective=causal_lm, which hold "
    f"input_word_ids alone. Received: word_starts in {WHERE}"
  )
  assert _refused({"input_ids": [5] * S}) == (
    f"{PATH}: records must have the features input_word_ids. "
    f"Received: {WHERE} without input_word_ids"
  )


def test_a_bad_record_is_skipped(tmp_path, capsys):
  """Padding is read in its place, and it is counted."""
  records = [_record(seed) for seed in range(8)]
  records[3]["input_word_ids"][2] = V
  testing.write_records(tmp_path / "records-0", records)
  config = _config(tmp_path, on_bad_records="skip", is_training=False)
  rules = causal_rules.CausalRules(config, testing.NETWORK, PATH)
  bad_records.check_first_records(rules)
  batches = _load(config, skipper=bad_records.RecordSkipper(rules))
  assert batches[0][record_rules.SKIPPED].tolist() == [0, 0, 0, 1]
  assert not batches[0]["input_word_ids"][3].any()
  np.testing.assert_array_equal(
    batches[1]["input_word_ids"][3], records[7]["input_word_ids"]
  )
  assert f"{tmp_path}/records-0, record 3" in capsys.readouterr().err
