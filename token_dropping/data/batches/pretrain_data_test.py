# SPDX-License-Identifier: Apache-2.0
"""Tests of the data of pretraining, masked before or in the input pipeline."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from official.nlp.data import data_loader_factory
from official.nlp.data import pretrain_dataloader

from tests import testing
from token_dropping.data.batches import pretrain_data

RECORDS = 24
FIELDS = {"use_v2_feature_names": True, "use_next_sentence_label": False}
FIELDS |= testing.DATA


def _write(folder, make):
  records = [make(seed) for seed in range(RECORDS)]
  for file in range(3):
    testing.write_records(folder / f"records-{file}", records[file::3])
  testing.write_vocabulary(folder / "vocab.txt")
  return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
  """Three files of records, and a vocabulary."""
  return _write(tmp_path_factory.mktemp("data"), testing.dynamic_features)


def _config(folder, **fields) -> pretrain_data.PretrainDataConfig:
  defaults = FIELDS | {
    "input_path": f"{folder}/records-*",
    "masking": "dynamic",
    "masking_rate": 0.3,
    "vocab_file": f"{folder}/vocab.txt",
  }
  return pretrain_data.PretrainDataConfig(**(defaults | fields))


def _load(config, batches=None, context=None, **kwargs) -> list[dict]:
  loader = data_loader_factory.get_data_loader(config)
  dataset = loader.load(context, **kwargs)
  return list(itertools.islice(dataset.as_numpy_iterator(), batches))


def _by_content(batches: list[dict]) -> dict:
  """Returns each record's masked ids, by the ids before masking."""
  found = {}
  for batch in batches:
    for row in range(len(batch["input_word_ids"])):
      one = {name: values[row] for name, values in batch.items()}
      ids = one["input_word_ids"].copy()
      used = one["masked_lm_weights"] > 0
      ids[one["masked_lm_positions"][used]] = one["masked_lm_ids"][used]
      found[tuple(ids)] = tuple(one["input_word_ids"])
  return found


@pytest.fixture(scope="module")
def validation(folder):
  """The batches of validation, masked by span."""
  return _load(_config(folder, is_training=False, masking_unit="span"))


@pytest.mark.parametrize("masking", ["static", "dynamic"])
def test_documents_are_numbered_by_their_ends(tmp_path, folder, masking):
  """Of records whose `[SEP]`s stand at 3 and before the padding."""
  make = getattr(testing, f"{masking}_features", testing.random_features)
  record = make(0)
  record["input_word_ids"][[3, -2]] = 3
  path = testing.write_records(tmp_path / "records", [record])
  fields = {"attend_within_documents": True, "is_training": False}
  fields |= {"input_path": path, "global_batch_size": 1, "masking": masking}
  (batch,) = _load(_config(folder, **fields))
  wanted = [0] * 4 + [1] * (testing.SEQ_LENGTH - 5) + [2]
  assert batch["document_ids"].tolist() == [wanted]


# Static.


def _assert_same(batches: list[dict], others: list[dict]) -> None:
  for one, two in zip(batches, others, strict=True):
    tf.nest.map_structure(np.testing.assert_array_equal, one, two)


def test_static_batches_are_model_gardens(tmp_path):
  records = [testing.random_features(seed, True) for seed in range(8)]
  path = testing.write_records(tmp_path / "records", records)
  fields = FIELDS | {"is_training": False, "use_next_sentence_label": True}
  fields["input_path"] = path
  expected = _load(pretrain_dataloader.BertPretrainDataConfig(**fields))
  assert len(expected) == 2
  _assert_same(_load(pretrain_data.PretrainDataConfig(**fields)), expected)


# Dynamic.


def test_batches_have_the_shapes_of_static_ones(folder):
  config = _config(folder, drop_remainder=True)
  dataset = data_loader_factory.get_data_loader(config).load()
  sequence = tf.TensorSpec([4, testing.SEQ_LENGTH], tf.int32)
  prediction = tf.TensorSpec([4, testing.PREDICTIONS], tf.int32)
  sequences = ("input_word_ids", "input_mask", "input_type_ids", "word_starts")
  assert dataset.element_spec == {
    **dict.fromkeys(sequences, sequence),
    **dict.fromkeys(("masked_lm_positions", "masked_lm_ids"), prediction),
    "masked_lm_weights": tf.TensorSpec(prediction.shape, tf.float32),
  }


