# SPDX-License-Identifier: Apache-2.0
"""Tests of the report of made-up results."""

import json
import re

import pytest

from tests import study_testing
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
  study_testing.result("dense", 1, [6.0, 4.0, 3.0]),
  study_testing.result("drop", 1, [6.0, 4.5, 3.5]),
  study_testing.result("dense", 2, [6.0, 4.0, 3.2]),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
  path = tmp_path_factory.mktemp("report")
  report.write("some", PLAN, RESULTS, TEXT, str(path))
  return path


def test_table(folder):
  lines = (folder / "study.md").read_text("utf-8").splitlines()
  assert lines[2].startswith("| dense | 1, 2 | 30 | 3.1000 ± 0.1414 | 0.6900 ±")
  # Dense has 3.5 after 25 of its 30 steps.
  assert lines[3] == (
    "| drop | 1 | 30 | 3.5000 | 0.6500 | – | 0.50 | 1.000 | 1.200 | 1.200 | "
    "1.200 | 1.200 | – |"
  )
  assert lines[8] == (
    "| drop | 30 | 60 | 1,000.0 | 3.00 | – | – | – | 25 | 25 | 2.50 |"
  )
  text = "\n".join(lines)
  assert "3 of 4 runs." in text
  assert "Unigram loss 6.200, bigram loss 4.400 (a = 10)." in text
  assert "commit abc1234, 2026-11-24." in text


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


def test_same_results_same_page(folder, tmp_path):
  report.write("some", PLAN, RESULTS, TEXT, str(tmp_path))
  page = (folder / "study.html").read_bytes()
  assert (tmp_path / "study.html").read_bytes() == page


def test_no_result_yet(tmp_path):
  text = report.write("some", PLAN, [], {}, str(tmp_path))
  assert "0 of 4 runs." in text
  assert (tmp_path / "study.html").exists()
