# SPDX-License-Identifier: Apache-2.0
"""Tests for prepare_settings."""

import pytest

from token_dropping.common import errors
from token_dropping.data.pretraining import prepare_settings


@pytest.mark.parametrize(
  ("change", "message"),
  [
    ({"input": ""}, "input must not be empty. Received: ''"),
    ({"output_dir": ""}, "output_dir must not be empty. Received: ''"),
    (
      {"packing": "none"},
      "packing must be one of full, documents, best-fit, pairs. Received: "
      "'none'",
    ),
    (
      {"masking": "none"},
      "masking must be one of static, dynamic. Received: 'none'",
    ),
    (
      {"masking": "dynamic", "duplicates": 2},
      "duplicates must be 1 with dynamic masking, which masks every pass anew. "
      "Received: 2",
    ),
    (
      {"document_per_line": True, "document_per_file": True},
      "document_per_line must not be set together with document_per_file. "
      "Received: True",
    ),
    ({"text_field": ""}, "text_field must not be empty. Received: ''"),
    ({"seq_length": 7}, "seq_length must be at least 8. Received: 7"),
    (
      {"max_predictions_per_seq": 0},
      "max_predictions_per_seq must be at least 1. Received: 0",
    ),
    (
      {"max_predictions_per_seq": 20, "seq_length": 16},
      "max_predictions_per_seq must be at most seq_length (16). Received: 20",
    ),
    ({"masking_rate": 0.0}, "masking_rate must be in (0, 1). Received: 0.0"),
    ({"masking_rate": 1.0}, "masking_rate must be in (0, 1). Received: 1.0"),
    (
      {"masking_rate": float("nan")},
      "masking_rate must be in (0, 1). Received: nan",
    ),
    (
      {"validation_share": 1.5},
      "validation_share must be in (0, 1). Received: 1.5",
    ),
    ({"vocab_size": 99}, "vocab_size must be at least 100. Received: 99"),
    ({"duplicates": 0}, "duplicates must be at least 1. Received: 0"),
    ({"piece_bytes": 9}, "piece_bytes must be at least 1000. Received: 9"),
    ({"seed": -1}, "seed must be at least 0. Received: -1"),
  ],
)
def test_wrong_values_are_refused(change, message):
  with pytest.raises(errors.UserError) as info:
    prepare_settings.PrepareSettings(**{"output_dir": "out", **change})
  assert str(info.value) == message
