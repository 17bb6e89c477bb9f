# SPDX-License-Identifier: Apache-2.0
"""Are the files of a checkpoint whole? If not, the one before is used.

TensorFlow writes a checkpoint under a temporary name and moves it, and keeps a
checksum of every tensor beside it. Reading all of them is the check.
"""

import os
import re
import time

import tensorflow as tf

from token_dropping.common import errors


def find_damage(prefix: str) -> str | None:
  """Reads every tensor of a checkpoint.

  Args:
    prefix: such as `runs/base/ckpt-1000`.

  Returns:
    What is wrong, on one line; `None` for a good one.
  """
  try:
    reader = tf.train.load_checkpoint(prefix)
    for name in reader.get_variable_to_shape_map():
      reader.get_tensor(name)
  except (tf.errors.OpError, ValueError, RuntimeError, IndexError) as error:
    return errors.first_line(error)
  return None


def use_last_good(model_dir: str) -> list[str]:
  """Makes the newest whole checkpoint the latest one of a run.

  Damaged files stay where they are, unused, until training writes the
  checkpoint of that step again. Leftovers of a save that was killed go.

  Args:
    model_dir: folder of the run.

  Returns:
    One line for each damaged checkpoint.

  Raises:
    UserError: there are checkpoints, and all are damaged.
  """
  for leftover in tf.io.gfile.glob(os.path.join(model_dir, "ckpt-*_temp")):
    tf.io.gfile.rmtree(leftover)
  listed, known = _listed(model_dir), True
  if not listed:  # also where the list itself is damaged
    listed, known = _present(model_dir), False
  good, damages = list(listed), []
  while good:
    damage = find_damage(good[-1])
    if damage is None:
      break
    damages.append(f"checkpoint {good.pop()} is damaged: {damage}")
  if listed and not good:
    raise errors.UserError(
      "--model_dir must hold a whole checkpoint; move the damaged ones away to "
      f"train anew. Received: {damages[0]}"
    )
  if good and (damages or not known):
    _list(model_dir, good)
  return [f"{damage}; going on from {good[-1]}" for damage in damages]


def _listed(model_dir: str) -> list[str]:
  """Returns the checkpoints that the file `checkpoint` lists, oldest first."""
  try:
    state = tf.train.get_checkpoint_state(model_dir)
  except ValueError:  # not the text that it should be
    return []
  return list(state.all_model_checkpoint_paths) if state else []


def _list(model_dir: str, prefixes: list[str]) -> None:
  """Writes the file `checkpoint`; without times none would ever be deleted."""
  tf.compat.v1.train.update_checkpoint_state(
    model_dir,
    prefixes[-1],
    prefixes,
    all_model_checkpoint_timestamps=[time.time()] * len(prefixes),
    last_preserved_timestamp=0.0,
  )


def _present(model_dir: str) -> list[str]:
  """Returns the checkpoints whose files are there, oldest first."""
  found = {}
  for path in tf.io.gfile.glob(os.path.join(model_dir, "ckpt-*.index")):
    number = re.search(r"ckpt-(\d+)\.index$", path)
    if number:
      found[int(number.group(1))] = path.removesuffix(".index")
  return [found[number] for number in sorted(found)]
