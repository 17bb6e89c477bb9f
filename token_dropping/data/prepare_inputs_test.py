# SPDX-License-Identifier: Apache-2.0
"""Tests of what prepare reads."""

import tracemalloc

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from tests import prepare_testing
from tests import testing
from token_dropping.data.pretraining import text_pieces
from token_dropping.data.pretraining.corpus import input_plan
from token_dropping.data.pretraining.corpus import text_lines
from token_dropping.data.pretraining.corpus import tfds_text

TEXT = prepare_testing.make_text()


@pytest.fixture
def settings(tmp_path):
  return prepare_testing.write_text(tmp_path)


def test_text_care_and_copies_are_counted(settings, tmp_path):
  bad = "\ufeffone\r\n\r\n".encode() + b"bad \xff byte \x00\n\n"
  bad += b"word " + b"x" * 101 + b"\n\n"
  content = bad + f"{TEXT}\n\n{TEXT}".encode()
  (tmp_path / "text.txt").write_bytes(content)
  dataset = prepare_testing.run(settings, deduplicate=True, piece_bytes=3000)
  counts = {name: count for name, count in dataset["text"].items() if count}
  assert counts == {
    "documents": 42,
    "duplicate_documents": 40,
    "one_word_documents": 1,
    "long_words": 1,
    "invalid_utf8_lines": 1,
    "control_characters": 1,
    "byte_order_marks": 1,
    "crlf_lines": 2,
  }
  parts = [dataset[split]["documents"] for split in ("train", "validation")]
  assert parts == [34, 8]


@pytest.mark.parametrize(
  "kind", ["text", "document_per_line", "document_per_file"]
)
def test_a_long_line_needs_little_memory_and_loses_nothing(
  tmp_path, monkeypatch, kind
):
  """Limits and line are 1/500 of real ones: 400 kB instead of 200 MB."""
  monkeypatch.setattr(text_lines, "MAX_LINE", 2000)
  words = [f"w{i}" for i in range(60_000)]
  path = tmp_path / "text.txt"
  path.write_text(" ".join(words))
  flag = {} if kind == "text" else {kind: True}
  settings = prepare_testing.settings(path, "out", piece_bytes=32_000, **flag)
  size = path.stat().st_size
  part = input_plan.Range(str(path), "text", 0, None, size)
  text_pieces.clean(str(tmp_path), settings, 0, [part])  # fills caches
  tracemalloc.start()
  result = text_pieces.clean(str(tmp_path), settings, 0, [part])
  _, peak = tracemalloc.get_traced_memory()
  tracemalloc.stop()
  assert peak < size
  pieces, counts = text_pieces.collect(str(tmp_path), [result])
  documents = [document for piece in pieces for document in piece.read()[0]]
  assert " ".join(" ".join(document) for document in documents).split() == words
  assert counts["cut_lines"] > 100
  assert counts["cut_documents"] == len(documents) - 1 > 10


# TensorFlow Datasets.


@pytest.fixture(scope="module")
def tfds_set(tmp_path_factory):
  """A set on disk with the text of 40 documents, `words/one`."""
  folder = str(tmp_path_factory.mktemp("tfds"))
  examples = [
    {"body": f"document {i} sees a cat.\nIt hears {i} dogs.", "number": i}
    for i in range(40)
  ]
  features = tfds.features.FeaturesDict(
    {"body": tfds.features.Text(), "number": np.int64}
  )
  train = tf.data.Dataset.from_generator(
    lambda: examples, output_signature=features.get_tensor_spec()
  )
  tfds.dataset_builders.store_as_tfds_dataset(
    name="words",
    config="one",
    version="1.0.0",
    data_dir=folder,
    split_datasets={"train": train},
    features=features,
  )
  tfds.core.add_data_dir(folder)
  yield "words/one"
  tfds.core.utils.file_utils.clear_registered_data_dirs()


def test_stripes_of_a_tfds_split_hold_each_text_once(tfds_set):
  name = f"{tfds_set}:train[10:30]"
  whole = list(tfds_text.read_texts(name, "body", 0, 1))
  assert len(set(whole)) == len(whole) == 20
  stripes = [list(tfds_text.read_texts(name, "body", i, 3)) for i in range(3)]
  assert [len(stripe) for stripe in stripes] == [7, 7, 6]
  assert [text for stripe in stripes for text in stripe] == whole


def test_preparing_a_tfds_data_set_on_disk(settings, tfds_set, monkeypatch):
  monkeypatch.setattr(tfds_text, "_BYTES_PER_EXAMPLE", 500)
  changed = {
    **{"tfds_name": tfds_set, "text_field": "body", "packing": "documents"},
    "piece_bytes": 1000,
  }
  dataset = prepare_testing.run(settings, **changed)
  assert dataset["text"]["documents"] == 40
  assert dataset["settings"]["input_files"] == [["words/one", 40]]
  assert len(dataset["files"]) > 3
  assert prepare_testing.run(settings, **changed) == dataset


def test_a_set_that_does_not_know_its_size():
  name = "imdb_reviews:train"
  with tfds.testing.mock_data(num_examples=50):
    assert tfds_text.number_of_examples(name) is None
    assert tfds_text.number_of_stripes(name, 1) == 1
    assert len(list(tfds_text.read_texts(name, "text", 0, 1))) == 50


@pytest.mark.parametrize(
  ("name", "field", "message"),
  [
    *(
      (f"words/one:{split}", "body", "tfds_name must name a split (train).")
      for split in ("nope", "train[", "train[5:x]")
    ),
    ("none", "body", "tfds_name must be name[/config][:split] of a data set"),
    ("words/one", "number", "text_field must be a text feature of words/one"),
  ],
)
def test_wrong_tfds_names(
  settings, tfds_set, name, field, message, monkeypatch
):
  """They are refused before anything is downloaded."""
  builder = tfds.core.DatasetBuilder
  monkeypatch.setattr(builder, "download_and_prepare", None)
  found = testing.refused(
    prepare_testing.run, settings, tfds_name=name, text_field=field
  )
  received = field if field == "number" else name
  assert found.startswith(message)
  assert found.endswith(f"Received: {received!r}")


@pytest.mark.parametrize("error", [OSError("no\nnetwork"), OSError])
def test_a_set_that_cannot_be_had_is_one_line(
  settings, tfds_set, monkeypatch, error
):
  """Also where a worker of Beam reads it."""

  def fail(*unused, **other):
    raise error

  monkeypatch.setattr(tfds.core.DatasetBuilder, "as_dataset", fail)
  found = testing.refused(
    prepare_testing.run, settings, tfds_name=tfds_set, text_field="body"
  )
  reason = "no" if isinstance(error, OSError) else "OSError"
  assert found == (
    "tfds_name must be a data set that is there and readable, or can be "
    f"downloaded. Received: 'words/one' (OSError: {reason})"
  )
