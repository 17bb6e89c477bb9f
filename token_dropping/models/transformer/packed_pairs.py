# SPDX-License-Identifier: Apache-2.0
"""What follows from the numbers of the pairs that share a sequence.

Numbers, int [B, S], are 1, 2, 3 ... along a sequence, and 0 at its padding.
"""

import tensorflow as tf

START_ID = 0  # what the decoder reads first: Model Garden's, and padding's
END_ID = 1  # with which each sentence ends


def positions(pairs: tf.Tensor) -> tf.Tensor:
  """Returns the place of each token in its own sentence, int32 [B, S].

  >>> positions(tf.constant([[1, 1, 1, 2, 2, 0]])).numpy().tolist()
  [[0, 1, 2, 0, 1, 0]]
  """
  ascending = tf.where(pairs == 0, pairs.dtype.max, pairs)
  starts = tf.searchsorted(ascending, ascending)
  return tf.range(tf.shape(pairs)[1]) - starts


def starts(pairs: tf.Tensor) -> tf.Tensor:
  """Says where sentences begin, bool [B, S]."""
  return (positions(pairs) == 0) & (pairs != 0)


def keys(targets: tf.Tensor, pairs: tf.Tensor) -> tf.Tensor:
  """Returns the ids by which the tokens that the decoder reads are chosen.

  Those of `shifted`, but that starts are told from padding: they have the id of
  the end of sentence, which no decoder reads.

  >>> keys(tf.constant([[5, 6, 1, 7, 1, 0]]),
  ...      tf.constant([[1, 1, 1, 2, 2, 0]])).numpy().tolist()
  [[1, 5, 6, 1, 7, 0]]
  """
  return tf.where(starts(pairs), END_ID, shifted(targets, pairs))


def shifted(targets: tf.Tensor, pairs: tf.Tensor) -> tf.Tensor:
  """Returns what the decoder reads to predict targets, int [B, T].

  The token before, and `START_ID` where a sentence begins; 0 at padding.

  >>> shifted(tf.constant([[5, 6, 1, 7, 1, 0]]),
  ...         tf.constant([[1, 1, 1, 2, 2, 0]])).numpy().tolist()
  [[0, 5, 6, 0, 7, 0]]
  """
  before = tf.pad(targets, [[0, 0], [1, 0]])[:, :-1]
  goes_on = (pairs != 0) & ~starts(pairs)
  return tf.where(goes_on, before, START_ID)
