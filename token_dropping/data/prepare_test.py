# SPDX-License-Identifier: Apache-2.0
"""Tests for prepare."""

import pytest
from absl import flags

from tests import prepare_testing
from token_dropping.common import errors
from token_dropping.common import vocabulary
from token_dropping.data import prepare
from token_dropping.data import settings_flags
from token_dropping.data.pretraining import prepare_settings

TEXT = prepare_testing.make_text()


@pytest.fixture
def settings(tmp_path):
  return prepare_testing.write_text(tmp_path)


def test_vocabulary_is_learned_from_training_documents_only(settings, tmp_path):
  secret = ["qqqq zzzz qqqq zzzz " * 10, "plain words and more words " * 10]
  (tmp_path / "text.txt").write_text("\n\n".join(secret))
  prepare_testing.run(settings, seq_length=8, vocab_size=1000)
  learned = (tmp_path / "out" / "vocab.txt").read_text()
  assert ("q" in learned) != ("w" in learned)


def test_a_ready_dataset_is_left(settings, tmp_path, capsys):
  first = prepare_testing.run(settings)
  before = [p.stat().st_mtime_ns for p in (tmp_path / "out").iterdir()]
  capsys.readouterr()
  assert prepare_testing.run(settings) == first
  assert before == [p.stat().st_mtime_ns for p in (tmp_path / "out").iterdir()]
  assert "ready" in capsys.readouterr().out


def test_other_settings_or_input_remake_it(settings, tmp_path):
  prepare_testing.run(settings)
  dataset = prepare_testing.run(settings, piece_bytes=100_000)
  names = ["dataset.json", *dataset["files"]]
  assert sorted(prepare_testing.contents(tmp_path / "out")) == sorted(names)
  assert "train-00000-of-00001.tfrecord" in names
  (tmp_path / "text.txt").write_text(TEXT + "\n\nnew cat\nnew dog\n")
  assert prepare_testing.run(settings, piece_bytes=100_000) != dataset


def test_given_vocabulary_is_used_as_it_is(settings, tmp_path):
  content = "\n".join(["[unused0]", *vocabulary.SPECIAL_TOKENS, "the", "cat"])
  (tmp_path / "given.txt").write_text(content + "\n")
  dataset = prepare_testing.run(
    settings, vocab_file=str(tmp_path / "given.txt")
  )
  assert (tmp_path / "out" / "vocab.txt").read_text() == content + "\n"
  assert dataset["vocab_size"] == 8
  assert dataset["train"]["unknown_share"] > 0.5


@pytest.mark.parametrize(
  ("change", "word"),
  [({"do_lower_case": False}, "Cat"), ({"strip_accents": False}, "cät")],
)
def test_case_and_accents_are_recorded_and_kept(
  settings, tmp_path, change, word
):
  (tmp_path / "text.txt").write_text(TEXT.replace("cat", word.title()))
  dataset = prepare_testing.run(settings, **change)
  assert dataset["settings"] | change == dataset["settings"]
  words = (tmp_path / "out" / "vocab.txt").read_text().splitlines()
  assert word in words and "cat" not in words
  assert dataset["train"]["unknown_share"] == 0


@pytest.mark.parametrize(
  ("content", "packing", "message"),
  [
    ("", "full", "at least 2 different documents"),
    ("one two\n\none two", "full", "at least 2 different documents"),
    ("one\n\ntwo\n\nthree", "pairs", "at least 4 different documents"),
    ("one\n\ntwo", "full", "at least 2 different documents"),
    ("one 1\n\ntwo 2", "full", "must hold pieces of words"),
    ("cat cat\n\ndog dog", "full", "at least one train sequence"),
  ],
)
def test_unusable_text(settings, tmp_path, content, packing, message):
  (tmp_path / "text.txt").write_text(content)
  with pytest.raises(errors.UserError, match=message) as info:
    prepare_testing.run(settings, packing=packing)
  assert "\n" not in str(info.value)
  assert not list((tmp_path / "out").glob("*"))


def test_documents_without_tokens(settings, tmp_path):
  (tmp_path / "text.txt").write_text("\u200b \u200b\n\n\u200b x y\n\n\u200b x")
  content = "".join(f"{t}\n" for t in (*vocabulary.SPECIAL_TOKENS, "cat"))
  (tmp_path / "given.txt").write_text(content)
  given = str(tmp_path / "given.txt")
  with pytest.raises(errors.UserError, match=r"in [0-2] train documents"):
    prepare_testing.run(settings, vocab_file=given)


def test_too_little_validation_text(settings, tmp_path):
  long = " ".join(prepare_testing.WORDS * 10)
  (tmp_path / "text.txt").write_text(f"{long}\n\ncat cat")
  for seed in range(3):  # whichever of the two documents validates
    with pytest.raises(errors.UserError, match="must fill at least one"):
      prepare_testing.run(settings, seed=seed)


def test_files_of_others_are_refused_before_reading(settings, tmp_path):
  (tmp_path / "out").mkdir()
  (tmp_path / "out" / "vocab.txt").write_text("mine")
  with pytest.raises(errors.UserError, match="did not make"):
    prepare_testing.run(settings)
  assert (tmp_path / "out" / "vocab.txt").read_text() == "mine"


def test_a_failed_remake_keeps_the_old_dataset(settings, tmp_path):
  prepare_testing.run(settings)
  before = prepare_testing.contents(tmp_path / "out")
  (tmp_path / "text.txt").write_text("too\n\nsmall")
  with pytest.raises(errors.UserError):
    prepare_testing.run(settings)
  assert prepare_testing.contents(tmp_path / "out") == before


def test_what_is_said(settings, capsys):
  lines = prepare.summary(prepare_testing.run(settings), "out").splitlines()
  assert "of 100 asked" in capsys.readouterr().out
  assert [line.split(":")[0] for line in lines] == [
    "dataset",
    "train",
    "validation",
    "text",
    "a guess without context",
  ]


def _from_flags(*arguments):
  values = flags.FlagValues()
  prepare.define_flags(values)
  values(["prepare", "--output_dir=out", *arguments])
  return settings_flags.read(prepare_settings.PrepareSettings, values)


@pytest.mark.parametrize(
  ("arguments", "expected"),
  [
    ([], {}),
    (
      ["--packing=pairs", "--nodo_lower_case", "--seq_length=128"],
      {"packing": "pairs", "do_lower_case": False, "seq_length": 128},
    ),
    (["--masking_rate=0.3"], {"masking_rate": 0.3}),
    (["--strip_accents"], {"strip_accents": True}),
    (["--nostrip_accents"], {"strip_accents": False}),
  ],
)
def test_flags_set_the_settings(arguments, expected):
  assert _from_flags(*arguments) == (
    prepare_settings.PrepareSettings(output_dir="out", **expected)
  )


def test_unknown_packing_flag():
  with pytest.raises(flags.IllegalFlagValueError):
    _from_flags("--packing=none")


def test_importing_defines_no_flags():
  assert "masking_rate" not in flags.FLAGS


@pytest.mark.parametrize("argument", ["extra", "--seq_lenght=128"])
def test_arguments_of_nobody_are_refused(argument):
  with pytest.raises(errors.UserError, match=f"Received: '{argument}'"):
    prepare.main(["prepare", "--runner=DirectRunner", argument])
