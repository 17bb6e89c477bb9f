# SPDX-License-Identifier: Apache-2.0
"""Tests of the records that prepare makes, and of their statistics."""

import functools
import json

import numpy as np
import pytest
from official.nlp.data import pretrain_dataloader

from tests import prepare_testing
from tests import testing
from token_dropping.common import vocabulary
from token_dropping.data import inspect
from token_dropping.data import records
from token_dropping.data.pretraining import dataset_folder
from token_dropping.data.pretraining import prepare_settings
from token_dropping.data.pretraining import text_pieces
from token_dropping.data.text import byte_tokenizer

TEXT = prepare_testing.make_text()
LENGTH, SLOTS = prepare_testing.LENGTH, prepare_testing.SLOTS


@pytest.fixture(scope="module")
def make(tmp_path_factory):
  """Returns a function that prepares the text once for each packing."""
  settings = prepare_testing.write_text(tmp_path_factory.mktemp("text"))

  @functools.cache
  def make(packing="full", **changes):
    out = tmp_path_factory.mktemp("out")
    prepare_testing.run(
      settings, output_dir=str(out), packing=packing, **changes
    )
    return out, json.loads((out / "dataset.json").read_text())

  return make


def _sequences(folder, split) -> list[np.ndarray]:
  records = prepare_testing.read(folder, split)
  return [prepare_testing.unmasked(record) for record in records]


@pytest.mark.parametrize("packing", prepare_settings.PACKINGS)
def test_files_and_statistics(make, packing):
  out, dataset = make(packing)
  assert {p.name for p in out.iterdir()} == {*dataset["files"], "dataset.json"}
  assert len(list(out.glob("train-*-of-*.tfrecord"))) > 2
  assert dataset_folder.verify(str(out)) == dataset
  assert dataset["settings"]["input_files"][0][0] == "text.txt"
  lines = (out / "vocab.txt").read_text().splitlines()
  assert dataset["vocab_size"] == len(lines) < 100
  documents = [dataset[s]["documents"] for s in dataset_folder.SPLITS]
  assert documents == [32, 8]
  for name in dataset_folder.SPLITS:
    part, found = dataset[name], prepare_testing.read(out, name)
    assert part["sequences"] == part["records"] == len(found) > 0
    predictions = sum(int(r["masked_lm_weights"].sum()) for r in found)
    assert part["masked_tokens"] == predictions
    ids = np.concatenate(_sequences(out, name))
    assert part["tokens"] == np.sum(ids > 4)
    assert part["unknown_share"] == 0
    assert ("next_sentence_labels" in found[0]) == (packing == "pairs")
    masks = np.stack([r["input_mask"] for r in found])
    assert part["padding_share"] == pytest.approx(1 - masks.mean())


def test_all_text_is_packed_or_counted_as_dropped(make):
  _, dataset = make()
  # Every word of this text becomes one token.
  parts = dataset["train"], dataset["validation"]
  packed = sum(part["tokens"] + part["dropped_tokens"] for part in parts)
  assert packed == len(TEXT.split())


def test_entropies_are_those_of_the_files(make):
  out, dataset = make()
  train = np.concatenate(_sequences(out, "train"))
  counts = np.bincount(train[train > 4], minlength=dataset["vocab_size"])
  share = counts[counts > 0] / counts.sum()
  entropy = -np.sum(share * np.log(share))
  assert dataset["train"]["unigram_entropy"] == pytest.approx(entropy)
  smoothed = np.log((counts + 1) / (counts.sum() + len(counts)))
  targets = [
    r["masked_lm_ids"][r["masked_lm_weights"] > 0]
    for r in prepare_testing.read(out, "validation")
  ]
  loss = -np.mean(smoothed[np.concatenate(targets)])
  assert dataset["validation"]["unigram_loss"] == pytest.approx(loss)


