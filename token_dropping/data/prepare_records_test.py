# SPDX-License-Identifier: Apache-2.0
"""Tests of the records that prepare makes, and of their statistics."""

import numpy as np
import pytest
from official.nlp.data import pretrain_dataloader

from tests import prepare_testing
from token_dropping.common import vocabulary
from token_dropping.data.pretraining import dataset_folder
from token_dropping.data.pretraining import prepare_settings
from token_dropping.data.pretraining import text_pieces

TEXT = prepare_testing.make_text()


@pytest.fixture
def settings(tmp_path):
  return prepare_testing.write_text(tmp_path)


@pytest.mark.parametrize("packing", prepare_settings.PACKINGS)
def test_files_and_statistics(settings, tmp_path, packing):
  dataset = prepare_testing.run(settings, packing=packing)
  out = tmp_path / "out"
  assert sorted(prepare_testing.contents(out)) == sorted(
    [*dataset["files"], "dataset.json"]
  )
  assert len(list(out.glob("train-*-of-*.tfrecord"))) > 2
  assert list(out.glob("validation-00000-of-*.tfrecord"))
  assert dataset_folder.verify(str(out)) == dataset
  assert dataset["settings"]["input_files"][0][0] == "text.txt"
  lines = (out / "vocab.txt").read_text().splitlines()
  assert dataset["vocab_size"] == len(lines) < 100
  assert dataset["train"]["documents"] == 32
  assert dataset["validation"]["documents"] == 8
  for name in ("train", "validation"):
    part, found = dataset[name], prepare_testing.read(out, name)
    assert part["sequences"] == part["records"] == len(found) > 0
    predictions = sum(int(r["masked_lm_weights"].sum()) for r in found)
    assert part["masked_tokens"] == predictions
    ids = np.concatenate([prepare_testing.unmasked(r) for r in found])
    assert part["tokens"] == np.sum(ids > 4)
    assert part["unknown_share"] == 0
    assert ("next_sentence_labels" in found[0]) == (packing == "pairs")
    masks = np.stack([r["input_mask"] for r in found])
    assert part["padding_share"] == pytest.approx(1 - masks.mean())


def test_all_text_is_packed_or_counted_as_dropped(settings):
  dataset = prepare_testing.run(settings)
  # Every word of this text becomes one token.
  parts = dataset["train"], dataset["validation"]
  packed = sum(part["tokens"] + part["dropped_tokens"] for part in parts)
  assert packed == len(TEXT.split())


def test_entropies_are_those_of_the_files(settings, tmp_path):
  dataset = prepare_testing.run(settings)
  train = np.concatenate(
    [
      prepare_testing.unmasked(r)
      for r in prepare_testing.read(tmp_path / "out", "train")
    ]
  )
  counts = np.bincount(train[train > 4], minlength=dataset["vocab_size"])
  share = counts[counts > 0] / counts.sum()
  entropy = -np.sum(share * np.log(share))
  assert dataset["train"]["unigram_entropy"] == pytest.approx(entropy)
  smoothed = np.log((counts + 1) / (counts.sum() + len(counts)))
  targets = np.concatenate(
    [
      r["masked_lm_ids"][r["masked_lm_weights"] > 0]
      for r in prepare_testing.read(tmp_path / "out", "validation")
    ]
  )
  loss = -np.mean(smoothed[targets])
  assert dataset["validation"]["unigram_loss"] == pytest.approx(loss)


