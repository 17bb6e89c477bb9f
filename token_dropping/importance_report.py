# SPDX-License-Identifier: Apache-2.0
"""The importance table for people: TensorBoard histogram and ranked tokens."""

import numpy as np
import tensorflow as tf

from token_dropping import vocabulary
from token_dropping.layers import importance_scorer


def learnt_scores(
  scorer: importance_scorer.ImportanceScorer, table: np.ndarray | None = None
) -> np.ndarray:
  """Returns a table with NaN where nothing was learnt: pinned or unseen ids.

  Args:
    scorer: the scorer.
    table: [V], one that it had earlier; default the one that it has.

  Returns:
    float array [V].
  """
  table = (scorer.table.numpy() if table is None else table).astype(float)
  untouched = table == np.float32(scorer.init_value)
  untouched[list(scorer.allow_list + scorer.deny_list)] = True
  return np.where(untouched, np.nan, table)


def ranked_tokens(
  scorer: importance_scorer.ImportanceScorer, vocab_file: str, count: int = 10
) -> tuple[list[str], list[str]]:
  """Returns the most and the least important tokens that were ever predicted.

  Args:
    scorer: the scorer.
    vocab_file: path of `vocab.txt`; where it is empty, ids stand for tokens.
    count: int, how many of each.

  Returns:
    Two lists of str: most important first, least important first.
  """
  scores = learnt_scores(scorer)
  seen = np.flatnonzero(~np.isnan(scores))
  order = seen[np.argsort(scores[seen], kind="stable")]
  names = None
  if vocab_file:
    names = vocabulary.Vocabulary.from_file(vocab_file).tokens
  text = [names[i] if names and i < len(names) else f"id {i}" for i in order]
  return text[::-1][:count], text[:count]


class ImportanceHistogram:
  """An Orbit action that writes the learnt scores to TensorBoard.

  Args:
    scorer: the scorer.
    global_step: the trainer's step counter.
    summary_dir: folder of the training summaries.
    interval: int, steps between histograms.
  """

  def __init__(
    self,
    scorer: importance_scorer.ImportanceScorer,
    global_step,
    summary_dir: str,
    interval: int,
  ):
    self._scorer = scorer
    self._global_step = global_step
    self._writer = tf.summary.create_file_writer(summary_dir)
    self._interval = interval

  def __call__(self, outputs: dict) -> None:
    """Writes a histogram if one is due at this step."""
    del outputs
    step = int(self._global_step.numpy())
    if step % self._interval:
      return
    scores = learnt_scores(self._scorer)
    with self._writer.as_default():
      tf.summary.histogram("importance", scores[~np.isnan(scores)], step=step)
    self._writer.flush()
