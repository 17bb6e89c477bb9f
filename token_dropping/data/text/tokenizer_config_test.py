# SPDX-License-Identifier: Apache-2.0
"""Tests of the tokenizer's settings and their file."""

import json

import pytest

from tests import testing
from token_dropping.data.text import tokenizer_config
from token_dropping.data.text.tokenizer_config import TokenizerConfig

CONFIGS = [
  TokenizerConfig(lower, strip)
  for lower in (True, False)
  for strip in (None, True, False)
]


@pytest.mark.parametrize("config", CONFIGS)
def test_config_reads_back(tmp_path, config):
  config.write(str(tmp_path))
  assert TokenizerConfig.from_folder(str(tmp_path)) == config


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
  assert TokenizerConfig.from_folder(str(tmp_path)) == TokenizerConfig(
    True, False
  )


def test_unset_accents_follow_case():
  strips = [config.strips_accents for config in CONFIGS]
  assert strips == [True, True, False, False, True, False]


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
