# SPDX-License-Identifier: Apache-2.0
"""Tests for inspect."""

import io
import subprocess
import sys

import pytest
from absl import flags

from tests import dataset_testing
from tests import testing
from token_dropping.common import errors
from token_dropping.data import inspect
from token_dropping.data.pretraining import dataset_folder

TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
TOKENS += [f"é{i}" for i in range(testing.VOCAB_SIZE - len(TOKENS))]
SHARDS = {
  "train-00000-of-00002.tfrecord": 12,
  "train-00001-of-00002.tfrecord": 8,
  "validation-00000-of-00001.tfrecord": 1,
}


@pytest.fixture
def folder(tmp_path):
  shards = {
    name: [testing.random_features(seed) for seed in range(count)]
    for name, count in SHARDS.items()
  }
  dataset_testing.write_dataset(tmp_path, TOKENS, shards)
  return tmp_path


def _main(*arguments) -> None:
  testing.run_command(inspect, *map(str, arguments))


def _run(capsys, *arguments) -> str:
  _main(*arguments)
  return capsys.readouterr().out


def test_report(folder, capsys):
  lines = _run(capsys, folder, "--examples=1").splitlines()
  assert lines[:16] == [
    f"{folder}: sizes, checksums and records of 4 files agree",
    "packing full, masking static, seq_length 16, vocab_size 50",
    "",
    "                      train  validation",
    "  documents               1           1",
    "  sequences              20           1",
    "  records                20           1",
    "  tokens                320          16",
    "  [UNK]              1.250%      1.250%",
    "  padding           25.000%     25.000%",
    "  truncated tokens        7           7",
    "  dropped tokens          0           0",
    "  masked tokens          40           2",
    "  files                   2           1",
    "  MB                    0.0         0.0",
    "",
  ]
  assert lines[16].startswith("To predict is a: [a→MASK]")
  assert lines[18].startswith("train-0000")
  assert lines[19].startswith("  é") and lines[19].count("→") == 2
  assert len(lines) == 20


def test_counters_of_text_and_unknown_figures(folder):
  """Counters that are zero are not shown; figures not there are dashes."""
  card = dataset_folder.load_card(str(folder))
  card["text"] = {"empty_documents": 0, "invalid_utf8": 1234, "documents": 5}
  del card["train"]["masked_tokens"]
  card["validation"]["masked_tokens"] = None
  table = inspect.statistics(card)
  assert "  masked tokens           -           -" in table.splitlines()
  counters = "\n\ntext\n  invalid_utf8  1,234\n  documents         5"
  assert table.endswith(counters)


def test_quick_trusts_the_content(folder, capsys):
  path = folder / "validation-00000-of-00001.tfrecord"
  path.write_bytes(b"\xff" * path.stat().st_size)
  out = _run(capsys, "--quick", folder)
  assert out.startswith(f"{folder}: names and sizes of 4 files agree\n")
  assert f"{path} must have the CRC-32 " in testing.refused(_main, folder)
  path = folder / "train-00000-of-00002.tfrecord"
  path.write_bytes(b"\xff" * path.stat().st_size)
  message = testing.refused(_main, "--quick", "--examples=20", folder)
  rule = "records must be TFRecords of tf.train.Example."
  assert message.startswith(f"{rule} Received: {path}, record ")


def test_examples_are_those_of_the_seed_and_each_once(folder, monkeypatch):
  card = dataset_folder.load_card(str(folder))

  def chosen(number, seed):
    found = list(inspect.examples(str(folder), card, number, seed))
    for where, record in found:
      expected = testing.random_features(int(where.split()[-1]))
      assert list(record["input_word_ids"]) == list(expected["input_word_ids"])
    return [where for where, _ in found]

  first = chosen(5, 1)
  assert first == chosen(5, 1)
  assert first != chosen(5, 2)
  numbered = [(name, i) for name, n in SHARDS.items() for i in range(n)]
  places = [f"{name}, record {i}" for name, i in numbered if "train" in name]
  assert sorted(chosen(100, 0)) == sorted(places)
  monkeypatch.setattr(inspect, "_CANDIDATES", 3)  # near the start of a file
  near = chosen(100, 0)
  assert {where[-1] for where in near} == set("012") and len(near) == 6


@pytest.mark.parametrize("masking", ["static", "dynamic"])
def test_no_examples_and_dynamic_ones(folder, tmp_path, capsys, masking):
  out = _run(capsys, folder, "--examples=0")
  assert "To predict" not in out and out.splitlines()[-1].startswith("  MB")
  other = tmp_path / "other"
  other.mkdir()
  record = {"input_word_ids": [2, 5, 6, 3, 0], "word_starts": [1, 1, 0, 1, 0]}
  records = [record] if masking == "dynamic" else []
  shards = {"train-0": records, "validation-0": []}
  dataset_testing.write_dataset(other, TOKENS, shards, masking=masking)
  out = _run(capsys, other)
  assert "To predict" not in out
  shown = "\ntrain-0, record 0\n  [CLS] é0é1 [SEP]\n"
  assert out.endswith(shown) == (masking == "dynamic")


@pytest.mark.parametrize(
  "arguments, received", [([], "nothing"), (["a", "b"], "a b")]
)
def test_one_folder_is_needed(arguments, received):
  assert testing.refused(_main, *arguments) == (
    "arguments must be one folder, and flags (--name=value). "
    f"Received: {received}"
  )


@pytest.mark.parametrize("flag", ["--examples=-1", "--seed=-1", "--seed=x"])
def test_flags_have_bounds(folder, flag):
  with pytest.raises(flags.IllegalFlagValueError):
    _main(folder, flag)
  assert "quick" not in flags.FLAGS  # importing defines none


@pytest.mark.parametrize("no_color", ["", "1"])
def test_colours_are_for_terminals_that_want_them(
  folder, monkeypatch, no_color
):
  terminal = io.StringIO()
  terminal.isatty = lambda: True
  monkeypatch.setattr(sys, "stdout", terminal)
  monkeypatch.setenv("NO_COLOR", no_color)
  _main(folder)
  assert ("\x1b[" in terminal.getvalue()) == (not no_color)


@pytest.mark.slow  # its parts are tested above and in errors_test
def test_command_reports_in_one_line(tmp_path):
  done = subprocess.run(
    [sys.executable, "-m", "token_dropping.data.inspect", str(tmp_path)],
    capture_output=True,
    text=True,
  )
  assert (done.returncode, done.stdout) == (errors.EXIT_CODE, "")
  assert done.stderr.splitlines()[-1].startswith("error: a finished dataset ")
