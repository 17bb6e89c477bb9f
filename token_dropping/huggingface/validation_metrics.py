# SPDX-License-Identifier: Apache-2.0
"""What a run measured on validation data, from its TensorBoard files."""

import os

import tensorflow as tf
from tensorflow.core.util import event_pb2


def read(model_dir: str, step: int) -> dict[str, float]:
  """Returns the metrics of the last validation at a step.

  Args:
    model_dir: folder of the run.
    step: int, of the checkpoint.

  Returns:
    Values by name; empty where that step was not validated.
  """
  pattern = os.path.join(model_dir, "validation", "events.out.tfevents.*")
  metrics = {}
  for path in sorted(tf.io.gfile.glob(pattern)):
    for record in tf.data.TFRecordDataset(path):
      event = event_pb2.Event.FromString(record.numpy())
      if event.step == step:
        metrics |= _scalars(event.summary)
  return metrics


def _scalars(summary) -> dict[str, float]:
  values = {}
  for value in summary.value:
    if value.metadata.plugin_data.plugin_name == "scalars":
      values[value.tag] = float(tf.make_ndarray(value.tensor))
  return values
