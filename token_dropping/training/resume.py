# SPDX-License-Identifier: Apache-2.0
"""A run folder made ready to go on from its last whole checkpoint.

A checkpoint is read to tell whether it is whole. If it is not, the one before
is used.
"""

import os
import re
import sys
import time

import tensorflow as tf
from official.core import config_definitions as cfg
from tensorflow.core.util import event_pb2

from token_dropping.common import errors
from token_dropping.common import files
from token_dropping.data import records as records_lib
from token_dropping.models import checkpoint_files
from token_dropping.models import checkpoints


def prepare(params: cfg.ExperimentConfig, mode: str, model_dir: str) -> None:
  """Leaves damaged checkpoints and summaries of later steps behind."""
  for line in use_last_whole(model_dir):
    print(f"warning: {line}", file=sys.stderr)
  step = checkpoints.latest_step(model_dir)
  trainer = params.trainer
  drop_summaries_after(os.path.join(model_dir, "train"), step)
  # A run that is complete is evaluated once more.
  evaluated = step - (step >= trainer.train_steps and mode == "train_and_eval")
  folder = os.path.join(model_dir, trainer.validation_summary_subdir)
  drop_summaries_after(folder, evaluated)


def has_begun(model_dir: str) -> bool:
  """Says whether a run left checkpoints, even if their list is damaged."""
  return bool(_listed(model_dir) or _present(model_dir))


def use_last_whole(model_dir: str) -> list[str]:
  """Makes the newest whole checkpoint the latest one; a line for each damaged.

  Damaged files stay where they are, unused, until training writes that step
  again. Leftovers of a save that was killed go. Raises `UserError` if there
  are checkpoints, and all are damaged.
  """
  for leftover in tf.io.gfile.glob(os.path.join(model_dir, "ckpt-*_temp")):
    files.remove_folder(leftover)
  listed = _listed(model_dir)
  whole = listed or _present(model_dir)  # the list itself may be damaged
  damages = []
  while whole and (damage := checkpoint_files.find_damage(whole[-1])):
    *whole, damaged = whole
    damages.append(f"checkpoint {damaged} is damaged: {damage}")
  if damages and not whole:
    raise errors.UserError(
      "--model_dir must hold a whole checkpoint; move the damaged ones away to "
      f"train anew. Received: {damages[0]}"
    )
  if whole != listed:
    _write_list(model_dir, whole)
  return [f"{damage}; going on from {whole[-1]}" for damage in damages]


def _listed(model_dir: str) -> list[str]:
  """Returns the checkpoints that the file `checkpoint` lists, oldest first."""
  try:
    state = tf.train.get_checkpoint_state(model_dir)
  except ValueError:  # not the text that it should be
    return []
  return list(state.all_model_checkpoint_paths) if state else []


def _present(model_dir: str) -> list[str]:
  """Returns the checkpoints whose files are there, oldest first."""
  by_step = {}
  for path in tf.io.gfile.glob(os.path.join(model_dir, "ckpt-*.index")):
    if number := re.search(r"ckpt-(\d+)\.index$", path):
      by_step[int(number.group(1))] = path.removesuffix(".index")
  return [by_step[step] for step in sorted(by_step)]


def _write_list(model_dir: str, prefixes: list[str]) -> None:
  """Writes the file `checkpoint`; without times none would ever be deleted."""
  tf.compat.v1.train.update_checkpoint_state(
    model_dir,
    prefixes[-1],
    prefixes,
    all_model_checkpoint_timestamps=[time.time()] * len(prefixes),
    last_preserved_timestamp=0.0,
  )


def drop_summaries_after(folder: str, step: int) -> None:
  """Removes from TensorBoard's files what will be written again.

  A record that is incomplete ends its file. A file is replaced as a whole.
  """
  for path in tf.io.gfile.glob(os.path.join(folder, "events.out.tfevents.*")):
    records, is_whole = [], True
    try:
      for record in records_lib.read_serialized(path).as_numpy_iterator():
        records.append(record)
    except (tf.errors.DataLossError, tf.errors.InvalidArgumentError):
      is_whole = False
    kept = [r for r in records if event_pb2.Event.FromString(r).step <= step]
    if is_whole and len(kept) == len(records):
      continue
    temporary = os.path.join(folder, f"rewriting-{os.path.basename(path)}")
    with tf.io.TFRecordWriter(temporary) as writer:
      for record in kept:
        writer.write(record)
    tf.io.gfile.rename(temporary, path, overwrite=True)
