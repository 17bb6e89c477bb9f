# SPDX-License-Identifier: Apache-2.0
"""Tests of the report of made-up results."""

import json
import re

import pytest

from tests import study_testing
from token_dropping.study import comparison
from token_dropping.study import plan as plans
from token_dropping.study import report

TEXT = {"unigram_loss": 6.2, "bigram_loss": 4.4, "note": "a = 10"}
PLAN = plans.Plan(
  experiment="bert/token_drop",
  variants={n: plans.Variant(n, {}, [1, 2]) for n in ("dense", "drop")},
  dense="dense",
  seeds=[1, 2],
)
RESULTS = [
  comparison.with_time(study_testing.result(*run))
  for run in (
    ("dense", 1, [6.0, 4.0, 3.0]),
    ("drop", 1, [6.0, 4.5, 3.5]),
    ("dense", 2, [6.0, 4.0, 3.2]),
  )
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
  path = tmp_path_factory.mktemp("report")
  report.write("some", PLAN, RESULTS, TEXT, str(path), str(path / "results"))
  return path


def test_tables(folder):
  whole = (folder / "results" / "study.md").read_text("utf-8")
  parts = dict(
    part.split("\n\n") for part in whole.strip().split("\n\n## ")[1:]
  )
  found = {title: table.splitlines() for title, table in parts.items()}
  assert found["Losses"][2:] == [
    "| dense | 1, 2 | 30 | 3.1000 ± 0.1414 | +0.0000 | "
    "0.6900 ± 0.0141 | – | 0.50 ± 0.00 |",
    "| drop | 1 | 30 | 3.5000 | +0.5000 | 0.6500 | – | 0.50 |",
  ]
  # Dense has 3.5 after 25 of its 30 steps.
  assert found["To equal loss, dense = 1"][3] == (
    "| drop | 1.200 | 1.200 | 1.200 | 1.200 | 1.000 |"
  )
  assert found["Downstream"] == [
    "| variant | movies | minus dense | ± of fine-tunings |",
    "| --- | --- | --- | --- |",
    "| dense | 0.3100 ± 0.0141 | +0.0000 | 0.0100 |",
    "| drop | 0.3500 | +0.0500 | 0.0100 |",
  ]
  assert found["Time"][3] == "| drop | 30 | 60 | 1,000.0 | 3.00 |"
  assert found["Losses on the way, by step"] == [
    "| variant | 10 | 20 | 30 |",
    "| --- | --- | --- | --- |",
    "| dense | 6.0000 | 4.0000 | 3.1000 |",
    "| drop | 6.0000 | 4.5000 | 3.5000 |",
  ]
  assert found["Each run"][3:] == [
    "| dense | 2 | 3.2000 | +0.0000 | 0.6800 | – | 30 | 3.00 | 1.000 | 1.000 | "
    "0.3200 |",
    "| drop | 1 | 3.5000 | +0.5000 | 0.6500 | – | 30 | 3.00 | 1.200 | 1.200 | "
    "0.3500 |",
  ]
  assert found["What was dropped"][2] == (
    "| dense | 0.50 | rare \\<b> | the , |"
  )
  assert "3 of 4 runs." in whole
  assert "Unigram loss 6.200, bigram loss 4.400 (a = 10)." in whole
  assert "commit abc1234, 2026-11-24." in whole


def test_json(folder):
  content = json.loads((folder / "study.json").read_text())
  assert content["runs"] == RESULTS
  assert content["text"] == TEXT
  assert [row["variant"] for row in content["variants"]] == ["dense", "drop"]


def test_page_needs_no_other_file(folder):
  page = (folder / "study.html").read_text("utf-8")
  assert len(page) < 1_000_000
  assert "<svg" in page and "</html>" in page
  hosts = set(re.findall(r"https?://([^\"' </]+)", page))
  names = {"www.w3.org", "purl.org", "matplotlib.org", "creativecommons.org"}
  assert hosts <= names
  assert not re.search(r"\b(src|href)=\"(?!#)", page)
  for text in ("unigram loss", "bigram loss", "seconds of training"):
    assert text in page
  assert "rare &lt;b&gt;" in page and "<code>dense</code>" in page


def test_picture_of_those_with_the_most_seeds(folder):
  picture = (folder / "results" / "loss.svg").read_text("utf-8")
  assert "seconds of training" in picture
  assert ">dense<" in picture and ">drop<" not in picture


def test_same_results_same_page(folder, tmp_path):
  report.write("some", PLAN, RESULTS, TEXT, str(tmp_path), str(tmp_path))
  page = (folder / "study.html").read_bytes()
  assert (tmp_path / "study.html").read_bytes() == page


def test_where_times_are_from(folder, tmp_path):
  whole = (folder / "results" / "study.md").read_text("utf-8")
  assert "evaluation: CPU seconds of its process, or, where a GPU" in whole
  machine = RESULTS[0]["machine"]
  steps = {"rounds": 5, "machine": machine, "commit": "c", "date": "2026-11-29"}
  report.write("some", PLAN, RESULTS, TEXT, *2 * [str(tmp_path)], steps)
  whole = (tmp_path / "study.md").read_text("utf-8")
  assert "evaluation: the sum over its steps, those of all variants" in whole
  assert "in turns, in 5 rounds, on one machine" in whole
  assert "commit c, 2026-11-29)" in whole


def test_no_result_yet(tmp_path):
  text = report.write("some", PLAN, [], {}, str(tmp_path), str(tmp_path))
  assert "0 of 4 runs." in text
  assert (tmp_path / "study.html").exists()
