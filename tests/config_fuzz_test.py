# SPDX-License-Identifier: Apache-2.0
"""Broken configs and command lines: one line each, nothing built."""

import random
from collections.abc import Callable

import pytest
import yaml
from absl import flags

from tests import config_testing
from tests import testing
from token_dropping.common import errors
from token_dropping.training import config
from token_dropping.training import experiment_checks

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
# Without data, so that none of them, however it is changed, starts a run.
COMMAND = [
  "--experiment=bert/token_drop",
  "--mode=train_and_eval",
  "--tpu=local",
  "--params_override=trainer.train_steps=7,task.train_data.seq_length=16",
  "--nodry_run",
  "--sweep_seeds=1",
]


def _config_text() -> str:
  return yaml.safe_dump(config.parse(config_testing.flags()).as_dict())


def _mutated(text: str, rng: random.Random) -> str:
  """Returns a text with a few pieces changed, put in, left out or doubled."""
  for _ in range(rng.randint(1, 4)):
    at, length = rng.randrange(len(text) + 1), rng.choice([0, 1, 8, 200])
    piece = rng.choice([rng.choice(PIECES), "", text[at : at + length] * 2])
    text = text[:at] + piece + text[at + length :]
  return text


def _check(values) -> None:
  experiment_checks.check_experiment(config.parse(values))


def _is_refused(command: Callable, *args) -> bool:
  """Returns whether input was refused, which must be on one line."""
  try:
    command(*args)
  except errors.UserError as error:
    assert "\n" not in str(error)
    return True
  except flags.Error:  # `errors.run_command` puts it on one line
    return True
  return False


SIZES = pytest.mark.parametrize(
  "cases", [100, pytest.param(4000, marks=pytest.mark.slow)]
)


@SIZES
def test_mutated_overrides(cases):
  rng = random.Random(1)
  plain = "task.train_data.seq_length=96,trainer.train_steps=7,runtime.tpu=a"
  assert not _is_refused(_check, config_testing.flags(override=plain))
  refused = 0
  for _ in range(cases):
    override = _mutated(plain, rng)
    refused += _is_refused(_check, config_testing.flags(override=override))
  assert refused > cases // 10


@SIZES
def test_mutated_files(tmp_path, cases):
  rng = random.Random(3)
  path = config_testing.write_file(tmp_path, _config_text(), "whole.yaml")
  assert not _is_refused(_check, config_testing.flags(path))
  lines = _config_text().splitlines(keepends=True)
  refused = 0
  for number in range(cases):
    # Mostly a few lines: most of a whole file is read in vain.
    length = 12 if number % 8 else len(lines)
    start = rng.randrange(max(1, len(lines) - length))
    text = _mutated("".join(lines[start : start + length]), rng)
    path = config_testing.write_file(tmp_path, text, f"{number % 8}.yaml")
    refused += _is_refused(_check, config_testing.flags(path))
  assert refused > cases // 10


@SIZES
def test_mutated_command_lines(tmp_path, cases):
  rng = random.Random(5)
  for _ in range(cases):
    words = [_mutated(w, rng) if rng.random() < 0.3 else w for w in COMMAND]
    words = rng.sample(words, len(words))
    argv = [f"--model_dir={tmp_path}/run", *words]
    assert _is_refused(testing.launch_argv, argv)
  assert not (tmp_path / "run").exists()
