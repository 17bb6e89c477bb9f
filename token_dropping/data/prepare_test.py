# SPDX-License-Identifier: Apache-2.0
"""Tests of prepare: settings, vocabulary, and what is made anew, and where."""

import json
import uuid

import pytest
from absl import flags

from tests import prepare_testing
from tests import testing
from token_dropping.common import files
from token_dropping.common import vocabulary
from token_dropping.data import prepare
from token_dropping.data import settings_flags
from token_dropping.data.pretraining import dataset_folder
from token_dropping.data.pretraining import prepare_settings

TEXT = prepare_testing.make_text()
CAT = {"vocab_file": "a vocabulary with a word"}


@pytest.fixture
def settings(tmp_path):
  return prepare_testing.write_text(tmp_path)


@pytest.fixture(params=dataset_folder.OBJECTIVES)
def any_settings(request, tmp_path):
  return prepare_testing.write_text(tmp_path, objective=request.param)


def test_vocabulary_is_learned_from_training_documents_only(settings, tmp_path):
  secret = ["qqqq zzzz qqqq zzzz " * 10, "plain words and more words " * 10]
  (tmp_path / "text.txt").write_text("\n\n".join(secret))
  prepare_testing.run(settings, seq_length=8, vocab_size=1000)
  learned = (tmp_path / "out" / "vocab.txt").read_text()
  assert ("q" in learned) != ("w" in learned)


def test_what_is_ready_is_left_and_what_is_not_is_remade(
  any_settings, tmp_path, capsys
):
  settings = any_settings
  first = prepare_testing.run(settings)
  assert f"of {settings.vocab_size} asked" in capsys.readouterr().out
  said = prepare.summary(first, "out").splitlines()
  left = ["a guess from the token before"] * settings.is_causal
  assert [line.split(":")[0] for line in said] == (
    ["dataset", "train", "validation", "text", "a guess without context", *left]
  )
  before = prepare_testing.contents(tmp_path / "out")
  times = [path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()]
  assert prepare_testing.run(settings) == first
  assert "ready" in capsys.readouterr().out
  (tmp_path / "text.txt").write_text("too\n\nsmall")  # keeps the old dataset
  testing.refused(prepare_testing.run, settings)
  assert prepare_testing.contents(tmp_path / "out") == before
  after = [path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()]
  assert after == times
  (tmp_path / "text.txt").write_text(TEXT + "\n\nnew cat\nnew dog\n")
  second = prepare_testing.run(settings, piece_bytes=100_000)
  assert second["text"]["documents"] == first["text"]["documents"] + 1
  assert "train-00000-of-00001.tfrecord" in second["files"]
  names = sorted(["dataset.json", *second["files"]])
  assert sorted(prepare_testing.contents(tmp_path / "out")) == names


def test_given_vocabulary_is_used_as_it_is(settings, tmp_path):
  content = "\n".join(["[unused0]", *vocabulary.SPECIAL_TOKENS, "the", "cat"])
  given = tmp_path / "given.txt"
  given.write_text(content + "\n")
  dataset = prepare_testing.run(settings, vocab_file=str(given))
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
  dataset = prepare_testing.run(settings, piece_bytes=100_000, **change)
  assert dataset["settings"] | change == dataset["settings"]
  words = (tmp_path / "out" / "vocab.txt").read_text().splitlines()
  assert word in words and "cat" not in words
  assert dataset["train"]["unknown_share"] == 0


@pytest.mark.parametrize(
  ("content", "change", "message"),
  [
    ("", {}, "at least 2 different documents"),
    ("one\n\ntwo", {}, "at least 2 different documents"),
    ("a a\n\nb b\n\nc c", {"packing": "pairs"}, "at least 4 different doc"),
    ("one 1\n\ntwo 2", {}, "must hold a character that occurs twice"),
    ("cat cat\n\ndog dog", {}, "at least one train sequence"),
    (f"{'the cat ' * 40}\n\ncat cat", CAT, "must fill at least one"),
    ("\u200b \u200b\n\n\u200b x y\n\n\u200b x", CAT, " train documents"),
    (TEXT, {"vocab_file": "/none/vocab.txt"}, "must be a readable file"),
  ],
)
def test_unusable_text(settings, tmp_path, content, change, message):
  (tmp_path / "text.txt").write_text(content)
  if change == CAT:
    given = tmp_path / "given.txt"
    given.write_text("\n".join([*vocabulary.SPECIAL_TOKENS, "cat"]))
    change = {"vocab_file": str(given)}
  assert message in testing.refused(prepare_testing.run, settings, **change)
  assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["vocab.txt", "tokenizer.model"])
