# SPDX-License-Identifier: Apache-2.0
"""Tests of a run folder that is made ready to go on."""

import pathlib
import random

import numpy as np
import pytest
import tensorflow as tf
from official.core import config_definitions as cfg

from tests import testing
from token_dropping.models import checkpoint_files
from token_dropping.training import resume

SUFFIXES = (".index", ".data-00000-of-00001")
WEIGHTS = "weights/.ATTRIBUTES/VARIABLE_VALUE"
SUMMARIZED = [2, 4, 6, 8]


@pytest.fixture
def folder(tmp_path):
  """Checkpoints at 1, 2 and 4; training and validation summarized to 8."""
  step = tf.Variable(0, dtype=tf.int64)
  weights = tf.Variable(tf.random.stateless_normal([40, 25], [1, 2]))
  checkpoint = tf.train.Checkpoint(global_step=step, weights=weights)
  manager = tf.train.CheckpointManager(checkpoint, str(tmp_path), 3)
  for number in (1, 2, 4):
    step.assign(number)
    manager.save(number)
  for part in ("train", "checks"):
    _summarize(tmp_path / part, SUMMARIZED)
  return tmp_path


def _summarize(folder, steps) -> None:
  with tf.summary.create_file_writer(str(folder)).as_default():
    for step in steps:
      tf.summary.scalar("loss", 1.0, step)


def _prepare(folder, train_steps: int = 10, mode: str = "train_and_eval"):
  trainer = cfg.TrainerConfig(
    train_steps=train_steps, validation_summary_subdir="checks"
  )
  resume.prepare(cfg.ExperimentConfig(trainer=trainer), mode, str(folder))


def _steps(folder) -> list[int]:
  return [
    event.step
    for path in sorted(folder.glob("events*"))
    for event in tf.compat.v1.train.summary_iterator(str(path))
    if event.summary.value
  ]


def _latest(folder) -> str:
  return pathlib.Path(tf.train.latest_checkpoint(str(folder))).name


def _damage(folder, step: int, suffix: str = SUFFIXES[1]) -> None:
  path = folder / f"ckpt-{step}{suffix}"
  content = bytearray(path.read_bytes())
  content[len(content) // 2] ^= 1
  path.write_bytes(content)


def _contents(folder) -> dict:
  files = (path for path in folder.rglob("*") if path.is_file())
  return {path: path.read_bytes() for path in files}


@pytest.mark.parametrize(
  ("train_steps", "mode", "evaluated"),
  [
    (10, "train_and_eval", [2, 4]),
    # What is complete is evaluated once more.
    (4, "train_and_eval", [2]),
    (4, "train", [2, 4]),
  ],
)
def test_later_summaries_go(folder, capsys, train_steps, mode, evaluated):
  _prepare(folder, train_steps, mode)
  assert _steps(folder / "train") == [2, 4]
  assert _steps(folder / "checks") == evaluated
  assert capsys.readouterr().err == ""


def test_an_empty_folder_stays_empty(tmp_path):
  _prepare(tmp_path)
  assert list(tmp_path.iterdir()) == []


def test_what_is_whole_is_left_alone(folder):
  _prepare(folder)
  before = _contents(folder)
  _prepare(folder)
  assert _contents(folder) == before


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_one_before_a_damaged_one_is_used(folder, capsys, suffix):
  _damage(folder, 4, suffix)
  _prepare(folder)
  error = capsys.readouterr().err
  assert error.startswith(f"warning: checkpoint {folder}/ckpt-4 is damaged: ")
  assert error.endswith(f"; going on from {folder}/ckpt-2\n")
  assert error.count("\n") == 1
  assert _latest(folder) == "ckpt-2"
  assert _steps(folder / "train") == _steps(folder / "checks") == [2]


def test_several_damaged_ones_are_named(folder):
  _damage(folder, 4)
  _damage(folder, 2)
  assert len(resume.use_last_whole(str(folder))) == 2
  assert _latest(folder) == "ckpt-1"


def test_all_damaged_is_an_error_that_changes_nothing(folder):
  for step in (1, 2, 4):
    _damage(folder, step)
  before = _contents(folder)
  message = testing.refused(_prepare, folder)
  assert message.startswith("--model_dir must hold a whole checkpoint; ")
  assert _contents(folder) == before


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_truncated_and_missing_files_are_found(folder, suffix):
  path = folder / f"ckpt-4{suffix}"
  content = path.read_bytes()
  for share in (0.9, 0.3, 0.0):
    path.write_bytes(content[: int(len(content) * share)])
    assert checkpoint_files.find_damage(str(folder / "ckpt-4"))
  path.unlink()
  assert checkpoint_files.find_damage(str(folder / "ckpt-4"))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_flipped_bit_is_found_or_changes_nothing(folder, suffix):
  prefix = str(folder / "ckpt-4")
  path = folder / f"ckpt-4{suffix}"
  content, rng, damaged = path.read_bytes(), random.Random(1), 0
  expected = tf.train.load_variable(prefix, WEIGHTS)
  for _ in range(100):
    flipped = bytearray(content)
    flipped[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(flipped)
    if checkpoint_files.find_damage(prefix):
      damaged += 1
    else:
      value = tf.train.load_variable(prefix, WEIGHTS)
      np.testing.assert_array_equal(value, expected)
  assert damaged >= 80


@pytest.mark.parametrize("content", [None, b"", b"\x00\xff damaged"])
def test_a_lost_list_is_made_anew(folder, content):
  (folder / "checkpoint").unlink()
  if content is not None:
    (folder / "checkpoint").write_bytes(content)
  assert resume.use_last_whole(str(folder)) == []
  assert _latest(folder) == "ckpt-4"


def test_leftovers_of_a_killed_save_go(folder, tmp_path_factory):
  theirs = tmp_path_factory.mktemp("theirs") / "file"
  theirs.touch()
  link = folder / "ckpt-4_temp"
  link.symlink_to(theirs.parent)
  leftover = folder / "ckpt-5_temp"
  leftover.mkdir()
  (leftover / "part-00000-of-00001.data-00000-of-00001").write_bytes(b"half")
  resume.use_last_whole(str(folder))
  assert not leftover.exists() and not link.is_symlink()
  assert theirs.exists()


@pytest.mark.parametrize("last", [1, 3, 4, 5])
def test_later_steps_go_from_every_file(tmp_path, last):
  for steps in (range(1, 4), range(4, 6)):
    _summarize(tmp_path, steps)
  resume.drop_summaries_after(str(tmp_path), last)
  assert sorted(_steps(tmp_path)) == list(range(1, last + 1))
  assert not list(tmp_path.glob("rewriting*"))


def test_an_incomplete_last_event_goes(tmp_path):
  _summarize(tmp_path, range(1, 4))
  (path,) = tmp_path.iterdir()
  path.write_bytes(path.read_bytes()[:-3])
  resume.drop_summaries_after(str(tmp_path), 5)
  assert _steps(tmp_path) == [1, 2]
