# SPDX-License-Identifier: Apache-2.0
"""Tests of what prepare reads."""

import dataclasses

import pytest
import tensorflow_datasets as tfds

from token_dropping import errors
from token_dropping.data import prepare
from token_dropping.data import prepare_settings
from token_dropping.data import prepare_testing


@pytest.fixture(scope="module")
def text():
  return prepare_testing.make_text()


@pytest.fixture
def settings(text, tmp_path):
  (tmp_path / "text.txt").write_text(text)
  return prepare_testing.settings(tmp_path / "text.txt", tmp_path / "out")


def _prepare(settings):
  return prepare.prepare(settings, num_workers=1)


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