def test_files_of_others_are_refused_before_reading(settings, tmp_path, name):
  (tmp_path / "out").mkdir()
  (tmp_path / "out" / name).write_text("mine")
  assert "did not make" in testing.refused(prepare_testing.run, settings)
  assert (tmp_path / "out" / name).read_text() == "mine"


# Filesystems that are not local.


@pytest.fixture(scope="module")
def local(tmp_path_factory):
  """The files that a remote folder shall hold."""
  folder = tmp_path_factory.mktemp("local")
  (folder / "text.txt").write_text(prepare_testing.make_text(20))
  made = prepare_testing.settings(folder / "text.txt", folder / "out")
  prepare_testing.run(made)
  return prepare_testing.contents(folder / "out")


@pytest.mark.parametrize("scheme", ["memory", "ram"])  # fsspec's, TensorFlow's
def test_remote_files_are_those_of_local_ones(local, scheme, capsys):
  bucket = f"{scheme}://{uuid.uuid4().hex}"
  files.make_folder(bucket)
  files.write(f"{bucket}/text.txt", prepare_testing.make_text(20))
  files.write(f"{bucket}/given.txt", local["vocab.txt"])
  out = f"{bucket}/some/data"
  settings = prepare_testing.settings(f"{bucket}/te*.txt", out)
  dataset = prepare_testing.run(settings)
  expected = local | {"dataset.json": files.read(f"{out}/dataset.json")}
  assert _contents(out) == expected
  assert json.loads(expected["dataset.json"]) == dataset
  assert dataset["files"] == json.loads(local["dataset.json"])["files"]
  assert prepare_testing.run(settings) == dataset
  assert "ready" in capsys.readouterr().out
  other = {"vocab_file": f"{bucket}/given.txt", "piece_bytes": 100_000}
  replaced = prepare_testing.run(settings, **other)["files"]
  assert replaced.keys() != dataset["files"].keys()
  assert _contents(out).keys() == {"dataset.json", *replaced}


def _contents(folder: str) -> dict[str, bytes]:
  return {
    name: files.read(f"{folder}/{name}") for name in files.list_names(folder)
  }


# The command.


def _from_flags(*arguments):
  values = flags.FlagValues()
  prepare.define_flags(values)
  values(["prepare", "--output_dir=out", *arguments])
  return settings_flags.read(prepare_settings.PrepareSettings, values)


@pytest.mark.parametrize(
  ("arguments", "expected"),
  [
    ("", {}),
    (
      "--packing=pairs --nodo_lower_case --seq_length=128",
      {"packing": "pairs", "do_lower_case": False, "seq_length": 128},
    ),
    ("--masking_rate=0.3", {"masking_rate": 0.3}),
    ("--strip_accents", {"strip_accents": True}),
    ("--nostrip_accents", {"strip_accents": False}),
  ],
)
def test_flags_set_the_settings(arguments, expected):
  expected = prepare_settings.PrepareSettings(output_dir="out", **expected)
  assert _from_flags(*arguments.split()) == expected
  assert "masking_rate" not in flags.FLAGS  # importing defines none
  with pytest.raises(flags.IllegalFlagValueError):
    _from_flags("--packing=none")


@pytest.mark.parametrize("argument", ["extra", "--seq_lenght=128"])
def test_arguments_of_nobody_are_refused(argument):
  arguments = ["prepare", "--runner=DirectRunner", argument]
  message = testing.refused(prepare.main, arguments)
  assert message.endswith(f"Received: '{argument}'")
