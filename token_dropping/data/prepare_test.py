# SPDX-License-Identifier: Apache-2.0
"""Tests for prepare."""

import dataclasses
import json
import zlib

import numpy as np
import pytest
import tensorflow_datasets as tfds
from absl import flags
from official.nlp.data import pretrain_dataloader

from token_dropping import errors
from token_dropping import vocabulary
from token_dropping.data import prepare
from token_dropping.data import prepare_settings
from token_dropping.data import records
from token_dropping.data import split

LENGTH, SLOTS = 32, 6
WORDS = (
  *("the", "cat", "dog", "bird", "sees", "hears"),
  *("likes", "big", "small", "old", "new"),
)


@pytest.fixture(scope="module")
def text():
  """40 documents of 12 sentences of 5 to 9 words."""
  rng = np.random.default_rng(0)

  def sentence():
    return " ".join(rng.choice(WORDS, rng.integers(5, 10)))

  return "\n\n".join(
    "\n".join(sentence() for _ in range(12)) for _ in range(40)
  )


@pytest.fixture
def settings(text, tmp_path):
  (tmp_path / "text.txt").write_text(text)
  return prepare_settings.PrepareSettings(
    input=str(tmp_path / "text.txt"),
    output_dir=str(tmp_path / "out"),
    vocab_size=100,
    seq_length=LENGTH,
    max_predictions_per_seq=SLOTS,
    piece_bytes=5000,
    validation_share=0.2,
  )


def _prepare(settings, num_workers=1):
  return prepare.prepare(settings, num_workers)


def _contents(folder):
  return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def _records(folder, name):
  paths = sorted(folder.glob(f"{name}-*"))
  return [r for path in paths for r in records.read_records(str(path))]


def _restored(record):
  ids = record["input_word_ids"].copy()
  used = record["masked_lm_weights"] > 0
  ids[record["masked_lm_positions"][used]] = record["masked_lm_ids"][used]
  return ids


def _tokens(folder, ids):
  vocab = vocabulary.Vocabulary.from_file(str(folder / "vocab.txt"))
  return [vocab.tokens[i] for i in ids]


@pytest.mark.parametrize("packing", prepare_settings.PACKINGS)
def test_files_and_statistics(settings, tmp_path, packing):
  settings = dataclasses.replace(settings, packing=packing)
  dataset = _prepare(settings)
  out = tmp_path / "out"
  assert sorted(_contents(out)) == sorted([*dataset["files"], "dataset.json"])
  assert len(list(out.glob("train-*-of-*.tfrecord"))) > 2
  assert list(out.glob("validation-00000-of-*.tfrecord"))
  assert json.loads((out / "dataset.json").read_text()) == dataset
  assert dataset["settings"]["input_files"][0][0] == "text.txt"
  lines = (out / "vocab.txt").read_text().splitlines()
  assert dataset["vocab_size"] == len(lines) < 100
  assert dataset["train"]["documents"] == 32
  assert dataset["validation"]["documents"] == 8
  for name in ("train", "validation"):
    part, found = dataset[name], _records(out, name)
    assert part["sequences"] == part["records"] == len(found) > 0
    predictions = sum(int(r["masked_lm_weights"].sum()) for r in found)
    assert part["masked_tokens"] == predictions
    ids = np.concatenate([_restored(r) for r in found])
    assert part["tokens"] == np.sum(ids > 4)
    assert part["unknown_share"] == 0
    masks = np.stack([r["input_mask"] for r in found])
    assert part["padding_share"] == pytest.approx(1 - masks.mean())


def test_files_have_counts_and_checksums(settings, tmp_path):
  dataset = _prepare(settings)
  for name, file in dataset["files"].items():
    content = (tmp_path / "out" / name).read_bytes()
    assert file["bytes"] == len(content)
    assert file["crc32"] == f"{zlib.crc32(content):08x}"
    if name.endswith(".tfrecord"):
      path = str(tmp_path / "out" / name)
      assert file["records"] == len(list(records.read_records(path)))


def test_all_text_is_packed_or_counted_as_dropped(settings, text):
  dataset = _prepare(settings)
  # Every word of this text becomes one token.
  parts = dataset["train"], dataset["validation"]
  packed = sum(part["tokens"] + part["dropped_tokens"] for part in parts)
  assert packed == len(text.split())


