# SPDX-License-Identifier: Apache-2.0
"""What ids tell of a text's label or document, in nats (arXiv 2004.13542)."""

import numpy as np


class LabelInformation:
  """Mutual information of "the id occurs in a text" and the text's label.

      I(w) = sum over x in {0, 1}, y of P(x, y) ln(P(x, y) / (P(x) P(y)))

  `P(x, y)` is the share of the texts with label `y` that hold the id (`x = 1`)
  or do not. Memory is ids times labels.

  >>> information = LabelInformation(vocab_size=3, num_classes=2)
  >>> for ids, label in (([0, 2], 0), ([0], 0), ([1, 2], 1), ([1], 1)):
  ...   information.add(np.array(ids), label)
  >>> information.scores().round(3).tolist()  # ln 2: tells all; 0: nothing
  [0.693, 0.693, 0.0]
  """

  def __init__(self, vocab_size: int, num_classes: int):
    self._with = np.zeros([vocab_size, num_classes], np.int64)
    self._texts = np.zeros([num_classes], np.int64)

  @property
  def counts(self) -> np.ndarray:
    """In how many texts each id occurs, int64 [V]."""
    return self._with.sum(axis=1)

  def add(self, ids: np.ndarray, label: int) -> None:
    """Counts a text with a label in [0, C)."""
    self._with[np.unique(ids), label] += 1
    self._texts[label] += 1

  def scores(self) -> np.ndarray:
    """Returns I by id, float64 [V]."""
    total = self._texts.sum()
    joint = np.stack([self._with, self._texts - self._with]) / total  # [2 V C]
    occurs = joint.sum(axis=2, keepdims=True)
    label = (self._texts / total)[np.newaxis, np.newaxis]
    expected = occurs * label
    # Where a joint probability is 0, so is its part of the sum.
    ratio = np.divide(joint, expected, np.ones_like(joint), where=joint > 0)
    return (joint * np.log(ratio)).sum(axis=(0, 2))


class DocumentInformation:
  """What meeting an id `w` tells of the document `d` that one is in.

      I(w) = sum over d of P(d | w) ln(P(d | w) / P(d))

  `P(d | w)` is the share of the occurrences of `w` that lie in `d`, `P(d)` that
  of all tokens. I is 0 for an id spread as the text is, more the fewer
  documents have it; its mean over the tokens is the mutual information of id
  and document. It needs V numbers only, since

      I(w) = (1 / n_w) sum over d of n_wd ln(n_wd / n_d) + ln(n / n_w).

  >>> information = DocumentInformation(vocab_size=3)
  >>> for ids in ([0, 2], [1, 2]):
  ...   information.add(np.array(ids))
  >>> information.scores().round(3).tolist()
  [0.693, 0.693, 0.0]
  """

  def __init__(self, vocab_size: int):
    self._sums = np.zeros([vocab_size])
    self._counts = np.zeros([vocab_size], np.int64)

  @property
  def counts(self) -> np.ndarray:
    """How often each id occurs, int64 [V]."""
    return self._counts

  def add(self, ids: np.ndarray) -> None:
    present, counts = np.unique(ids, return_counts=True)
    self._sums[present] += counts * np.log(counts / len(ids))
    self._counts[present] += counts

  def scores(self) -> np.ndarray:
    """Returns I by id, float64 [V]; 0 for ids that do not occur."""
    counts = np.maximum(self._counts, 1)
    scores = self._sums / counts + np.log(self._counts.sum() / counts)
    return np.where(self._counts > 0, scores, 0.0)