@pytest.mark.parametrize("packing", ["full", "pairs"])
def test_model_garden_reads_the_records(make, packing):
  config = pretrain_dataloader.BertPretrainDataConfig(
    input_path=f"{make(packing)[0]}/train-*",
    global_batch_size=4,
    is_training=False,
    seq_length=LENGTH,
    max_predictions_per_seq=SLOTS,
    use_next_sentence_label=packing == "pairs",
    use_v2_feature_names=True,
  )
  loader = pretrain_dataloader.BertPretrainDataLoader(config)
  batch = next(iter(loader.load()))
  shapes = {name: tuple(value.shape) for name, value in batch.items()}
  names = ["input_word_ids", "input_mask", "input_type_ids"]
  expected = dict.fromkeys(names, (4, LENGTH))
  names = ["masked_lm_positions", "masked_lm_ids", "masked_lm_weights"]
  expected |= dict.fromkeys(names, (4, SLOTS))
  if packing == "pairs":
    expected["next_sentence_labels"] = (4, 1)
  assert shapes == expected


def test_training_sequences_are_shuffled(make):
  out, _ = make()
  positions = []
  for ids in _sequences(out, "train"):
    parts = " ".join(prepare_testing.tokens(out, ids[1:-1])).split("[SEP]")
    longest = max(parts, key=len).strip()
    positions.append(" ".join(TEXT.split()).find(longest))
  assert min(positions) >= 0
  assert positions != sorted(positions)


def test_parts_share_no_document(make):
  out, dataset = make()
  documents = TEXT.split("\n\n")
  seed = dataset["settings"]["seed"]
  hashes = [text_pieces.document_hash(d.encode(), seed) for d in documents]
  values = text_pieces.uniform(np.array(hashes, np.uint64))
  threshold = text_pieces.validation_threshold(values, 0.2)
  validating = [documents[i] for i in np.flatnonzero(values < threshold)]
  ids = np.concatenate(_sequences(out, "validation"))
  tokens = prepare_testing.tokens(out, ids)
  words = [t for t in tokens if t not in ("[CLS]", "[SEP]")]
  assert set(words) <= set(prepare_testing.WORDS)
  assert " ".join(words[:20]) in " ".join(" ".join(validating).split())


def test_duplicates_have_other_masks(make):
  out, dataset = make(duplicates=3)
  assert dataset["train"]["records"] == 3 * dataset["train"]["sequences"]
  copies: dict[tuple, set] = {}
  for record in prepare_testing.read(out, "train"):
    masks = copies.setdefault(tuple(prepare_testing.unmasked(record)), set())
    masks.add(tuple(record["masked_lm_positions"]))
  assert np.mean([len(masks) for masks in copies.values()]) > 2.9
  part = dataset["validation"]
  assert part["records"] == part["sequences"]


@pytest.mark.parametrize("packing", ["best-fit", "pairs"])
def test_dynamic_records_hold_ids_and_word_starts(make, packing):
  out, dataset = make(packing, masking="dynamic")
  assert dataset["masking"] == "dynamic"
  assert dataset["train"]["masked_tokens"] == 0
  assert 0 < dataset["validation"]["unigram_loss"] < 10
  names = {"input_word_ids", "word_starts"}
  if packing == "pairs":
    names |= {"input_type_ids", "next_sentence_labels"}
  for record in prepare_testing.read(out, "train"):
    assert set(record) == names
    tokens = prepare_testing.tokens(out, record["input_word_ids"])
    assert len(tokens) == LENGTH
    special = vocabulary.SPECIAL_TOKENS
    starts = [int(t[:2] != "##" and t not in special) for t in tokens]
    assert record["word_starts"].tolist() == starts


# causal_lm.


@pytest.fixture(scope="module")
def causal(tmp_path_factory):
  """Folder and `dataset.json` of the text."""
  folder = tmp_path_factory.mktemp("causal")
  settings = prepare_testing.write_text(folder, objective="causal_lm")
  return folder / "out", prepare_testing.run(settings)


