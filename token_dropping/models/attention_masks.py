# SPDX-License-Identifier: Apache-2.0
"""Which tokens see which: by their places, documents and padding."""

import functools
import operator

import tensorflow as tf

from token_dropping.dropping import tokens as tokens_lib


def seen(
  queries: tokens_lib.Tokens, keys: tokens_lib.Tokens, is_causal: bool = False
) -> tf.Tensor:
  """Returns 1 where a query sees a key, else 0, [B, Q, N].

  Nobody sees padding or, where documents are known, another one; in a causal
  network nobody sees a later place of the whole sequence. One of the three must
  be known.

  >>> one = tokens_lib.Tokens.of_sequence(
  ...   tf.zeros([1, 3, 2]), documents=tf.constant([[7, 7, 8]]))
  >>> seen(one, one, is_causal=True).numpy()[0].tolist()
  [[1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
  """
  parts = []
  if is_causal:
    own, theirs = queries.positions, keys.positions
    parts.append(own[:, :, tf.newaxis] >= theirs[:, tf.newaxis])
  if keys.mask is not None:
    parts.append(tf.cast(keys.mask, tf.bool)[:, tf.newaxis])
  if keys.documents is not None:
    own, theirs = queries.documents, keys.documents
    parts.append(own[:, :, tf.newaxis] == theirs[:, tf.newaxis])
  return tf.cast(functools.reduce(operator.and_, parts), queries.states.dtype)
