# SPDX-License-Identifier: Apache-2.0
"""TensorBoard's files of a run that goes on from an earlier step."""

import os
import sys

import tensorflow as tf
from tensorflow.core.util import event_pb2


def drop_after(folder: str, step: int) -> int:
  """Removes what was written after a step, which will be written again.

  A record that a killed process left incomplete ends its file. A file is
  replaced as a whole or stays as it is.

  Args:
    folder: with the event files, on any filesystem that TensorFlow knows.
    step: the last one to keep.

  Returns:
    How many events were removed.
  """
  removed = 0
  for path in tf.io.gfile.glob(os.path.join(folder, "events.out.tfevents.*")):
    kept, dropped, complete = _split(path, step)
    if dropped or not complete:
      temporary = os.path.join(folder, f"rewriting-{os.path.basename(path)}")
      with tf.io.TFRecordWriter(temporary) as writer:
        for event in kept:
          writer.write(event)
      tf.io.gfile.rename(temporary, path, overwrite=True)
    removed += dropped
  return removed


def read_scalars(folder: str) -> dict[str, dict[int, float]]:
  """Reads the curves of a run.

  Args:
    folder: with the event files, on any filesystem that TensorFlow knows.

  Returns:
    By tag, the value at each step; of several the last one written.
  """
  curves = {}
  pattern = os.path.join(folder, "events.out.tfevents.*")
  for path in sorted(tf.io.gfile.glob(pattern)):
    for record in _split(path, sys.maxsize)[0]:
      event = event_pb2.Event.FromString(record)
      for value in event.summary.value:
        if value.metadata.plugin_data.plugin_name == "scalars":
          number = float(tf.make_ndarray(value.tensor))
          curves.setdefault(value.tag, {})[event.step] = number
  return curves


def _split(path: str, step: int) -> tuple[list[bytes], int, bool]:
  """Returns events to keep, how many not to, and whether all were read."""
  kept, dropped = [], 0
  try:
    for record in tf.data.TFRecordDataset(path).as_numpy_iterator():
      if event_pb2.Event.FromString(record).step <= step:
        kept.append(record)
      else:
        dropped += 1
  except tf.errors.DataLossError:
    return kept, dropped, False
  return kept, dropped, True