def test_causal_records_hold_the_whole_text(causal):
  out, dataset = causal
  assert {p.name for p in out.iterdir()} == {*dataset["files"], "dataset.json"}
  assert dataset_folder.verify(str(out)) == dataset
  assert (dataset["objective"], "masking" in dataset) == ("causal_lm", False)
  path = str(out / "tokenizer.model")
  tokenizer = byte_tokenizer.ByteTokenizer.from_file(path)
  assert dataset["vocab_size"] == len(tokenizer)
  texts = set()
  for split in dataset_folder.SPLITS:
    for file in sorted(out.glob(f"{split}-*")):
      rows = [r["input_word_ids"] for r in records.read_records(str(file))]
      assert {row.shape for row in rows} == {(LENGTH,)}
      assert sum(row[-1] == 0 for row in rows) <= 1
    part = dataset[split]
    ids = _ids(out, split)
    assert part["tokens"] == np.sum(ids > 0)
    assert part["padding_share"] == pytest.approx(np.mean(ids == 0))
    assert part["documents"] == np.sum(ids == 1)
    assert part["bytes"] == sum(len(tokenizer.pieces[i]) for i in ids)
    if split == "validation":  # in order
      ends = np.flatnonzero(ids == 1) + 1
      for one in np.split(ids, ends)[:-1]:
        texts.add(b"".join(tokenizer.pieces[i] for i in one).decode())
  assert len(texts) == dataset["validation"]["documents"]
  assert texts < set(TEXT.split("\n\n"))


def _ids(folder, split) -> np.ndarray:
  rows = prepare_testing.read(folder, split)
  return np.concatenate([row["input_word_ids"] for row in rows])


def test_causal_paragraphs_are_not_split_into_sentences(tmp_path):
  texts = [f"One {i}. Two.\nThree  {i}!" for i in range(8)]
  lines = [json.dumps({"text": text}) for text in texts]
  (tmp_path / "text.jsonl").write_text("\n".join(lines))
  settings = prepare_testing.settings(
    tmp_path / "text.jsonl", tmp_path / "out", objective="causal_lm"
  )
  prepare_testing.run(settings)
  path = str(tmp_path / "out" / "tokenizer.model")
  tokenizer = byte_tokenizer.ByteTokenizer.from_file(path)
  ids = _ids(tmp_path / "out", "validation")
  text = b"".join(tokenizer.pieces[i] for i in ids[: list(ids).index(1)])
  assert text.decode() in [text.replace("  ", " ") for text in texts]


def test_a_given_tokenizer_is_used_as_it_is(causal, tmp_path):
  given = causal[0] / "tokenizer.model"
  settings = prepare_testing.write_text(tmp_path, objective="causal_lm")
  dataset = prepare_testing.run(settings, vocab_file=str(given), seq_length=64)
  made = tmp_path / "out" / "tokenizer.model"
  assert made.read_bytes() == given.read_bytes()
  assert dataset["validation"]["bytes"] == causal[1]["validation"]["bytes"]
  (tmp_path / "vocab.txt").write_text("[PAD]\n")
  message = testing.refused(
    prepare_testing.run, settings, vocab_file=str(tmp_path / "vocab.txt")
  )
  assert message.startswith("tokenizer.model must be one that token_dropping")


def test_inspection_shows_causal_text(causal, capsys):
  testing.run_command(inspect, str(causal[0]), "--examples=1")
  lines = capsys.readouterr().out.splitlines()
  assert lines[1].startswith("objective causal_lm, packing full, seq_length 32")
  rows = [line.split("  ")[1] for line in lines[3:11]]
  assert rows == [
    *("", "documents", "sequences", "records", "tokens", "bytes"),
    *("bytes per token", "padding"),
  ]
  assert lines[-2].startswith("train-0000")
  words = lines[-1].replace("<|endoftext|>", " ").replace("⏎", " ").split()
  assert set(words[1:-1]) <= set(prepare_testing.WORDS)
