# SPDX-License-Identifier: Apache-2.0
"""Tests of what prepare reads."""

import bz2
import dataclasses
import gzip
import json
import tracemalloc

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from backports import zstd

from tests import prepare_testing
from token_dropping.common import errors
from token_dropping.data.pretraining import prepare_settings
from token_dropping.data.pretraining import text_pieces
from token_dropping.data.pretraining.corpus import input_plan
from token_dropping.data.pretraining.corpus import text_lines
from token_dropping.data.pretraining.corpus import tfds_text

TEXT = prepare_testing.make_text()


@pytest.fixture
def settings(tmp_path):
  return prepare_testing.write_text(tmp_path)


def test_document_per_file(settings, tmp_path):
  for index, document in enumerate(TEXT.split("\n\n")[:10]):
    halves = document.replace("\n", "\n\n")
    (tmp_path / f"doc{index}.txt").write_text(halves)
  dataset = prepare_testing.run(
    settings, input=f"{tmp_path}/doc*.txt", document_per_file=True
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
    prepare_testing.run(settings, **change)


def test_text_care_is_counted(settings, tmp_path):
  bad = "\ufeffone\r\n\r\n".encode() + b"bad \xff byte \x00\n\n"
  (tmp_path / "text.txt").write_bytes(bad + TEXT.encode())
  counts = prepare_testing.run(settings)["text"]
  assert counts["documents"] == 41
  names = ["one_word_documents", "invalid_utf8_lines", "control_characters"]
  names.append("byte_order_marks")
  assert [counts[name] for name in names] == [1, 1, 1, 1]
  assert counts["crlf_lines"] == 2


@pytest.mark.parametrize("piece_bytes", [3000, 100_000])
def test_copies_of_documents_are_dropped(settings, piece_bytes):
  whole = prepare_testing.run(settings, piece_bytes=100_000)
  with open(settings.input, "w") as file:
    file.write(f"{TEXT}\n\n{TEXT}")
  dataset = prepare_testing.run(
    settings, piece_bytes=piece_bytes, deduplicate=True
  )
  assert dataset["text"]["duplicate_documents"] == 40
  assert dataset["text"]["documents"] == 40
  for name in ("train", "validation"):
    assert dataset[name]["documents"] == whole[name]["documents"]


def test_reading_a_tfds_data_set(tmp_path):
  with tfds.testing.mock_data(num_examples=50):
    dataset = prepare_testing.run(
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
    prepare_testing.run(settings, **change)
  assert "\n" not in str(info.value)


# Kinds of input.


def test_every_kind_of_input_is_read(settings, tmp_path):
  """Each has a word of its own."""
  text = "A {0} and {0} cat sees it.\n\nThe {0} dog hears a {0}.\n\n" * 5
  texts = {name: text.format(name) for name in ("aa", "bb", "cc")}
  (tmp_path / "a.txt.gz").write_bytes(gzip.compress(texts["aa"].encode()))
  lines = [json.dumps({"text": t}) for t in texts["bb"].split("\n\n")[:-1]]
  compressed = zstd.compress("\n".join(lines).encode())
  (tmp_path / "b.jsonl.zst").write_bytes(compressed)
  pages = "".join(
    f"<page><title>{i}</title><ns>0</ns><id>{i}</id><revision><text>{t}</text>"
    "</revision></page>"
    for i, t in enumerate(texts["cc"].split("\n\n")[:-1])
  )
  namespace = "http://www.mediawiki.org/xml/export-0.10/"
  dump = f'<mediawiki xmlns="{namespace}">{pages}</mediawiki>'
  (tmp_path / "c.xml.bz2").write_bytes(bz2.compress(dump.encode()))
  dataset = prepare_testing.run(
    settings, input=f"{tmp_path}/?.*", packing="documents"
  )
  assert dataset["text"]["documents"] == 30
  words = set()
  for part in ("train", "validation"):
    for record in prepare_testing.read(tmp_path / "out", part):
      ids = prepare_testing.unmasked(record)
      words |= set(prepare_testing.tokens(tmp_path / "out", ids))
  assert {"aa", "bb", "cc"} <= words


def test_document_per_line(settings, tmp_path):
  lines = [f"document {i % 40} sees a cat. It hears it too." for i in range(50)]
  (tmp_path / "text.txt").write_text("\n".join(lines))
  for deduplicate, documents in ((False, 50), (True, 40)):
    dataset = prepare_testing.run(
      settings, document_per_line=True, deduplicate=deduplicate
    )
    assert dataset["text"]["documents"] == documents


@pytest.mark.parametrize(
  "kind", ["text", "document_per_line", "document_per_file"]
)
def test_a_long_line_needs_little_memory_and_loses_nothing(
  tmp_path, monkeypatch, kind
):
  """Limits and line are 1/200 of real ones: 1 MB instead of 200 MB."""
  monkeypatch.setattr(text_lines, "MAX_LINE", 5000)
  words = [f"w{i}" for i in range(150_000)]
  path = tmp_path / "text.txt"
  path.write_text(" ".join(words))
  flag = {} if kind == "text" else {kind: True}
  settings = prepare_testing.settings(path, "out", piece_bytes=80_000, **flag)
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


@pytest.fixture
def tfds_set(tmp_path, monkeypatch):
  """A set on disk with the text of 40 documents, `words/one`."""
  examples = [
    {"body": f"document {i} sees a cat.\nIt hears {i} dogs.", "number": i}
    for i in range(40)
  ]
  features = tfds.features.FeaturesDict(
    {"body": tfds.features.Text(), "number": np.int64}
  )
  tfds.dataset_builders.store_as_tfds_dataset(
    name="words",
    config="one",
    version="1.0.0",
    data_dir=str(tmp_path / "tfds"),
    split_datasets={
      "train": tf.data.Dataset.from_generator(
        lambda: examples, output_signature=features.get_tensor_spec()
      )
    },
    features=features,
  )
  monkeypatch.setattr(tfds_text, "_BYTES_PER_EXAMPLE", 500)
  tfds.core.add_data_dir(str(tmp_path / "tfds"))
  yield "words/one"
  tfds.core.utils.file_utils.clear_registered_data_dirs()


def test_stripes_of_a_tfds_split_hold_each_text_once(tfds_set):
  name = f"{tfds_set}:train[10:30]"
  (whole,) = [list(tfds_text.read_texts(name, "body", 0, 1))]
  assert len(set(whole)) == len(whole) == 20
  stripes = [list(tfds_text.read_texts(name, "body", i, 3)) for i in range(3)]
  assert [len(stripe) for stripe in stripes] == [7, 7, 6]
  assert [text for stripe in stripes for text in stripe] == whole


def test_preparing_a_tfds_data_set_on_disk(settings, tfds_set):
  changed = dataclasses.replace(
    settings,
    tfds_name=tfds_set,
    text_field="body",
    piece_bytes=1000,
    packing="documents",
  )
  dataset = prepare_testing.run(changed)
  assert dataset["text"]["documents"] == 40
  assert dataset["settings"]["input_files"] == [["words/one", 40]]
  assert len(dataset["files"]) > 3
  assert prepare_testing.run(changed) == dataset


@pytest.mark.parametrize("split", ["nope", "train[", "train[5:x]"])
def test_wrong_split(settings, tfds_set, split):
  name = f"{tfds_set}:{split}"
  with pytest.raises(errors.UserError) as info:
    prepare_testing.run(settings, tfds_name=name)
  assert str(info.value) == (
    f"tfds_name must name a split (train). Received: {name!r}"
  )
