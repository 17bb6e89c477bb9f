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

PIECES = (
  *"{}[]:,-#&*!|>%@`'\"\n\t\0 =.\u2028",
  *("!!python/object/apply:os.system [false]", "!!python/tuple", "!!binary"),
  *("!!bool maybe", "&a [*a]", "<<: 1", "null", "1e999", ".nan", "-1", "task:"),
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


def _mutated(text: str, rng: random.Random) -> str:
  """Returns a text with a few pieces changed, put in, left out or doubled."""
  for _ in range(rng.randint(1, 4)):
    at, length = rng.randrange(len(text) + 1), rng.choice([0, 1, 8, 200])
    piece = rng.choice([rng.choice(PIECES), "", text[at : at + length] * 2])
    text = text[:at] + piece + text[at + length :]
  return text


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


def _override(rng, number: int, folder, valid: str):
  return config_testing.flags(override=_mutated(valid, rng))


def _file(rng, number: int, folder, valid: str):
  """Mostly a few lines: most of a whole file is read in vain."""
  lines = valid.splitlines(keepends=True)
  length = 12 if number % 8 else len(lines)
  start = rng.randrange(max(1, len(lines) - length))
  text = _mutated("".join(lines[start : start + length]), rng)
  return config_testing.flags(
    config_testing.write_file(folder, text, f"{number % 8}.yaml")
  )


SIZES = pytest.mark.parametrize(
  "cases", [60, pytest.param(4000, marks=pytest.mark.slow)]
)


@SIZES
@pytest.mark.parametrize(("make", "seed"), [(_override, 1), (_file, 3)])
def test_mutated_configs(tmp_path, cases, make, seed):
  valid = "task.train_data.seq_length=96,trainer.train_steps=7,runtime.tpu=a"
  whole = config_testing.flags(override=valid)
  if make is _file:
    valid = yaml.safe_dump(config.parse(config_testing.flags()).as_dict())
    path = config_testing.write_file(tmp_path, valid, "whole.yaml")
    whole = config_testing.flags(path)
  assert not _is_refused(config.prepare, whole)
  rng = random.Random(seed)
  refused = sum(
    _is_refused(config.prepare, make(rng, number, tmp_path, valid))
    for number in range(cases)
  )
  assert refused > cases // 10


@SIZES
def test_mutated_command_lines(tmp_path, cases):
  rng = random.Random(5)
  for _ in range(cases):
    words = [_mutated(w, rng) if rng.random() < 0.3 else w for w in COMMAND]
    argv = [f"--model_dir={tmp_path}/run", *rng.sample(words, len(words))]
    assert _is_refused(testing.launch_argv, argv)
  assert not (tmp_path / "run").exists()
