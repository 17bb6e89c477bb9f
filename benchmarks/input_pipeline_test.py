# SPDX-License-Identifier: Apache-2.0
"""Tests for input_pipeline: that it still runs."""

from benchmarks import input_pipeline
from token_dropping.data.pretraining import prepare_settings


def test_every_pipeline_reads_what_is_prepared(tmp_path, monkeypatch):
  monkeypatch.setattr(input_pipeline, "TURN_TOKENS", 1)
  input_pipeline._make_records(prepare_settings.EMBEDDED, tmp_path, 128, 20)
  rates = input_pipeline._pipeline_rates(tmp_path, 128, 20, repeats=1)
  assert list(rates) == [
    "static (Model Garden)",
    "dynamic, token",
    "dynamic, whole_word",
    "dynamic, span",
  ]
  assert min(rates.values()) > 0