@pytest.mark.parametrize("packing", prepare_settings.PACKINGS)
def test_model_garden_reads_the_records(settings, packing):
  prepare_testing.run(settings, packing=packing)
  config = pretrain_dataloader.BertPretrainDataConfig(
    input_path=f"{settings.output_dir}/train-*",
    global_batch_size=4,
    is_training=False,
    seq_length=prepare_testing.LENGTH,
    max_predictions_per_seq=prepare_testing.SLOTS,
    use_next_sentence_label=packing == "pairs",
    use_v2_feature_names=True,
  )
  loader = pretrain_dataloader.BertPretrainDataLoader(config)
  batch = next(iter(loader.load()))
  shapes = {name: tuple(value.shape) for name, value in batch.items()}
  expected = dict.fromkeys(
    ["input_word_ids", "input_mask", "input_type_ids"],
    (4, prepare_testing.LENGTH),
  )
  names = ["masked_lm_positions", "masked_lm_ids", "masked_lm_weights"]
  expected |= dict.fromkeys(names, (4, prepare_testing.SLOTS))
  if packing == "pairs":
    expected["next_sentence_labels"] = (4, 1)
  assert shapes == expected


def test_training_sequences_are_shuffled(settings, tmp_path):
  prepare_testing.run(settings)
  found = prepare_testing.read(tmp_path / "out", "train")
  sequences = [
    prepare_testing.tokens(tmp_path / "out", prepare_testing.unmasked(r)[1:-1])
    for r in found
  ]
  parts = [" ".join(s).split("[SEP]") for s in sequences]
  joined = [max(part, key=len).strip() for part in parts]
  flat = " ".join(TEXT.split())
  positions = [flat.find(part) for part in joined]
  assert min(positions) >= 0
  assert positions != sorted(positions)


def test_parts_share_no_document(settings, tmp_path):
  prepare_testing.run(settings)
  documents = [d.split("\n") for d in TEXT.split("\n\n")]
  texts = ["\n".join(sentences).encode() for sentences in documents]
  hashes = [text_pieces.document_hash(whole, settings.seed) for whole in texts]
  values = text_pieces.uniform(np.array(hashes, np.uint64))
  validation = " ".join(
    " ".join(documents[i])
    for i in range(len(documents))
    if values[i] < text_pieces.validation_threshold(values, 0.2)
  )
  found = prepare_testing.read(tmp_path / "out", "validation")
  stream = [
    t
    for r in found
    for t in prepare_testing.tokens(
      tmp_path / "out", prepare_testing.unmasked(r)
    )
  ]
  words = [t for t in stream if t not in ("[CLS]", "[SEP]")]
  assert set(" ".join(words).split()) <= set(prepare_testing.WORDS)
  assert " ".join(words[:20]) in validation


def test_duplicates_have_other_masks(settings, tmp_path):
  dataset = prepare_testing.run(settings, duplicates=3)
  out = tmp_path / "out"
  assert dataset["train"]["records"] == 3 * dataset["train"]["sequences"]
  copies: dict[tuple, set] = {}
  for record in prepare_testing.read(out, "train"):
    masks = copies.setdefault(tuple(prepare_testing.unmasked(record)), set())
    masks.add(tuple(record["masked_lm_positions"]))
  assert np.mean([len(masks) for masks in copies.values()]) > 2.9
  part = dataset["validation"]
  assert part["records"] == part["sequences"]


def _word_starts(folder, ids):
  special = vocabulary.SPECIAL_TOKENS
  tokens = prepare_testing.tokens(folder, ids)
  return [int(t[:2] != "##" and t not in special) for t in tokens]


@pytest.mark.parametrize("packing", prepare_settings.PACKINGS)
def test_dynamic_records_hold_ids_and_word_starts(settings, tmp_path, packing):
  dataset = prepare_testing.run(settings, packing=packing, masking="dynamic")
  assert dataset["masking"] == "dynamic"
  assert dataset["train"]["masked_tokens"] == 0
  assert 0 < dataset["validation"]["unigram_loss"] < 10
  names = {"input_word_ids", "word_starts"}
  if packing == "pairs":
    names |= {"input_type_ids", "next_sentence_labels"}
  for record in prepare_testing.read(tmp_path / "out", "train"):
    assert set(record) == names
    assert len(record["input_word_ids"]) == prepare_testing.LENGTH
    starts = _word_starts(tmp_path / "out", record["input_word_ids"])
    assert record["word_starts"].tolist() == starts
