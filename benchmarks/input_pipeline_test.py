# SPDX-License-Identifier: Apache-2.0
"""Tests for input_pipeline: that it still runs."""

from benchmarks import input_pipeline
from tests import prepare_testing


def test_every_pipeline_reads_what_is_prepared(tmp_path, monkeypatch):
  monkeypatch.setattr(input_pipeline, "TURN_TOKENS", 1)
  (tmp_path / "text").write_text(prepare_testing.make_text())
  input_pipeline.make_records(str(tmp_path / "text"), tmp_path, 128)
  rates = input_pipeline.pipeline_rates(tmp_path, 128, repeats=1)
  assert list(rates) == [
    "static (Model Garden)",
    "dynamic, token",
    "dynamic, whole_word",
    "dynamic, span",
  ]
  assert min(rates.values()) > 0
