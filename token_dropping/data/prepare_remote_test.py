# SPDX-License-Identifier: Apache-2.0
"""Tests of preparation on filesystems that are not local."""

import json
import uuid

import pytest

from tests import prepare_testing
from token_dropping.common import files
from token_dropping.common import vocabulary
from token_dropping.data import prepare


@pytest.fixture(params=["memory", "ram"])
def bucket(request):
  """A folder of fsspec's and one of TensorFlow's."""
  path = f"{request.param}://{uuid.uuid4().hex}"
  files.make_folder(path)
  text = prepare_testing.make_text(20)
  files.write(files.join(path, "text.txt"), text)
  return path


def _prepare(input_path, output_dir, **changes):
  settings = prepare_testing.settings(input_path, output_dir, **changes)
  return prepare.prepare(settings, num_workers=1)


def _contents(folder: str) -> dict[str, bytes]:
  return {
    n: files.read(files.join(folder, n)) for n in files.list_names(folder)
  }


def test_remote_input_and_output_give_the_files_of_local_ones(bucket, tmp_path):
  (tmp_path / "text.txt").write_text(prepare_testing.make_text(20))
  dataset = _prepare(tmp_path / "text.txt", tmp_path / "out")
  remote = _prepare(f"{bucket}/te*.txt", f"{bucket}/some/data")
  written = _contents(f"{bucket}/some/data")
  assert json.loads(written.pop("dataset.json")) == remote
  expected = prepare_testing.contents(tmp_path / "out")
  del expected["dataset.json"]
  assert written == expected
  assert remote["files"] == dataset["files"]


def test_remote_dataset_is_ready_and_replaced(bucket, capsys):
  vocab_file = f"{bucket}/vocab.txt"
  tokens = [*vocabulary.SPECIAL_TOKENS, *prepare_testing.WORDS]
  files.write(vocab_file, "\n".join(tokens))
  paths = f"{bucket}/text.txt", f"{bucket}/data"
  first = _prepare(*paths, vocab_file=vocab_file)
  assert _prepare(*paths, vocab_file=vocab_file) == first
  assert "ready" in capsys.readouterr().out
  second = _prepare(*paths, vocab_file=vocab_file, piece_bytes=100_000)
  assert second["files"].keys() != first["files"].keys()
  names = ["dataset.json", *second["files"]]
  assert files.list_names(f"{bucket}/data") == sorted(names)
