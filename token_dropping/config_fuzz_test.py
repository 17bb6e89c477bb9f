# SPDX-License-Identifier: Apache-2.0
"""Broken configs and flags: one line each, nothing built."""

import random

import pytest
import yaml

from token_dropping import config
from token_dropping import config_testing
from token_dropping import errors
from token_dropping import experiment_checks

CASES = {"quick": 60, "slow": 3000}
PIECES = (
  *"{}[]:,-#&*!|>%@`'\"\n\t\0 =.",
  "!!python/object/apply:os.system [false]",
  "!!python/tuple",
  "!!binary",
  "!!bool maybe",
  "&a [*a]",
  "<<: 1",
  "null",
  "1e999",
  ".nan",
  "-1",
  "task:",
  "\u2028",
  "9" * 30,
)


def _text() -> str:
  return yaml.safe_dump(config.parse(config_testing.flags()).as_dict())


def _mutated(text: str, rng: random.Random) -> str:
  """Returns a text with a few pieces changed, put in, left out or doubled."""
  for _ in range(rng.randint(1, 4)):
    at, length = rng.randrange(len(text) + 1), rng.choice([0, 1, 8, 200])
    piece = rng.choice([rng.choice(PIECES), "", text[at : at + length] * 2])
    text = text[:at] + piece + text[at + length :]
  return text


def _parse(flags) -> bool:
  """Returns whether flags were refused, which must be on one line."""
  try:
    experiment_checks.check_experiment(config.parse(flags))
  except errors.UserError as error:
    assert "\n" not in str(error)
    return True
  return False


SIZES = pytest.mark.parametrize(
  "size", ["quick", pytest.param("slow", marks=pytest.mark.slow)]
)


@SIZES
def test_mutated_overrides(size):
  rng, cases = random.Random(1), CASES[size]
  plain = "task.train_data.seq_length=16,trainer.train_steps=7,runtime.tpu=a"
  refused = 0
  for _ in range(cases):
    override = _mutated(plain, rng)
    refused += _parse(config_testing.flags(override=override))
  assert refused > cases // 10


@SIZES
def test_mutated_files(tmp_path, size):
  rng, cases = random.Random(3), CASES[size]
  # Short files, of a few lines: most of a long one would be read in vain.
  lines = _text().splitlines(keepends=True)
  refused = 0
  for number in range(cases):
    start = rng.randrange(len(lines))
    text = _mutated("".join(lines[start : start + 12]), rng)
    path = config_testing.write_file(tmp_path, text, f"{number % 8}.yaml")
    refused += _parse(config_testing.flags(path))
  assert refused > cases // 10
