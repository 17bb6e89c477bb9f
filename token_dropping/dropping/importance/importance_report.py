# SPDX-License-Identifier: Apache-2.0
"""Scores of ids for people: TensorBoard histogram and ranked tokens."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from token_dropping.dropping.importance import token_scorer


def ranked_tokens(
  scorer: token_scorer.TokenScorer, names: Sequence[str], count: int = 10
) -> tuple[list[str], list[str]]:
  """Returns the most and the least important tokens, the extremes first.

  An id without a name stands for itself, and a space is seen as ▁. There are
  none where scores are not of ids.
  """
  scores = scorer.scores_by_id()
  if scores is None:
    return [], []
  seen = np.flatnonzero(~np.isnan(scores))
  order = seen[np.argsort(scores[seen], kind="stable")]
  text = [
    names[i].replace(" ", "▁") if i < len(names) else f"id {i}" for i in order
  ]
  return text[::-1][:count], text[:count]


class ImportanceHistogram:
  """An Orbit action: every `interval` steps TensorBoard gets scores by id."""

  def __init__(self, scorer, global_step, summary_dir: str, interval: int):
    self._scorer = scorer
    self._global_step = global_step
    self._writer = tf.summary.create_file_writer(summary_dir)
    self._interval = interval

  def __call__(self, outputs: dict) -> None:
    step = int(self._global_step.numpy())
    is_due = step % self._interval == 0
    scores = self._scorer.scores_by_id() if is_due else None
    if scores is None:
      return
    with self._writer.as_default():
      tf.summary.histogram("importance", scores[~np.isnan(scores)], step=step)
    self._writer.flush()
