# SPDX-License-Identifier: Apache-2.0
"""Tests for prepare."""

import dataclasses
import zlib

import pytest
from absl import flags

from tests import prepare_testing
from token_dropping.common import errors
from token_dropping.common import vocabulary
from token_dropping.data import prepare
from token_dropping.data import records
from token_dropping.data.pretraining import prepare_settings


@pytest.fixture(scope="module")
def text():
  return prepare_testing.make_text()


@pytest.fixture
def settings(text, tmp_path):
  (tmp_path / "text.txt").write_text(text)
  return prepare_testing.settings(tmp_path / "text.txt", tmp_path / "out")


def _prepare(settings):
  return prepare.prepare(settings, num_workers=1)


def test_files_have_counts_and_checksums(settings, tmp_path):
  dataset = _prepare(settings)
  for name, file in dataset["files"].items():
    content = (tmp_path / "out" / name).read_bytes()
    assert file["bytes"] == len(content)
    assert file["crc32"] == f"{zlib.crc32(content):08x}"
    if name.endswith(".tfrecord"):
      path = str(tmp_path / "out" / name)
      assert file["records"] == len(list(records.read_records(path)))


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


def test_same_settings_same_bytes(settings, tmp_path):
  for packing in prepare_settings.PACKINGS:
    found = []
    for name in ("one", "two"):
      folder = tmp_path / packing / name
      _prepare(
        dataclasses.replace(settings, packing=packing, output_dir=str(folder))
      )
      found.append(prepare_testing.contents(folder))
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
  assert sorted(prepare_testing.contents(tmp_path / "out")) == sorted(names)
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
  long = " ".join(prepare_testing.WORDS * 10)
  for seed in range(3):  # whichever of the two documents validates
    (tmp_path / "text.txt").write_text(f"{long}\n\ncat cat")
    changed = dataclasses.replace(
      settings, seed=seed, output_dir=str(tmp_path / str(seed))
    )
    with pytest.raises(errors.UserError, match="must fill at least one"):
      _prepare(changed)


def test_files_of_others_are_refused_before_reading(settings, tmp_path):
  (tmp_path / "out").mkdir()
  (tmp_path / "out" / "vocab.txt").write_text("mine")
  with pytest.raises(errors.UserError, match="did not make"):
    _prepare(settings)
  assert (tmp_path / "out" / "vocab.txt").read_text() == "mine"


def test_a_failed_remake_keeps_the_old_dataset(settings, tmp_path):
  _prepare(settings)
  before = prepare_testing.contents(tmp_path / "out")
  (tmp_path / "text.txt").write_text("too\n\nsmall")
  with pytest.raises(errors.UserError):
    _prepare(settings)
  assert prepare_testing.contents(tmp_path / "out") == before


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
