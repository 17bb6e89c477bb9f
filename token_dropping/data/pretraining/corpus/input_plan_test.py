# SPDX-License-Identifier: Apache-2.0
"""Tests for input_plan."""

import os
import sys

import pytest

from tests import testing
from token_dropping.data.pretraining import prepare_settings
from token_dropping.data.pretraining.corpus import input_plan
from token_dropping.data.pretraining.corpus import wikipedia

TARGET = 750


def _plan(sizes, **values):
  settings = prepare_settings.PrepareSettings(
    output_dir="out", piece_bytes=1000, **values
  )
  return [
    [(part.path, part.kind, part.start, part.end) for part in task]
    for task in input_plan.plan(sizes, settings)
  ]


@pytest.fixture
def folder(tmp_path):
  (tmp_path / "b.txt").write_text("bb")
  (tmp_path / "a.txt").write_text("a")
  (tmp_path / "sub").mkdir()
  return tmp_path


def test_inputs_are_sorted_and_named_once(folder):
  found = input_plan.resolve_inputs(f"{folder}/b.txt, {folder}/*,")
  assert list(found.items()) == [(f"{folder}/b.txt", 2), (f"{folder}/a.txt", 1)]
  # A name with glob characters is a name.
  (folder / "a[1].txt").write_text("text")
  assert input_plan.resolve_inputs(f"{folder}/a[1].txt")


def test_embedded_input_is_one_task():
  settings = prepare_settings.PrepareSettings(output_dir="out")
  sizes = input_plan.resolve_inputs(settings.input)
  assert list(sizes) == [wikipedia.embedded_dump()]
  ((part,),) = input_plan.plan(sizes, settings)
  assert part.kind == "dump"


@pytest.mark.parametrize("pattern", ["none.txt", "none*", "sub"])
def test_pattern_without_file(folder, pattern):
  patterns = f"{folder}/a.txt,{folder}/{pattern}"
  assert testing.refused(input_plan.resolve_inputs, patterns) == (
    f"input must match at least one file. Received: '{folder}/{pattern}'"
  )


def test_nothing_is_left_out_silently(folder, monkeypatch):
  monkeypatch.setitem(sys.modules, "s3fs", None)  # as if it were missing
  os.mkfifo(folder / "pipe")
  for pattern, message in {
    " ,": "input must name at least one file. Received: ' ,'",
    f"{folder}/*": f"input must be a readable file. Received: '{folder}/pipe'",
    "s3://b/*.txt": "paths must be local, gs:// or of a filesystem whose "
    "package is installed. Received: 's3://b/*.txt' (Install s3fs to access "
    "S3)",
  }.items():
    assert testing.refused(input_plan.resolve_inputs, pattern) == message


@pytest.mark.parametrize(
  ("name", "size", "kind", "ranges"),
  [
    ("a.txt", 1501, "text", [(0, TARGET), (TARGET, 1500), (1500, None)]),
    ("a.jsonl.zst", 10_000, "json", [(0, None)]),  # compressed: whole
    *(
      (name, 10**9, "dump", [(i, 8) for i in range(8)])  # read in stripes
      for name in ("w.xml", "w.xml.bz2", "enwiki-articles1.xml-p1p41242.bz2")
    ),
  ],
)
def test_large_files_are_divided_where_they_can_be(name, size, kind, ranges):
  assert _plan({name: size}) == [[(name, kind, *part)] for part in ranges]


@pytest.mark.parametrize("document_per_file", [False, True])
def test_small_files_share_a_task(document_per_file):
  sizes = {f"{i}.txt": TARGET // 3 for i in range(4)}
  tasks = _plan(sizes, document_per_file=document_per_file)
  assert [[part[0] for part in task] for task in tasks] == [
    ["0.txt", "1.txt", "2.txt"],
    ["3.txt"],
  ]
