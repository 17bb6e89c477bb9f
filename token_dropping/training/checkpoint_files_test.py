# SPDX-License-Identifier: Apache-2.0
"""Tests of checkpoints whose files are damaged."""

import pathlib
import random

import numpy as np
import pytest
import tensorflow as tf

from token_dropping.common import errors
from token_dropping.training import checkpoint_files

SUFFIXES = (".index", ".data-00000-of-00001")


@pytest.fixture
def folder(tmp_path):
  """Three checkpoints, at steps 1, 2 and 3."""
  step = tf.Variable(0, dtype=tf.int64)
  weights = tf.Variable(tf.random.stateless_normal([40, 25], [1, 2]))
  checkpoint = tf.train.Checkpoint(global_step=step, weights=weights)
  manager = tf.train.CheckpointManager(checkpoint, str(tmp_path), 3)
  for number in range(1, 4):
    step.assign(number)
    manager.save(number)
  return tmp_path


def _latest(folder) -> str:
  return pathlib.Path(tf.train.latest_checkpoint(str(folder))).name


def _damage(folder, number: int, suffix: str = SUFFIXES[1]) -> None:
  path = folder / f"ckpt-{number}{suffix}"
  content = bytearray(path.read_bytes())
  content[len(content) // 2] ^= 1
  path.write_bytes(content)


def test_whole_checkpoints_are_left_alone(folder):
  before = {path: path.read_bytes() for path in folder.iterdir()}
  assert checkpoint_files.use_last_good(str(folder)) == []
  assert before == {path: path.read_bytes() for path in folder.iterdir()}


def test_no_checkpoint_is_fine(tmp_path):
  assert checkpoint_files.use_last_good(str(tmp_path)) == []


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_one_before_a_damaged_one_is_used(folder, suffix):
  _damage(folder, 3, suffix)
  (line,) = checkpoint_files.use_last_good(str(folder))
  assert line.startswith(f"checkpoint {folder}/ckpt-3 is damaged: ")
  assert line.endswith(f"; going on from {folder}/ckpt-2")
  assert "\n" not in line
  assert _latest(folder) == "ckpt-2"


def test_several_damaged_ones_are_named(folder):
  _damage(folder, 3)
  _damage(folder, 2)
  assert len(checkpoint_files.use_last_good(str(folder))) == 2
  assert _latest(folder) == "ckpt-1"


def test_all_damaged_is_an_error(folder):
  for number in (1, 2, 3):
    _damage(folder, number)
  with pytest.raises(errors.UserError, match="must hold a whole checkpoint; "):
    checkpoint_files.use_last_good(str(folder))
  assert _latest(folder) == "ckpt-3"


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_truncated_files_are_found(folder, suffix, share):
  path = folder / f"ckpt-3{suffix}"
  content = path.read_bytes()
  path.write_bytes(content[: int(len(content) * share)])
  assert checkpoint_files.find_damage(str(folder / "ckpt-3"))


def test_a_missing_file_is_found(folder):
  (folder / f"ckpt-3{SUFFIXES[1]}").unlink()
  assert checkpoint_files.find_damage(str(folder / "ckpt-3"))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_flipped_bit_is_found_or_changes_nothing(folder, suffix):
  prefix = str(folder / "ckpt-3")
  path = folder / f"ckpt-3{suffix}"
  content, rng, found = path.read_bytes(), random.Random(1), 0
  expected = tf.train.load_variable(prefix, _WEIGHTS)
  for _ in range(100):
    flipped = bytearray(content)
    flipped[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(flipped)
    if checkpoint_files.find_damage(prefix):
      found += 1
    else:
      np.testing.assert_array_equal(
        tf.train.load_variable(prefix, _WEIGHTS), expected
      )
  assert found >= 80


_WEIGHTS = "weights/.ATTRIBUTES/VARIABLE_VALUE"


@pytest.mark.parametrize("content", [None, b"", b"\x00\xff damaged"])
def test_a_lost_list_is_made_anew(folder, content):
  (folder / "checkpoint").unlink()
  if content is not None:
    (folder / "checkpoint").write_bytes(content)
  assert checkpoint_files.use_last_good(str(folder)) == []
  assert _latest(folder) == "ckpt-3"


def test_leftovers_of_a_killed_save_go(folder):
  leftover = folder / "ckpt-4_temp"
  leftover.mkdir()
  (leftover / "part-00000-of-00001.data-00000-of-00001").write_bytes(b"half")
  checkpoint_files.use_last_good(str(folder))
  assert not leftover.exists()