def test_pairs_keep_types_and_labels(tmp_path):
  records = [testing.dynamic_features(seed, True) for seed in range(4)]
  testing.write_records(tmp_path / "records-0", records)
  testing.write_vocabulary(tmp_path / "vocab.txt")
  config = _config(tmp_path, is_training=False, use_next_sentence_label=True)
  (batch,) = _load(config)
  types = np.array([record["input_type_ids"] for record in records])
  np.testing.assert_array_equal(batch["input_type_ids"], types)
  assert batch["next_sentence_labels"].tolist() == [[0], [1], [0], [1]]
  assert batch["next_sentence_labels"].dtype == np.int32


def test_validation_is_the_same_each_time_and_for_any_readers(
  folder, validation
):
  assert len(validation) == RECORDS // 4
  fields = {"is_training": False, "masking_unit": "span"}
  _assert_same(_load(_config(folder, **fields), first_step=7), validation)
  config = _config(folder, global_batch_size=3, **fields)
  masked = {}
  for index in range(3):
    context = tf.distribute.InputContext(3, index, 3)
    masked |= _by_content(_load(config, context=context))
  assert masked == _by_content(validation)


@pytest.mark.parametrize(
  "fields",
  [
    {"seed": 2, "cache": True},
    {"global_batch_size": 6, "shuffle_buffer_size": 100},
    {"cycle_length": 1, "block_length": 3},
    {"input_path": "{0}/records-2,{0}/records-0,{0}/records-1"},
  ],
)
def test_order_and_batches_do_not_change_the_masks(folder, validation, fields):
  path = fields.get("input_path", "{0}/records-*").format(folder)
  fields = fields | {"input_path": path, "masking_unit": "span"}
  config = _config(folder, **fields)
  masked = _by_content(_load(config, RECORDS // config.global_batch_size))
  assert len(masked) == RECORDS
  assert masked == _by_content(validation)


@pytest.mark.parametrize("cache", [False, True])
def test_epochs_and_seeds_differ(folder, cache):
  steps = RECORDS // 4
  batches = _load(_config(folder, cache=cache), 2 * steps)
  batches += _load(_config(folder, cache=cache, masking_seed=1), steps)
  epochs = [_by_content(batches[n * steps :][:steps]) for n in range(3)]
  for one, two in itertools.combinations(epochs, 2):
    assert one.keys() == two.keys()
    assert sum(one[key] == two[key] for key in one) < RECORDS / 4


def test_continued_run_reads_on(folder):
  config = _config(folder, seed=5)
  context = tf.distribute.InputContext(2, 1, 2)
  whole = _load(config, 15, context)
  _assert_same(_load(config, 4, context, first_step=11), whole[11:])


def test_huge_ids_stay_huge(tmp_path):
  record = testing.random_features(0)
  record["input_word_ids"] = record["input_word_ids"] + 2**32
  testing.write_records(tmp_path / "records-0", [record])
  config = _config(tmp_path, masking="static", global_batch_size=1)
  (batch,) = _load(config, 1)
  assert (batch["input_word_ids"] == np.iinfo(np.int32).max).all()


# The rate over training.


def _predictions(batches: list[dict]) -> list[float]:
  return [float(batch["masked_lm_weights"].sum(1).max()) for batch in batches]


SCHEDULE = {
  "masking_rate": 0.75,
  "final_masking_rate": 0.25,
  "masking_rate_steps": 4,
  "max_predictions_per_seq": 12,
}


@pytest.fixture(scope="module")
def full_folder(tmp_path_factory):
  """Records of 12 tokens that may be masked."""

  def make(seed: int) -> dict:
    record = testing.dynamic_features(seed)
    record["input_word_ids"][1] = 3
    return record

  return _write(tmp_path_factory.mktemp("full"), make)


def test_rate_changes_linearly_and_then_stays(full_folder):
  config = _config(full_folder, **SCHEDULE)
  # 12 tokens at 0.75, 0.625, 0.5, 0.375, 0.25; 7.5 and 4.5 are rounded to even.
  assert _predictions(_load(config, 7)) == [9, 8, 6, 4, 3, 3, 3]
  # A run that goes on.
  assert _predictions(_load(config, 3, first_step=2)) == [6, 4, 3]


def test_replicas_of_a_step_have_one_rate(full_folder):
  context = tf.distribute.InputContext(2, 0, 4)  # two replicas a pipeline
  batches = _load(_config(full_folder, **SCHEDULE), 6, context)
  assert _predictions(batches) == [9, 9, 8, 8, 6, 6]
  assert all(len(batch["input_word_ids"]) == 1 for batch in batches)
