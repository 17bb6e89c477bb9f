# SPDX-License-Identifier: Apache-2.0
"""Counts over packed sequences, and what a guess without context scores.

(The file is not called statistics.py: run from its own folder, that name would
hide the module of the standard library.)
"""

import numpy as np

from token_dropping.common import vocabulary


class TokenCounts:
  """How often each id occurs.

  Args:
    vocab: the `Vocabulary`.
    counts: [V] times that each id occurs, special tokens included.
  """

  def __init__(self, vocab: vocabulary.Vocabulary, counts: np.ndarray):
    counts = counts.copy()
    self.unknown = int(counts[vocab.special_ids[vocabulary.UNK]])
    counts[list(vocab.special_ids.values())] = 0
    self.counts = counts  # [V], special tokens 0

  @property
  def tokens(self) -> int:
    """Tokens of the text: ordinary ones and `[UNK]`."""
    return int(self.counts.sum()) + self.unknown

  @property
  def unknown_share(self) -> float:
    """Share of `[UNK]` among the tokens."""
    return self.unknown / max(self.tokens, 1)

  def entropy(self) -> float:
    """Entropy in nats of the distribution over tokens that are not special.

    This is the loss, on the same tokens, of a model that knows nothing but how
    frequent each token is.
    """
    counts = self.counts[self.counts > 0]
    if not len(counts):
      return 0.0
    share = counts / counts.sum()
    return float(-(share * np.log(share)).sum())


def unigram_loss(train_counts: np.ndarray, target_counts: np.ndarray) -> float:
  """Cross-entropy in nats of targets under the training unigram distribution.

  `p(v) = (train_counts[v] + 1) / (sum + V)`: one is added to every id of the
  vocabulary, so that none has probability 0. With the targets of the validation
  set this is the masked-LM loss of the best guess that ignores the context: a
  model has learned something only if its loss is below.

  Args:
    train_counts: [V], times that each id occurs in training, special tokens 0.
    target_counts: [V], times that each id is to be predicted.

  Returns:
    The mean loss of a target; 0 without targets.

  Example:

  >>> round(unigram_loss(np.array([2, 0]), np.array([1, 1])), 4)  # 3/4 and 1/4
  0.837
  """
  smoothed = train_counts + 1.0
  log_share = np.log(smoothed / smoothed.sum())
  total = max(int(target_counts.sum()), 1)
  return float(-(target_counts * log_share).sum() / total)
