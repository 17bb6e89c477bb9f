# SPDX-License-Identifier: Apache-2.0
"""Tests of the rules on fine-tuning records: as stored, before any cast."""

import numpy as np
import pytest
import tensorflow as tf
from official.nlp.data import question_answering_dataloader
from official.nlp.data import sentence_prediction_dataloader

from tests import testing
from token_dropping.data.batches import finetuning_rules
from token_dropping.data.batches import record_rules

S, PATH, WHERE = testing.SEQ_LENGTH, "task.train_data", "FILE, record 3"
SENTENCE = sentence_prediction_dataloader.SentencePredictionDataConfig(
  seq_length=S
)
SPAN = question_answering_dataloader.QADataConfig(seq_length=S)
GOOD = {
  "input_ids": np.arange(S),
  "input_mask": np.ones(S, np.int64),
  "segment_ids": np.arange(S) % 2,
  "label_ids": np.array([2]),
  "start_positions": np.array([0]),
  "end_positions": np.array([S - 1]),
}


def _complaints(changes: dict, data, classes=None) -> tuple[str, str]:
  """Returns what is said of a record, and in the graph of its input."""
  rules = finetuning_rules.FinetuningRules(data, testing.NETWORK, PATH, classes)
  record = testing.serialized(GOOD | changes)
  dataset = tf.data.Dataset.from_tensors(record).map(rules.check)
  with pytest.raises(tf.errors.InvalidArgumentError) as caught:
    list(dataset)
  said = testing.refused(rules.check_record, record, WHERE)
  return said, record_rules.broken_rule(caught.value)


@pytest.mark.parametrize(
  ("name", "value", "rule"),
  [
    ("input_ids", testing.VOCAB_SIZE, "in [0, vocab_size) (50);"),
    ("input_ids", 2**32 + 1, "in [0, vocab_size) (50);"),
    ("input_mask", 5, "0 or 1."),
    ("segment_ids", -1, "in [0, type_vocab_size) (2);"),
    ("label_ids", 3, "in [0, classes) (3)."),
    ("label_ids", -1, "in [0, classes) (3)."),
    ("start_positions", S, "in [0, seq_length) (16)."),
    ("end_positions", -(2**32), "in [0, seq_length) (16)."),
  ],
)
def test_values_outside_their_range(name, value, rule):
  values = GOOD[name].copy()
  values[0] = value
  is_span = name.endswith("positions")
  data, classes = (SPAN, None) if is_span else (SENTENCE, 3)
  said, in_graph = _complaints({name: values}, data, classes)
  assert said.startswith(f"{name} must be {rule}")
  assert said == f"{in_graph} in {WHERE}"


def test_labels_that_are_numbers_are_finite():
  data = SENTENCE.replace(label_type="float")
  label = {"label_ids": np.array([np.inf], np.float32)}
  said, in_graph = _complaints(label, data, classes=1)
  assert said == f"label_ids must be finite. Received: inf in {WHERE}"
  assert said == f"{in_graph} in {WHERE}"


@pytest.mark.parametrize(
  ("data", "classes"),
  [(SENTENCE, 3), (SPAN, None), (SPAN.replace(is_training=False), None)],
)
def test_good_records_pass_unchanged(data, classes):
  rules = finetuning_rules.FinetuningRules(data, testing.NETWORK, PATH, classes)
  record = testing.serialized(GOOD)
  rules.check_record(record, WHERE)
  assert rules.check(tf.constant(record)).numpy() == record


def test_every_feature_has_its_length():
  rules = finetuning_rules.FinetuningRules(SENTENCE, testing.NETWORK, PATH, 3)
  record = testing.serialized(GOOD | {"input_mask": np.ones(3, np.int64)})
  assert testing.refused(rules.check_record, record, WHERE) == (
    "task.train_data: input_mask must hold 16 value(s). Received: 3 in "
    "FILE, record 3"
  )
