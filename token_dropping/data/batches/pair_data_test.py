# SPDX-License-Identifier: Apache-2.0
"""Tests of the records of packed pairs: read, checked, skipped."""

import numpy as np
import pytest
import tensorflow as tf

from tests import pair_testing
from tests import testing
from token_dropping.data.batches import bad_records
from token_dropping.data.batches import pair_data
from token_dropping.data.batches import pair_rules
from token_dropping.data.batches import record_rules

RECORDS, V = 12, testing.VOCAB_SIZE
PATH, WHERE = "task.train_data", "FILE, record 3"
NAMES = {"inputs", "inputs_segmentation", "targets", "targets_segmentation"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
  """Three files of four records each."""
  folder = tmp_path_factory.mktemp("data")
  records = [pair_testing.random_features(seed) for seed in range(RECORDS)]
  for file in range(3):
    testing.write_records(folder / f"records-{file}", records[file::3])
  return folder


def _config(folder, **fields) -> pair_data.PairDataConfig:
  defaults = {
    "input_path": f"{folder}/records-*",
    "global_batch_size": 4,
    "seq_length": testing.SEQ_LENGTH,
    "target_length": pair_testing.TARGET_LENGTH,
    "is_training": True,
  }
  return pair_data.PairDataConfig(**(defaults | fields))


def _rules(config) -> pair_rules.PairRules:
  return pair_rules.PairRules(config, testing.NETWORK, PATH)


def test_batches_are_the_records(folder):
  """Validation reads all, and no rule complains."""
  config = _config(folder, is_training=False)
  bad_records.check_first_records(_rules(config))
  dataset = pair_data.PairDataLoader(config).load()
  batches = list(dataset.map(_rules(config).check_batch).as_numpy_iterator())
  assert [set(batch) for batch in batches] == [NAMES] * 3
  wanted = [pair_testing.random_features(seed) for seed in range(RECORDS)]
  for name in NAMES:
    found = np.concatenate([batch[name] for batch in batches])
    assert found.dtype == np.int32
    rows = [record[name].tolist() for record in wanted]
    assert sorted(found.tolist()) == sorted(rows)


def _changed(name: str, place: int, value: int) -> dict:
  record = pair_testing.packed([([5, 6], [7]), ([8], [9, 9])])
  record[name][place] = value
  return record


_ORDER = "must be the numbers of the pairs from 1 on, ascending by 1, then 0."
BAD = {
  "inputs must be in [0, vocab_size) (50); is the encoder's vocab_size that of "
  "the records? Received: 50": _changed("inputs", 1, V),
  "targets must be in [0, vocab_size) (50); is the encoder's vocab_size that "
  "of the records? Received: -1": _changed("targets", 1, -1),
  f"inputs_segmentation {_ORDER} Received: 1": _changed(
    "inputs_segmentation", 4, 1
  ),
  f"inputs_segmentation {_ORDER} Received: 2": _changed(
    "inputs_segmentation", 0, 2
  ),
  f"targets_segmentation {_ORDER} Received: 1": _changed(
    "targets_segmentation", 7, 1
  ),
  "targets_with_other_padding must be 0: targets are 0 where "
  "targets_segmentation are 0, and nowhere else. Received: 1": _changed(
    "targets", 5, 7
  ),
  "pairs_of_one_side_alone must be 0: a sequence has as many sources as "
  "translations. Received: 1": pair_testing.packed([([5], [6])])
  | {
    name: pair_testing.packed([([5], [6]), ([7], [8])])[name]
    for name in ("inputs", "inputs_segmentation")
  },
}


@pytest.mark.parametrize(("message", "record"), BAD.items())
def test_values_that_are_refused(tmp_path, message, record):
  """Before a run, and in it."""
  config = _config(tmp_path)
  rules = _rules(config)
  found = testing.refused(rules.check_record, testing.serialized(record), WHERE)
  assert found == f"{message} in {WHERE}"
  testing.write_records(tmp_path / "records-0", [record] * 4)
  dataset = pair_data.PairDataLoader(config).load()
  with pytest.raises(tf.errors.InvalidArgumentError) as caught:
    next(iter(dataset.map(rules.check_batch)))
  assert record_rules.broken_rule(caught.value) == message


def test_records_of_another_kind_are_refused():
  rules = _rules(_config("nowhere"))
  for name, field in (("inputs", "seq_length"), ("targets", "target_length")):
    record = pair_testing.random_features(0)
    record[name] = np.append(record[name], 0)
    length = len(record[name])
    assert testing.refused(
      rules.check_record, testing.serialized(record), WHERE
    ) == (
      f"{PATH}.{field} must be that of the records, {length} ({name} in "
      f"{WHERE}). Received: {length - 1}"
    )
  record = testing.serialized(testing.causal_features(0))
  assert testing.refused(rules.check_record, record, WHERE) == (
    f"{PATH}: records must have the features {', '.join(sorted(NAMES))}. "
    f"Received: {WHERE} without {', '.join(sorted(NAMES))}"
  )


def test_a_bad_record_is_skipped(tmp_path, capsys):
  """Padding is read in its place, and it is counted."""
  records = [pair_testing.random_features(seed) for seed in range(8)]
  records[3] = _changed("targets", 5, 7)
  testing.write_records(tmp_path / "records-0", records)
  config = _config(tmp_path, on_bad_records="skip", is_training=False)
  rules = _rules(config)
  bad_records.check_first_records(rules)
  skipper = bad_records.RecordSkipper(rules)
  dataset = pair_data.PairDataLoader(config).load(skipper=skipper)
  batches = list(dataset.map(rules.check_batch).as_numpy_iterator())
  assert batches[0][record_rules.SKIPPED].tolist() == [0, 0, 0, 1]
  assert not any(batches[0][name][3].any() for name in NAMES)
  np.testing.assert_array_equal(batches[1]["inputs"][3], records[7]["inputs"])
  assert f"{tmp_path}/records-0, record 3" in capsys.readouterr().err
