# SPDX-License-Identifier: Apache-2.0
"""Tests of validation records as text; main_test.py has the other sources."""

import numpy as np
import pytest

from tests import testing
from token_dropping.common import vocabulary
from token_dropping.data.batches import pretrain_data
from token_dropping.explain import source_text


@pytest.fixture
def read(tmp_path):
  """Reads the sequences of records, or of what is at a path."""
  vocab_file = testing.write_vocabulary(tmp_path / "vocab.txt")
  vocab = vocabulary.Vocabulary.from_file(vocab_file)

  def read(records: list[dict] | str, count: int = 5, **fields) -> list:
    path = records
    if not isinstance(records, str):
      path = testing.write_records(tmp_path / "records", records)
    data = pretrain_data.PretrainDataConfig(
      input_path=path,
      use_v2_feature_names=True,
      use_next_sentence_label=False,
      seq_length=testing.SEQ_LENGTH,
      max_predictions_per_seq=testing.PREDICTIONS,
      vocab_file=vocab_file,
      **fields,
    )
    return source_text.read_records(data, vocab, count)

  return read


def test_masks_are_undone_copies_and_padding_left_out(read):
  original = np.arange(5, 5 + testing.SEQ_LENGTH)
  records = []
  for positions in ([1, 2], [3, 9]):
    record = testing.random_features(0)
    record["masked_lm_positions"] = [*positions, 0]
    record["masked_lm_ids"] = [*original[positions], 0]
    record["input_word_ids"] = original.copy()
    record["input_word_ids"][positions] = 4
    record["input_mask"] = np.arange(testing.SEQ_LENGTH) < 12
    records.append(record)
  (sequence,) = read(records)
  assert sequence.ids.tolist() == original[:12].tolist()
  assert sequence.pieces[0] == "word0" and sequence.padding == 4


def test_no_more_than_asked_for(read):
  records = [testing.random_features(seed) for seed in range(9)]
  sequences = read(records, 2)
  assert len(sequences) == 2
  first = np.array(records[0]["input_word_ids"])
  first[records[0]["masked_lm_positions"][:2]] = records[0]["masked_lm_ids"][:2]
  assert sequences[0].ids.tolist() == first.tolist()


def test_documents_are_those_of_the_reader(read):
  record = testing.random_features(0)
  record["masked_lm_positions"] = [1, 2, 0]
  record["input_word_ids"][5] = 3  # [SEP]
  (apart,) = read([record], attend_within_documents=True)
  (together,) = read([record])
  assert apart.document_ids.tolist() == [0] * 6 + [1] * 10
  assert together.document_ids is None


def test_bad_records_are_passed_over(read):
  records = [testing.random_features(seed) for seed in (1, 1, 1, 1, 2)]
  records[0]["input_word_ids"][0] = -1
  records[1]["input_word_ids"][0] = testing.VOCAB_SIZE
  records[2]["masked_lm_ids"][0] = testing.VOCAB_SIZE
  records[3]["masked_lm_positions"][0] = testing.SEQ_LENGTH
  (sequence,), (alone,) = read(records), read(records[4:])
  assert sequence.ids.tolist() == alone.ids.tolist()


@pytest.mark.parametrize(
  ("path", "rule"),
  [("nowhere/*", "must be readable records"), ("dummy", "must name records")],
)
def test_records_that_are_not_there(read, path, rule):
  assert f"{rule}. Received: '{path[:5]}" in testing.refused(read, path)
