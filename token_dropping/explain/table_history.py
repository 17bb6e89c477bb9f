# SPDX-License-Identifier: Apache-2.0
"""Importance by id over training, from a run's histograms and checkpoints."""

import os

import numpy as np
import pandas as pd
import tensorflow as tf
from tensorboard.backend.event_processing import directory_watcher
from tensorboard.backend.event_processing import event_accumulator

from token_dropping.dropping.importance import token_scorer

MAX_POINTS = 120
MAX_CHECKPOINTS = 20
SHARES = (0.05, 0.25, 0.5, 0.75, 0.95)
TAG = "importance"


def scores_by_step(
  model_dir: str, scorer: token_scorer.TokenScorer
) -> pd.DataFrame:
  """Returns the scores in the last checkpoints: a row an id, a column a step.

  NaN for ids pinned or never predicted; no columns where scores do not depend
  on the id alone.
  """
  state = tf.train.get_checkpoint_state(model_dir)
  paths = state.all_model_checkpoint_paths if state else []
  earlier = type(scorer).from_config(scorer.get_config())
  earlier.build()
  checkpoint, tables = tf.train.Checkpoint(importance=earlier), {}
  for path in list(paths)[-MAX_CHECKPOINTS:]:
    step = path.rsplit("-", 1)[-1]
    try:
      checkpoint.read(path).expect_partial()
    except (tf.errors.OpError, ValueError):
      continue  # an older file was removed, or was never complete
    scores = earlier.scores_by_id()
    if step.isdecimal() and scores is not None:
      tables[int(step)] = scores
  return pd.DataFrame(tables).sort_index(axis=1)


def quantiles_by_step(model_dir: str, scores: pd.DataFrame) -> pd.DataFrame:
  """Returns the quantiles `SHARES` of scores and histograms: a row a step."""
  points = _histogram_quantiles(os.path.join(model_dir, "train"))
  for step in scores:
    points[step] = scores[step].quantile(list(SHARES)).to_numpy()
  return (
    pd.DataFrame.from_dict(points, orient="index", columns=SHARES, dtype=float)
    .dropna()
    .sort_index()
  )


def _histogram_quantiles(folder: str) -> dict[int, np.ndarray]:
  """Of more histograms than `MAX_POINTS`, draws some, the last among them."""
  events = event_accumulator.EventAccumulator(
    folder, {event_accumulator.TENSORS: MAX_POINTS}
  )
  try:
    events.Reload()
    histograms = events.Tensors(TAG)
  except (directory_watcher.DirectoryDeletedError, KeyError):
    return {}  # no folder, or no such summary
  points = {}
  for event in histograms:
    buckets = tf.make_ndarray(event.tensor_proto)
    if buckets.size and buckets[:, 2].sum() > 0:
      points[event.step] = bucket_quantiles(buckets)
  return points


def bucket_quantiles(buckets: np.ndarray) -> np.ndarray:
  """Returns the quantiles of (left edge, right edge, count), linear inside.

  >>> bucket_quantiles(np.array([[0.0, 1.0, 50], [1.0, 2.0, 50]])).tolist()
  [0.1, 0.5, 1.0, 1.5, 1.9]
  """
  below = np.concatenate([[0.0], np.cumsum(buckets[:, 2])])
  edges = np.concatenate([buckets[:1, 0], buckets[:, 1]])
  return np.interp(np.array(SHARES) * below[-1], below, edges)


def some_rows(table: pd.DataFrame, count: int) -> pd.DataFrame:
  """Returns at most so many rows, the first and the last among them."""
  places = np.linspace(0, len(table) - 1, count).round().astype(int)
  return table.iloc[np.unique(places)]
