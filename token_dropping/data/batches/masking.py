# SPDX-License-Identifier: Apache-2.0
"""Chooses and hides the tokens to predict (BERT, section 3.1, task 1).

Glossary: n sequences, S sequence length, P predictions, V vocabulary.
"""

from typing import NamedTuple

import numpy as np

from token_dropping.common import vocabulary

MASK_SHARE = 0.8
RANDOM_SHARE = 0.1


class Masked(NamedTuple):
  """Sequences with hidden tokens, `word_ids` [n, S] int32, and what they were.

  Of each prediction [n, P] the position (int64, ascending), the token before
  masking (int64) and the weight (float32, 1); unused slots have zeros.
  """

  word_ids: np.ndarray
  positions: np.ndarray
  ids: np.ndarray
  weights: np.ndarray


def starts_word(vocab: vocabulary.Vocabulary) -> np.ndarray:
  """Returns [V] int64: 1 for tokens that begin a word, 0 for special ones."""
  return np.array(
    [
      not token.startswith("##") and token not in vocabulary.SPECIAL_TOKENS
      for token in vocab.tokens
    ],
    np.int64,
  )


class Masker:
  """Hides tokens at random.

  Of the tokens that are not special, `max(1, round(rate * tokens))`, at most P,
  are chosen in every sequence, if there are any. Of these 80 % become `[MASK]`,
  10 % a random token that is not special, and 10 % stay.
  """

  def __init__(
    self,
    vocab: vocabulary.Vocabulary,
    masking_rate: float,
    max_predictions_per_seq: int,
  ):
    self._rate = masking_rate
    self._slots = max_predictions_per_seq
    self._mask_id = vocab.special_ids[vocabulary.MASK]
    self._special_ids = np.array(sorted(vocab.special_ids.values()))
    self._ordinary_ids = np.setdiff1d(np.arange(len(vocab)), self._special_ids)

  def mask(self, word_ids: np.ndarray, rng: np.random.Generator) -> Masked:
    """Masks sequences, [n, S] int32."""
    positions = self._choose(word_ids, rng)
    used = positions < word_ids.shape[1]
    # One more column, for the slots that are not used to write to.
    padded = np.pad(word_ids, [(0, 0), (0, 1)])
    ids = np.take_along_axis(padded, positions, 1)
    np.put_along_axis(padded, positions, self._hide(ids, rng), 1)
    return Masked(
      word_ids=padded[:, :-1],
      positions=np.where(used, positions, 0).astype(np.int64),
      ids=np.where(used, ids, 0).astype(np.int64),
      weights=used.astype(np.float32),
    )

  def _choose(
    self, word_ids: np.ndarray, rng: np.random.Generator
  ) -> np.ndarray:
    """Returns [n, P] ascending positions, S in slots that are not used."""
    length = word_ids.shape[1]
    maskable = ~np.isin(word_ids, self._special_ids)
    tokens = maskable.sum(1)
    wanted = np.maximum(1, np.rint(self._rate * tokens))
    number = np.minimum(np.minimum(wanted, self._slots), tokens)
    scores = np.where(maskable, rng.random(word_ids.shape), 2.0)
    ranked = np.argsort(scores, axis=1)[:, : self._slots]
    chosen = np.arange(self._slots) < number[:, None]
    return np.sort(np.where(chosen, ranked, length), axis=1)

  def _hide(self, ids: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    draw = rng.random(ids.shape)
    random_ids = rng.choice(self._ordinary_ids, ids.shape)
    hidden = np.where(draw < MASK_SHARE + RANDOM_SHARE, random_ids, ids)
    return np.where(draw < MASK_SHARE, self._mask_id, hidden)
