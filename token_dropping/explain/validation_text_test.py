# SPDX-License-Identifier: Apache-2.0
"""Tests of validation records as text."""

import numpy as np
import pytest

from tests import testing
from token_dropping.common import errors
from token_dropping.common import vocabulary
from token_dropping.data.batches import pretrain_data
from token_dropping.explain import validation_text


@pytest.fixture
def vocab(tmp_path):
  path = testing.write_vocabulary(tmp_path / "vocab.txt")
  return vocabulary.Vocabulary.from_file(path)


def _data(path) -> pretrain_data.PretrainDataConfig:
  return pretrain_data.PretrainDataConfig(
    input_path=str(path),
    use_v2_feature_names=True,
    use_next_sentence_label=False,
    seq_length=testing.SEQ_LENGTH,
    max_predictions_per_seq=testing.PREDICTIONS,
  )


def test_masks_are_undone_copies_and_padding_left_out(tmp_path, vocab):
  original = np.arange(5, 5 + testing.SEQ_LENGTH)
  records = []
  for positions in ([1, 2], [3, 9]):
    record = testing.random_features(0) | {
      "masked_lm_positions": [*positions, 0]
    }
    record["masked_lm_ids"] = [*original[positions], 0]
    record["input_word_ids"] = original.copy()
    record["input_word_ids"][positions] = 4
    record["input_mask"] = np.arange(testing.SEQ_LENGTH) < 12
    records.append(record)
  path = testing.write_records(tmp_path / "records", records)
  (found,) = validation_text.read(_data(path), vocab, 5)
  assert found.ids.tolist() == original[:12].tolist()
  assert found.pieces[0] == "word0"


def test_no_more_than_asked_for(tmp_path, vocab):
  records = [testing.random_features(seed) for seed in range(9)]
  path = testing.write_records(tmp_path / "records", records)
  found = validation_text.read(_data(path), vocab, 2)
  assert len(found) == 2
  first = np.array(records[0]["input_word_ids"])
  first[records[0]["masked_lm_positions"][:2]] = records[0]["masked_lm_ids"][:2]
  assert found[0].ids.tolist() == first.tolist()


@pytest.mark.parametrize(
  ("feature", "value"),
  [
    ("input_word_ids", -1),
    ("input_word_ids", testing.VOCAB_SIZE),
    ("masked_lm_ids", testing.VOCAB_SIZE),
    ("masked_lm_positions", testing.SEQ_LENGTH),
  ],
)
def test_bad_records_are_passed_over(tmp_path, vocab, feature, value):
  bad, good = (testing.random_features(seed) for seed in (1, 2))
  bad[feature] = [value, *bad[feature][1:]]
  path = testing.write_records(tmp_path / "records", [bad, good])
  alone = testing.write_records(tmp_path / "alone", [good])
  (found,) = validation_text.read(_data(path), vocab, 5)
  (expected,) = validation_text.read(_data(alone), vocab, 5)
  assert found.ids.tolist() == expected.ids.tolist()


@pytest.mark.parametrize(
  ("path", "rule"),
  [("nowhere/*", "must be readable records"), ("dummy", "must name records")],
)
def test_records_that_are_not_there(vocab, path, rule):
  with pytest.raises(errors.UserError, match=f"{rule}. Received: '{path[:5]}"):
    validation_text.read(_data(path), vocab, 2)
