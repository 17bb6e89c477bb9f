# SPDX-License-Identifier: Apache-2.0
"""Importance by id over training, from what the run has written anyway.

The distribution comes from TensorBoard's histograms, which are there for every
summary; single tokens from the checkpoints that were not removed. Neither grows
here: at most `MAX_POINTS` steps and `MAX_CHECKPOINTS` checkpoints are used.
"""

import dataclasses
import os

import numpy as np
import tensorflow as tf
from tensorflow.core.util import event_pb2

from token_dropping.dropping.importance import token_scorer

MAX_POINTS = 120
MAX_CHECKPOINTS = 20
SHARES = (0.05, 0.25, 0.5, 0.75, 0.95)
TAG = "importance"


@dataclasses.dataclass(frozen=True)
class TableHistory:
  """Scores over training.

  Attributes:
    steps: [T] int, of the distribution, ascending.
    quantiles: [T, 5] float, the shares `SHARES` of the scores are below.
    tables: scores by id, [V], by the step of their checkpoint; NaN for ids
      pinned or never predicted.
  """

  steps: np.ndarray
  quantiles: np.ndarray
  tables: dict[int, np.ndarray]


def read(model_dir: str, scorer: token_scorer.TokenScorer) -> TableHistory:
  """Reads what a run folder has of its scores by id.

  Args:
    model_dir: folder of the run.
    scorer: of the run.

  Returns:
    The history; empty where scores do not depend on the id alone.
  """
  tables = _tables(model_dir, scorer)
  points = _histogram_quantiles(os.path.join(model_dir, "train"))
  for step, table in tables.items():
    known = table[~np.isnan(table)]
    if len(known):
      points[step] = np.quantile(known, SHARES)
  steps = _thinned(sorted(points))
  return TableHistory(
    np.array(steps, int),
    np.array([points[step] for step in steps]).reshape(-1, len(SHARES)),
    tables,
  )


def _tables(
  model_dir: str, scorer: token_scorer.TokenScorer
) -> dict[int, np.ndarray]:
  """Returns the scores by id in the last checkpoints, by step."""
  state = tf.train.get_checkpoint_state(model_dir)
  paths = state.all_model_checkpoint_paths if state else []
  earlier = type(scorer).from_config(scorer.get_config())
  earlier.build()
  checkpoint, found = tf.train.Checkpoint(importance=earlier), {}
  for path in list(paths)[-MAX_CHECKPOINTS:]:
    step = path.rsplit("-", 1)[-1]
    try:
      checkpoint.read(path).expect_partial()
    except (tf.errors.OpError, ValueError):
      continue  # an older file was removed, or was never complete
    scores = earlier.scores_by_id()
    if step.isdecimal() and scores is not None:
      found[int(step)] = scores
  return found


def _histogram_quantiles(folder: str) -> dict[int, np.ndarray]:
  """Returns the quantiles of TensorBoard's histograms, by step."""
  found = {}
  pattern = os.path.join(folder, "events.out.tfevents.*")
  for path in sorted(tf.io.gfile.glob(pattern)):
    try:
      for record in tf.data.TFRecordDataset(path).as_numpy_iterator():
        event = event_pb2.Event.FromString(record)
        for value in event.summary.value:
          if value.tag == TAG:
            buckets = tf.make_ndarray(value.tensor)
            if buckets.size and buckets[:, 2].sum() > 0:
              found[event.step] = bucket_quantiles(buckets)
    except tf.errors.DataLossError:
      continue  # a process was killed while it wrote; the rest is good
  return found


def bucket_quantiles(buckets: np.ndarray) -> np.ndarray:
  """Returns the quantiles of a histogram, linear inside a bucket.

  Args:
    buckets: [n, 3], rows of left edge, right edge and count.

  Example:

  >>> bucket_quantiles(np.array([[0.0, 1.0, 50], [1.0, 2.0, 50]])).tolist()
  [0.1, 0.5, 1.0, 1.5, 1.9]
  """
  below = np.concatenate([[0.0], np.cumsum(buckets[:, 2])])
  edges = np.concatenate([buckets[:1, 0], buckets[:, 1]])
  return np.interp(np.array(SHARES) * below[-1], below, edges)


def _thinned(steps: list[int]) -> list[int]:
  """Returns at most `MAX_POINTS` of the steps, first and last among them."""
  if len(steps) <= MAX_POINTS:
    return steps
  places = np.linspace(0, len(steps) - 1, MAX_POINTS).round().astype(int)
  return [steps[place] for place in places]
