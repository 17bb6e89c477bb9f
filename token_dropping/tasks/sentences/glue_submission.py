# SPDX-License-Identifier: Apache-2.0
"""The files that GLUE's server takes: index and prediction, by tabs."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf


def format_predictions(
  ids: np.ndarray,
  outputs: np.ndarray,
  labels: Sequence[str],
  limits: tuple[float, float] | None,
) -> str:
  """Returns the content of a file.

  Args:
    ids: [N], numbers of the examples.
    outputs: [N, C] logits; [N, 1] numbers for regression.
    labels: what stands for each class; none for regression.
    limits: least and greatest number of a regression.

  Example:

  >>> logits = np.array([[0.0, 1.0], [2.0, 0.0]])
  >>> ids, labels = np.array([1, 0]), ["yes", "no"]
  >>> format_predictions(ids, logits, labels, None)
  'index\\tprediction\\n0\\tyes\\n1\\tno\\n'
  """
  if labels:
    texts = [labels[index] for index in np.argmax(outputs, axis=-1)]
  else:
    texts = [f"{value:.3f}" for value in np.clip(outputs[:, 0], *limits)]
  rows = sorted(zip(ids.tolist(), texts, strict=True))
  lines = ["index\tprediction", *(f"{index}\t{text}" for index, text in rows)]
  return "\n".join(lines) + "\n"


def write(path: str, text: str) -> None:
  """Writes a file, its folder too."""
  tf.io.gfile.makedirs(path.rpartition("/")[0])
  with tf.io.gfile.GFile(path, "w") as file:
    file.write(text)