def test_entropies_are_those_of_the_files(settings, tmp_path):
  dataset = _prepare(settings)
  train = np.concatenate(
    [_restored(r) for r in _records(tmp_path / "out", "train")]
  )
  counts = np.bincount(train[train > 4], minlength=dataset["vocab_size"])
  share = counts[counts > 0] / counts.sum()
  entropy = -np.sum(share * np.log(share))
  assert dataset["train"]["unigram_entropy"] == pytest.approx(entropy)
  smoothed = np.log((counts + 1) / (counts.sum() + len(counts)))
  targets = np.concatenate(
    [
      r["masked_lm_ids"][r["masked_lm_weights"] > 0]
      for r in _records(tmp_path / "out", "validation")
    ]
  )
  loss = -np.mean(smoothed[targets])
  assert dataset["validation"]["unigram_loss"] == pytest.approx(loss)


@pytest.mark.parametrize("packing", prepare_settings.PACKINGS)
def test_model_garden_reads_the_records(settings, packing):
  _prepare(dataclasses.replace(settings, packing=packing))
  config = pretrain_dataloader.BertPretrainDataConfig(
    input_path=f"{settings.output_dir}/train-*",
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
  expected = dict.fromkeys(
    ["input_word_ids", "input_mask", "input_type_ids"], (4, LENGTH)
  )
  names = ["masked_lm_positions", "masked_lm_ids", "masked_lm_weights"]
  expected |= dict.fromkeys(names, (4, SLOTS))
  if packing == "pairs":
    expected["next_sentence_labels"] = (4, 1)
  assert shapes == expected


def test_full_records_have_no_padding_and_no_label(settings, tmp_path):
  _prepare(settings)
  for record in _records(tmp_path / "out", "train"):
    assert "next_sentence_labels" not in record
    np.testing.assert_array_equal(record["input_mask"], 1)
    np.testing.assert_array_equal(record["input_type_ids"], 0)
    tokens = _tokens(tmp_path / "out", record["input_word_ids"])
    assert tokens[0] == "[CLS]" and tokens[-1] == "[SEP]"
    assert "[PAD]" not in tokens


def test_training_sequences_are_shuffled(settings, tmp_path, text):
  _prepare(settings)
  found = _records(tmp_path / "out", "train")
  sequences = [_tokens(tmp_path / "out", _restored(r)[1:-1]) for r in found]
  parts = [" ".join(s).split("[SEP]") for s in sequences]
  joined = [max(part, key=len).strip() for part in parts]
  flat = " ".join(text.split())
  positions = [flat.find(part) for part in joined]
  assert min(positions) >= 0
  assert positions != sorted(positions)


def test_parts_share_no_document(settings, tmp_path, text):
  _prepare(settings)
  documents = [d.split("\n") for d in text.split("\n\n")]
  hashes = [split.document_hash(d, settings.seed) for d in documents]
  values = split.values(np.array(hashes, np.uint64))
  validation = " ".join(
    " ".join(documents[i])
    for i in range(len(documents))
    if values[i] < split.validation_threshold(values, 0.2)
  )
  found = _records(tmp_path / "out", "validation")
  stream = [t for r in found for t in _tokens(tmp_path / "out", _restored(r))]
  words = [t for t in stream if t not in ("[CLS]", "[SEP]")]
  assert set(" ".join(words).split()) <= set(WORDS)
  assert " ".join(words[:20]) in validation


def test_vocabulary_is_learned_from_training_documents_only(tmp_path):
  secret = ["qqqq zzzz qqqq zzzz " * 10, "plain words and more words " * 10]
  (tmp_path / "text.txt").write_text("\n\n".join(secret))
  out = tmp_path / "out"
  _prepare(
    prepare_settings.PrepareSettings(
      input=str(tmp_path / "text.txt"),
      output_dir=str(out),
      seq_length=8,
      max_predictions_per_seq=2,
    )
  )
  learned = (out / "vocab.txt").read_text()
  assert ("q" in learned) != ("w" in learned)


def test_duplicates_have_other_masks(settings, tmp_path):
  settings = dataclasses.replace(settings, duplicates=3)
  dataset = _prepare(settings)
  out = tmp_path / "out"
  assert dataset["train"]["records"] == 3 * dataset["train"]["sequences"]
  copies: dict[tuple, set] = {}
  for record in _records(out, "train"):
    masks = copies.setdefault(tuple(_restored(record)), set())
    masks.add(tuple(record["masked_lm_positions"]))
  assert np.mean([len(masks) for masks in copies.values()]) > 2.9
  part = dataset["validation"]
  assert part["records"] == part["sequences"]


def test_same_settings_same_bytes(settings, tmp_path):
  for packing in prepare_settings.PACKINGS:
    found = []
    for name in ("one", "two"):
      folder = tmp_path / packing / name
      _prepare(
        dataclasses.replace(settings, packing=packing, output_dir=str(folder))
      )
      found.append(_contents(folder))
    assert found[0] == found[1]


def test_a_ready_dataset_is_left(settings, tmp_path, capsys):
  first = _prepare(settings)
  before = [p.stat().st_mtime_ns for p in (tmp_path / "out").iterdir()]
  capsys.readouterr()
  assert _prepare(settings) == first
  assert before == [p.stat().st_mtime_ns for p in (tmp_path / "out").iterdir()]
  assert "ready" in capsys.readouterr().out


def test_other_settings_remake_it(settings, tmp_path):
  _prepare(settings)
  dataset = _prepare(dataclasses.replace(settings, piece_bytes=100_000))
  names = ["dataset.json", *dataset["files"]]
  assert sorted(_contents(tmp_path / "out")) == sorted(names)
  assert "train-00000-of-00001.tfrecord" in names


def test_another_input_size_remakes_it(settings, tmp_path, text):
  first = _prepare(settings)
  (tmp_path / "text.txt").write_text(text + "\n\nnew cat\nnew dog\n")
  assert _prepare(settings) != first


def test_given_vocabulary_is_used_as_it_is(settings, tmp_path):
  content = "\n".join(["[unused0]", *vocabulary.SPECIAL_TOKENS, "the", "cat"])
  (tmp_path / "given.txt").write_text(content + "\n")
  dataset = _prepare(
    dataclasses.replace(settings, vocab_file=str(tmp_path / "given.txt"))
  )
  assert (tmp_path / "out" / "vocab.txt").read_text() == content + "\n"
  assert dataset["vocab_size"] == 8
  assert dataset["train"]["unknown_share"] > 0.5


def test_document_per_file(settings, tmp_path, text):
  for index, document in enumerate(text.split("\n\n")[:10]):
    halves = document.replace("\n", "\n\n")
    (tmp_path / f"doc{index}.txt").write_text(halves)
  dataset = _prepare(
    dataclasses.replace(
      settings, input=f"{tmp_path}/doc*.txt", document_per_file=True
    )
  )
  assert dataset["train"]["documents"] == 8
  assert dataset["validation"]["documents"] == 2


def test_cased(settings, tmp_path, text):
  (tmp_path / "text.txt").write_text(text.replace("cat", "Cat"))
  _prepare(dataclasses.replace(settings, do_lower_case=False))
  words = (tmp_path / "out" / "vocab.txt").read_text().splitlines()
  assert "Cat" in words and "cat" not in words


def test_accents_are_recorded_and_kept(settings, tmp_path, text):
  (tmp_path / "text.txt").write_text(text.replace("cat", "Cät"))
  dataset = _prepare(dataclasses.replace(settings, strip_accents=False))
  assert dataset["settings"]["do_lower_case"] is True
  assert dataset["settings"]["strip_accents"] is False
  words = (tmp_path / "out" / "vocab.txt").read_text().splitlines()
  assert "cät" in words and "cat" not in words
  assert dataset["train"]["unknown_share"] == 0


@pytest.mark.parametrize(
  ("content", "packing", "message"),
  [
    ("", "full", "at least 2 different documents"),
    ("one\ntwo", "full", "at least 2 different documents"),
    ("one\n\none", "full", "at least 2 different documents"),
    ("one\n\ntwo\n\nthree", "pairs", "at least 4 different documents"),
    ("one\n\ntwo", "full", "at least 2 different documents"),
    ("one 1\n\ntwo 2", "full", "must hold pieces of words"),
    ("cat cat\n\ndog dog", "full", "at least one train sequence"),
  ],
)
def test_unusable_text(settings, tmp_path, content, packing, message):
  if isinstance(content, str):
    content = content.encode()
  (tmp_path / "text.txt").write_bytes(content)
  with pytest.raises(errors.UserError, match=message) as info:
    _prepare(dataclasses.replace(settings, packing=packing))
  assert "\n" not in str(info.value)
  assert not list((tmp_path / "out").glob("*"))


def test_documents_without_tokens(settings, tmp_path):
  (tmp_path / "text.txt").write_text("\u200b \u200b\n\n\u200b x y\n\n\u200b x")
  content = "".join(f"{t}\n" for t in (*vocabulary.SPECIAL_TOKENS, "cat"))
  (tmp_path / "given.txt").write_text(content)
  given = str(tmp_path / "given.txt")
  with pytest.raises(errors.UserError, match=r"in [0-2] train documents"):
    _prepare(dataclasses.replace(settings, vocab_file=given))


def test_too_little_validation_text(settings, tmp_path):
  long = " ".join(WORDS * 10)
  for seed in range(9):  # whichever of the two documents validates
    (tmp_path / "text.txt").write_text(f"{long}\n\ncat cat")
    changed = dataclasses.replace(
      settings, seed=seed, output_dir=str(tmp_path / str(seed))
    )
    with pytest.raises(errors.UserError, match="must fill at least one"):
      _prepare(changed)


@pytest.mark.parametrize(
  ("change", "message"),
  [
    ({"input": "/none/*.txt"}, "input must match at least one file"),
    ({"vocab_file": "/none/vocab.txt"}, "must be a readable file"),
  ],
)
def test_missing_files(settings, change, message):
  with pytest.raises(errors.UserError, match=message):
    _prepare(dataclasses.replace(settings, **change))


def test_files_of_others_are_refused_before_reading(settings, tmp_path):
  (tmp_path / "out").mkdir()
  (tmp_path / "out" / "vocab.txt").write_text("mine")
  with pytest.raises(errors.UserError, match="did not make"):
    _prepare(settings)
  assert (tmp_path / "out" / "vocab.txt").read_text() == "mine"


def test_a_failed_remake_keeps_the_old_dataset(settings, tmp_path):
  _prepare(settings)
  before = _contents(tmp_path / "out")
  (tmp_path / "text.txt").write_text("too\n\nsmall")
  with pytest.raises(errors.UserError):
    _prepare(settings)
  assert _contents(tmp_path / "out") == before


def test_fewer_tokens_than_asked_are_reported(settings, capsys):
  _prepare(settings)
  assert "of 100 asked" in capsys.readouterr().out


def test_summary(settings):
  lines = prepare.summary(_prepare(settings), "out").splitlines()
  assert [line.split(":")[0] for line in lines] == [
    "dataset",
    "train",
    "validation",
    "text",
    "a guess without context",
  ]


def _word_starts(folder, ids):
  special = vocabulary.SPECIAL_TOKENS
  tokens = _tokens(folder, ids)
  return [int(t[:2] != "##" and t not in special) for t in tokens]


@pytest.mark.parametrize("packing", prepare_settings.PACKINGS)
def test_dynamic_records_hold_ids_and_word_starts(settings, tmp_path, packing):
  dataset = _prepare(
    dataclasses.replace(settings, packing=packing, masking="dynamic")
  )
  assert dataset["masking"] == "dynamic"
  assert dataset["train"]["masked_tokens"] == 0
  assert 0 < dataset["validation"]["unigram_loss"] < 10
  names = {"input_word_ids", "word_starts"}
  if packing == "pairs":
    names |= {"input_type_ids", "next_sentence_labels"}
  for record in _records(tmp_path / "out", "train"):
    assert set(record) == names
    assert len(record["input_word_ids"]) == LENGTH
    starts = _word_starts(tmp_path / "out", record["input_word_ids"])
    assert record["word_starts"].tolist() == starts


def test_text_care_is_counted(settings, tmp_path, text):
  bad = "\ufeffone\r\n\r\n".encode() + b"bad \xff byte \x00\n\n"
  (tmp_path / "text.txt").write_bytes(bad + text.encode())
  counts = _prepare(settings)["text"]
  assert counts["documents"] == 41
  names = ["one_word_documents", "invalid_utf8_lines", "control_characters"]
  names.append("byte_order_marks")
  assert [counts[name] for name in names] == [1, 1, 1, 1]
  assert counts["crlf_lines"] == 2


@pytest.mark.parametrize("piece_bytes", [3000, 100_000])
def test_copies_of_documents_are_dropped(settings, text, piece_bytes):
  whole = _prepare(dataclasses.replace(settings, piece_bytes=100_000))
  with open(settings.input, "w") as file:
    file.write(f"{text}\n\n{text}")
  dataset = _prepare(
    dataclasses.replace(settings, piece_bytes=piece_bytes, deduplicate=True)
  )
  assert dataset["text"]["duplicate_documents"] == 40
  assert dataset["text"]["documents"] == 40
  for name in ("train", "validation"):
    assert dataset[name]["documents"] == whole[name]["documents"]


def test_reading_a_tfds_data_set(tmp_path):
  with tfds.testing.mock_data(num_examples=50):
    dataset = _prepare(
      prepare_settings.PrepareSettings(
        tfds_name="imdb_reviews:train",
        output_dir=str(tmp_path),
        vocab_size=200,
        seq_length=16,
        max_predictions_per_seq=3,
      )
    )
  counts = dataset["text"]
  assert counts["documents"] + counts["one_word_documents"] == 50
  assert dataset["settings"]["input_files"] == [["imdb_reviews:train", None]]


@pytest.mark.parametrize(
  ("change", "message"),
  [
    ({"tfds_name": "no_such_set"}, "tfds_name must be name"),
    (
      {"tfds_name": "imdb_reviews", "text_field": "label"},
      "text_field must be a text feature",
    ),
  ],
)
def test_wrong_tfds_names(settings, change, message):
  with (
    tfds.testing.mock_data(num_examples=5),
    pytest.raises(errors.UserError, match=message) as info,
  ):
    _prepare(dataclasses.replace(settings, **change))
  assert "\n" not in str(info.value)


def test_flags_have_the_defaults_of_the_settings():
  values = flags.FlagValues()
  prepare.define_flags(values)
  values(["prepare", "--output_dir=out"])
  expected = prepare_settings.PrepareSettings(output_dir="out")
  assert prepare.settings_from_flags(values) == expected


def test_flags_set_the_settings():
  values = flags.FlagValues()
  prepare.define_flags(values)
  arguments = ["--output_dir=out", "--packing=pairs", "--nodo_lower_case"]
  values(["prepare", *arguments, "--masking_rate=0.3", "--seq_length=128"])
  assert prepare.settings_from_flags(values) == (
    prepare_settings.PrepareSettings(
      output_dir="out",
      packing="pairs",
      do_lower_case=False,
      masking_rate=0.3,
      seq_length=128,
    )
  )


@pytest.mark.parametrize(
  ("arguments", "expected"),
  [([], None), (["--strip_accents"], True), (["--nostrip_accents"], False)],
)
def test_accents_flag_may_be_unset(arguments, expected):
  values = flags.FlagValues()
  prepare.define_flags(values)
  values(["prepare", "--output_dir=out", *arguments])
  assert prepare.settings_from_flags(values).strip_accents is expected


def test_unknown_packing_flag():
  values = flags.FlagValues()
  prepare.define_flags(values)
  with pytest.raises(flags.IllegalFlagValueError):
    values(["prepare", "--packing=none"])


def test_importing_defines_no_flags():
  assert "masking_rate" not in flags.FLAGS


@pytest.mark.parametrize("argument", ["extra", "--seq_lenght=128"])
def test_arguments_of_nobody_are_refused(argument):
  with pytest.raises(errors.UserError, match=f"Received: '{argument}'"):
    prepare.main(["prepare", "--runner=DirectRunner", argument])
