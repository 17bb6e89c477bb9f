# SPDX-License-Identifier: Apache-2.0
"""Tests for prepare_settings."""

import pytest

from tests import testing
from token_dropping.data.pretraining import prepare_settings

BOTH = {"document_per_line": True, "document_per_file": True}
ONE = "not be set together with document_per_file. Received: True"
SHORT = {"max_predictions_per_seq": 20, "seq_length": 16}
PACKINGS = "full, documents, best-fit, pairs"
ONCE = "be 1 with dynamic masking, which masks every pass anew. Received: 2"

CAUSAL = {"objective": "causal_lm"}
UNSET = "be unset with objective causal_lm. Received: "


@pytest.mark.parametrize(
  ("change", "rule"),
  [
    ({"input": ""}, "not be empty. Received: ''"),
    ({"output_dir": ""}, "not be empty. Received: ''"),
    ({"text_field": ""}, "not be empty. Received: ''"),
    ({"packing": "none"}, f"be one of {PACKINGS}. Received: 'none'"),
    ({"masking": "none"}, "be one of static, dynamic. Received: 'none'"),
    ({"duplicates": 2, "masking": "dynamic"}, ONCE),
    (BOTH, ONE),
    ({"seq_length": 7}, "be at least 8. Received: 7"),
    ({"max_predictions_per_seq": 0}, "be at least 1. Received: 0"),
    (SHORT, "be at most seq_length (16). Received: 20"),
    ({"masking_rate": 0.0}, "be in (0, 1). Received: 0.0"),
    ({"masking_rate": 1.0}, "be in (0, 1). Received: 1.0"),
    ({"masking_rate": float("nan")}, "be in (0, 1). Received: nan"),
    ({"validation_share": 1.5}, "be in (0, 1). Received: 1.5"),
    ({"vocab_size": 99}, "be at least 100. Received: 99"),
    ({"duplicates": 0}, "be at least 1. Received: 0"),
    ({"piece_bytes": 9}, "be at least 1000. Received: 9"),
    ({"seed": -1}, "be at least 0. Received: -1"),
    ({"seed": 2**63}, "be below 2^63. Received: 9223372036854775808"),
    ({"objective": "none"}, "be one of masked_lm, causal_lm. Received: 'none'"),
    ({"do_lower_case": False, **CAUSAL}, f"{UNSET}False"),
    ({"strip_accents": True, **CAUSAL}, f"{UNSET}True"),
    ({"masking": "dynamic", **CAUSAL}, f"{UNSET}'dynamic'"),
    ({"masking_rate": 0.3, **CAUSAL}, f"{UNSET}0.3"),
    ({"max_predictions_per_seq": 20, **CAUSAL}, f"{UNSET}20"),
    ({"duplicates": 2, **CAUSAL}, f"{UNSET}2"),
    (
      {"packing": "pairs", **CAUSAL},
      "be full with objective causal_lm. Received: 'pairs'",
    ),
    (
      {"vocab_size": 257, **CAUSAL},
      "be at least 258 with objective causal_lm. Received: 257",
    ),
    ({"seq_length": 2**24}, "be below 2^24. Received: 16777216"),
    ({"vocab_size": 2**31}, "be below 2^31. Received: 2147483648"),
  ],
)
def test_wrong_values_are_refused(change, rule):
  settings = prepare_settings.PrepareSettings
  message = testing.refused(settings, **{"output_dir": "out", **change})
  assert message == f"{next(iter(change))} must {rule}"


def test_what_causal_data_do_not_use_is_no_setting():
  settings = prepare_settings.PrepareSettings
  short = settings(output_dir="out", objective="causal_lm", seq_length=16)
  recorded = short.recorded()
  assert recorded["objective"] == "causal_lm" and recorded["packing"] == "full"
  masked = settings(output_dir="out").recorded()
  assert masked.keys() - recorded.keys() == {
    *("do_lower_case", "strip_accents", "masking", "masking_rate"),
    *("max_predictions_per_seq", "duplicates"),
  }
  assert "objective" not in masked  # as ever, so that what is ready stays so
