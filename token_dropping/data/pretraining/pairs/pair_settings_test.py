# SPDX-License-Identifier: Apache-2.0
"""Tests of the settings of prepare_pairs, and of the files they name."""

import pytest

from tests import prepare_pairs_testing
from tests import testing
from token_dropping.data.pretraining.pairs import pair_inputs

_ONE = "one of input, tfds_name, or source_input and target_input together "
_ONE += "must be set. Received: "


@pytest.mark.parametrize(
  ("changes", "message"),
  [
    (
      {"source_language": "English"},
      "source_language must be a code such as en, de or pt-BR. "
      "Received: 'English'",
    ),
    (
      {"target_language": "en"},
      "target_language must be another than the source language, en. "
      "Received: 'en'",
    ),
    ({"input": ""}, f"{_ONE}none"),
    ({"tfds_name": "wmt"}, f"{_ONE}input, tfds_name"),
    ({"source_input": "x"}, f"{_ONE}input"),
    ({"input": "", "target_input": "x"}, f"{_ONE}none"),
    ({"target_length": 7}, "target_length must be at least 8. Received: 7"),
    (
      {"max_length_ratio": 0.9},
      "max_length_ratio must be at least 1 and finite. Received: 0.9",
    ),
  ],
)
def test_wrong_settings(changes, message):
  values = {"input": "x.tsv", "output_dir": "out"} | changes
  assert testing.refused(prepare_pairs_testing.settings, **values) == message


def _find(folder, **named) -> pair_inputs.Inputs:
  """Returns the inputs that names in a folder are, `,` between two."""
  values = {
    flag: ",".join(f"{folder}/{name}" for name in names.split(","))
    for flag, names in named.items()
  }
  return pair_inputs.Inputs.find(
    prepare_pairs_testing.settings("out", **values)
  )


def test_files_and_who_reads_them(tmp_path):
  for name, size in {"a.tsv": 30, "b.jsonl.gz": 20, "c.po": 10}.items():
    (tmp_path / name).write_bytes(b"x" * size)
  found = _find(tmp_path, input="a.tsv,b.jsonl.gz,c.po")
  sizes = [["a.tsv", 30], ["b.jsonl.gz", 20], ["c.po", 10]]
  assert found.recorded() == {"input_files": sizes}
  # A task reads three quarters of 140 bytes; compressed text counts four times.
  first, second = found.plan(140)
  assert [(p.kind, p.weight) for p in (*first, *second)] == [
    *(("tsv", 30), ("json", 80), ("po", 10))
  ]
  assert len(first) == 1
  both = _find(tmp_path, source_input="a.tsv,c.po", target_input="b*,a.tsv")
  assert both.recorded() == {
    "input_files": [sizes[0], sizes[2]],
    "translation_files": [sizes[1], sizes[0]],
  }
  ((one, two),) = both.plan(1000)
  assert (one.other, one.weight) == (f"{tmp_path}/b.jsonl.gz", 110)
  assert (two.other, two.weight) == (f"{tmp_path}/a.tsv", 40)


@pytest.mark.parametrize(
  ("name", "features"),
  [("wmt14_translate/de-en:train", "de, en"), ("mnist", "image, label")],
)
def test_sets_without_the_languages_are_refused_undownloaded(name, features):
  changes = {"tfds_name": name, "target_language": "fr"}
  settings = prepare_pairs_testing.settings("out", **changes)
  assert testing.refused(pair_inputs.Inputs.find, settings) == (
    f"tfds_name must be a set with texts in en and fr. Received: {name!r} with "
    f"{features}"
  )


def test_files_of_no_use(tmp_path):
  (tmp_path / "a.txt").write_text("x")
  (tmp_path / "b.txt").write_text("x")
  assert testing.refused(_find, tmp_path, input="a.txt") == (
    "input must name files that end in .tsv, .jsonl, .json, .tmx, .po, .mo. "
    f"Received: '{tmp_path}/a.txt'"
  )
  both = {"source_input": "?.txt", "target_input": "b.txt"}
  assert testing.refused(_find, tmp_path, **both) == (
    "source_input and target_input must name as many files. Received: 2 and 1"
  )
  both["target_input"] = "c.txt"
  assert testing.refused(_find, tmp_path, **both).startswith(
    "target_input must match at least one file. "
  )
