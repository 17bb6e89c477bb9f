# SPDX-License-Identifier: Apache-2.0
"""Which tokens a measure of context looks at, and what it lets them see.

Shapes: B records, S sequence length, C a shorter length, W windows of a record,
P predictions. A record is `[CLS] tokens [SEP]`, padded; so is a window of it.
"""

import numpy as np


def starts(lengths: np.ndarray, context: int, seq_length: int) -> np.ndarray:
  """Returns where the windows of records begin, [B, W], ascending.

  Each is C positions long, and begins half of its tokens after the one before;
  the last ends where the record does, of `lengths` [B].

  >>> starts(np.array([10, 7, 3]), context=6, seq_length=10)
  array([[0, 2, 4],
         [0, 1, 1],
         [0, 0, 0]])
  """
  step = (context - 2) // 2
  count = 1 + -(-(seq_length - context) // step)
  last = np.maximum(lengths[:, None] - context, 0)
  return np.minimum(np.arange(count) * step, last)


def nearest(firsts: np.ndarray, context: int, positions: np.ndarray):
  """Returns the window in whose middle each position lies most, [B, P].

  >>> nearest(np.array([[0, 2, 4]]), 6, np.array([[1, 4, 5, 8]]))
  array([[0, 1, 1, 2]])
  """
  middles = firsts + (context - 1) / 2  # [B, W]
  return np.abs(middles[:, None] - positions[..., None]).argmin(axis=-1)


def cut(
  ids: np.ndarray, lengths: np.ndarray, firsts: np.ndarray, context: int
) -> tuple[np.ndarray, np.ndarray]:
  """Cuts windows out of records [B, S]: ids and input mask, [B, W, C].

  The first position becomes the record's `[CLS]`, the last one its `[SEP]`,
  unless it is padding.

  >>> ids = np.array([[1, 5, 6, 7, 8, 2, 0]])
  >>> windows, mask = cut(ids, np.array([6]), np.array([[0, 2]]), context=4)
  >>> windows
  array([[[1, 5, 6, 2],
          [1, 7, 8, 2]]])
  """
  places = firsts[..., None] + np.arange(context)  # [B, W, C]
  rows = np.arange(len(ids))[:, None]
  windows = ids[rows[..., None], places]
  mask = (places < lengths[:, None, None]).astype(ids.dtype)
  windows[..., 0] = ids[:, :1]
  separators = ids[rows, lengths[:, None] - 1]  # [B, 1]
  windows[..., -1] = np.where(mask[..., -1] > 0, separators, windows[..., -1])
  return windows, mask


def has_far_twin(
  ids: np.ndarray,
  shown: np.ndarray,
  documents: np.ndarray,
  positions: np.ndarray,
  distance: int,
) -> np.ndarray:
  """Says which positions hold an id that stands far away, and only there.

  `ids` are the true ones and `shown` those that the network reads, each [B, S].
  Of a position, [B, P], the id must stand exactly once more in its document (of
  `documents` [B, S], the number of each position's), shown, and more than
  `distance` positions away. Returns [B, P] bool.

  >>> ids = np.array([[1, 7, 8, 7, 9, 8, 9, 2]])
  >>> has_far_twin(ids, ids, ids * 0, np.array([[1, 2, 4]]), distance=2)
  array([[False,  True, False]])
  """
  found = []
  for row, own in enumerate(positions):
    same = ids[row] == ids[row, own, None]  # [P, S]
    same &= documents[row] == documents[row, own, None]
    away = np.abs(np.arange(ids.shape[1]) - own[:, None])
    others = same & (away > 0)
    visible = shown[row] == ids[row]
    found.append(
      (others.sum(axis=1) == 1)
      & (others & visible & (away > distance)).any(axis=1)
    )
  return np.stack(found)
