# SPDX-License-Identifier: Apache-2.0
"""The curves that a run wrote for TensorBoard."""

import tensorflow as tf
from tensorboard.backend.event_processing import event_accumulator


def read_scalars(folder: str) -> dict[str, dict[int, float]]:
  """Returns, by tag, the value at each step; of several the last one written.

  What a killed process left incomplete is not read.
  """
  if not tf.io.gfile.isdir(folder):
    return {}
  events = event_accumulator.EventAccumulator(
    folder,
    size_guidance={event_accumulator.TENSORS: 0},  # all of them
    purge_orphaned_data=False,
  ).Reload()
  return {
    tag: {
      event.step: float(tf.make_ndarray(event.tensor_proto))
      for event in events.Tensors(tag)
    }
    for tag in events.Tags()["tensors"]
    if events.SummaryMetadata(tag).plugin_data.plugin_name == "scalars"
  }
