# SPDX-License-Identifier: Apache-2.0
"""Scores that were made once, before training."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
import tf_keras

from token_dropping.common import errors
from token_dropping.common import vocabulary
from token_dropping.dropping.importance import importance_table
from token_dropping.dropping.importance import token_scorer


@tf_keras.utils.register_keras_serializable(package="token_dropping")
class FrozenScorer(token_scorer.TokenScorer):
  """Scores an id by a table that training does not change.

  How hard a word is can be estimated in advance, by the loss of a separate
  masked LM or by mutual information (Liu et al., AAAI 2021, arXiv 2004.13542);
  `token_dropping.importance` makes such tables. The table is no weight, but
  input of a run. NaN, unknown, counts as the highest score: unseen ids stay.

  >>> scorer = FrozenScorer(3, scores=[0.5, 2.5, 1.0], allow_list=[2])
  >>> scorer(tf.constant([[0, 1, 2]])).numpy().tolist()
  [[0.5, 2.5, 10000.0]]
  """

  fields = {"table_file": ""}
  by_id_alone = True
  unit = "nats"

  def __init__(self, vocab_size: int, scores: Sequence[float], **kwargs):
    super().__init__(vocab_size, **kwargs)
    self._scores = np.asarray(scores, np.float32)

  @classmethod
  def check_fields(cls, config, kind: str) -> None:
    path, kinds = config.importance.table_file, importance_table.KINDS
    wanted = (
      f"set with importance.type {' and '.join(kinds)}, and with no other"
    )
    rule = f"importance.table_file must be {wanted}"
    errors.require(bool(path) == (kind in kinds), rule, f"{path!r} with {kind}")

  @classmethod
  def arguments(cls, config, vocab_size: int) -> dict:
    """Reads the table; raises `UserError` where it cannot be used."""
    path = config.importance.table_file
    table = importance_table.ImportanceTable.read(path)
    table.check_kind(config.importance.type, path)
    scores = table.padded_scores(vocab_size, path)
    if config.vocab_file:
      words = vocabulary.Vocabulary.from_file(config.vocab_file)
      table.check_vocabulary(words, path)
    return {"scores": scores}

  def _score(self, ids, states, mask, keep, layer) -> tf.Tensor:
    highest = np.nanmax(self._scores)
    filled = np.where(np.isnan(self._scores), highest, self._scores)
    return token_scorer.lookup(tf.constant(filled), ids)

  def scores_by_id(self) -> np.ndarray:
    """Returns the table with NaN for ids that are pinned or unknown."""
    return self._without_pinned(self._scores)

  def get_config(self):
    return super().get_config() | {"scores": self._scores.tolist()}
