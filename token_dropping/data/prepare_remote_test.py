# SPDX-License-Identifier: Apache-2.0
"""Tests of preparation on a filesystem that is not local.

It has the rules of an object store: names without folders, no renaming. What
Beam's FileSystems do not offer there, such as asking whether a folder exists,
must not be relied on.
"""

import io
import json

import pytest
from apache_beam.io import filesystem

from tests import prepare_testing
from token_dropping.data import prepare

SCHEME = "teststore"
BUCKET = f"{SCHEME}://bucket"
OBJECTS: dict[str, bytes] = {}


class _Upload(io.BytesIO):
  """Becomes an object when it is closed."""

  def __init__(self, path):
    super().__init__()
    self._path = path

  def close(self):
    if not self.closed:
      OBJECTS[self._path] = self.getvalue()
    super().close()


class ObjectStore(filesystem.FileSystem):
  """Objects in memory; Beam finds this class by its scheme."""

  @classmethod
  def scheme(cls):
    return SCHEME

  def join(self, basepath, *paths):
    return "/".join([basepath.rstrip("/"), *paths])

  def split(self, path):
    return tuple(path.rsplit("/", 1))

  def mkdirs(self, path):
    pass

  def has_dirs(self):
    return False

  def _list(self, dir_or_prefix):
    for path, content in list(OBJECTS.items()):
      if path.startswith(dir_or_prefix):
        yield filesystem.FileMetadata(path, len(content))

  def create(self, path, mime_type="", compression_type=""):
    return _Upload(path)

  def open(self, path, mime_type="", compression_type=""):
    return io.BytesIO(OBJECTS[path])

  def copy(self, source_file_names, destination_file_names):
    for source, target in zip(
      source_file_names, destination_file_names, strict=True
    ):
      OBJECTS[target] = OBJECTS[source]

  def rename(self, source_file_names, destination_file_names):
    self.copy(source_file_names, destination_file_names)
    self.delete(source_file_names)

  def exists(self, path):
    return path in OBJECTS

  def size(self, path):
    return len(OBJECTS[path])

  def last_updated(self, path):
    return 0.0

  def checksum(self, path):
    return str(hash(OBJECTS[path]))

  def metadata(self, path):
    return filesystem.FileMetadata(path, len(OBJECTS[path]))

  def delete(self, paths):
    for path in paths:
      del OBJECTS[path]


@pytest.fixture(autouse=True)
def empty_store():
  OBJECTS.clear()


def _prepare(input_path, output_dir, **changes):
  settings = prepare_testing.settings(input_path, output_dir, **changes)
  return prepare.prepare(settings, num_workers=1)


def test_remote_input_and_output_give_the_files_of_local_ones(tmp_path):
  text = prepare_testing.make_text(20)
  (tmp_path / "text.txt").write_text(text)
  dataset = _prepare(tmp_path / "text.txt", tmp_path / "out")
  OBJECTS[f"{BUCKET}/text.txt"] = text.encode()
  remote = _prepare(f"{BUCKET}/te*.txt", f"{BUCKET}/some/data")
  found = {path.removeprefix(f"{BUCKET}/"): OBJECTS[path] for path in OBJECTS}
  assert json.loads(found.pop("some/data/dataset.json")) == remote
  assert found.pop("text.txt") == text.encode()
  expected = prepare_testing.contents(tmp_path / "out")
  del expected["dataset.json"]
  assert found == {f"some/data/{name}": c for name, c in expected.items()}
  assert remote["files"] == dataset["files"]


def test_remote_dataset_is_ready_and_replaced(tmp_path, capsys):
  vocab_file = f"{BUCKET}/vocab.txt"
  tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
  OBJECTS[vocab_file] = "\n".join([*tokens, *prepare_testing.WORDS]).encode()
  OBJECTS[f"{BUCKET}/text.txt"] = prepare_testing.make_text(20).encode()
  paths = f"{BUCKET}/text.txt", f"{BUCKET}/data"
  first = _prepare(*paths, vocab_file=vocab_file)
  assert _prepare(*paths, vocab_file=vocab_file) == first
  assert "ready" in capsys.readouterr().out
  second = _prepare(*paths, vocab_file=vocab_file, piece_bytes=100_000)
  names = ["dataset.json", *second["files"]]
  assert second["files"].keys() != first["files"].keys()
  assert sorted(path for path in OBJECTS if "/data/" in path) == sorted(
    f"{BUCKET}/data/{name}" for name in names
  )
