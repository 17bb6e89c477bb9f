# SPDX-License-Identifier: Apache-2.0
"""Tests of the tokenizer's settings and their file."""

import json

import pytest

from tests import testing
from token_dropping.data.text import tokenizer_config
from token_dropping.data.text.tokenizer_config import TokenizerConfig


@pytest.mark.parametrize("lower", [True, False])
@pytest.mark.parametrize("strip", [None, True, False])
def test_config_reads_back_and_unset_accents_follow_case(
  tmp_path, lower, strip
):
  config = TokenizerConfig(lower, strip)
  config.write(str(tmp_path))
  assert TokenizerConfig.from_folder(str(tmp_path)) == config
  assert config.strips_accents == (lower if strip is None else strip)


def test_names_are_hugging_faces(tmp_path):
  TokenizerConfig(do_lower_case=False).write(str(tmp_path))
  assert json.loads((tmp_path / "tokenizer_config.json").read_text()) == {
    "do_lower_case": False,
    "strip_accents": None,
    "tokenizer_class": "BertTokenizer",
  }


def test_other_keys_mean_nothing(tmp_path):
  text = '{"model_max_length": 512, "strip_accents": false}'
  (tmp_path / tokenizer_config.FILE).write_text(text)
  expected = TokenizerConfig(True, False)
  assert TokenizerConfig.from_folder(str(tmp_path)) == expected


@pytest.mark.parametrize(
  ("content", "message"),
  [
    (None, "tokenizer_config.json must be a readable file."),
    ('{"do_lower_case": null}', "do_lower_case must be true or false."),
    ('{"strip_accents": 1}', "strip_accents must be true, false or null."),
  ],
)
def test_wrong_files_are_refused(tmp_path, content, message):
  if content is not None:
    (tmp_path / tokenizer_config.FILE).write_text(content)
  found = testing.refused(TokenizerConfig.from_folder, str(tmp_path))
  assert found.startswith(message)
