# SPDX-License-Identifier: Apache-2.0
"""Chooses the next token: at random, among all, the best k, or the best p.

With Model Garden's functions; its `SamplingModule` itself starts from one id a
sequence, so that it cannot read prompts, and takes no seed.
"""

from typing import NamedTuple

import tensorflow as tf
from official.nlp.modeling.ops import sampling_module


class Sampling(NamedTuple):
  """How tokens are drawn; the fields may be scalar tensors.

  Attributes:
    temperature: above 0; logits are divided by it.
    top_k: so many of the most probable tokens are drawn from; 0: all, 1: no
      chance is left.
    top_p: in (0, 1]; of these, as many of the most probable ones as are needed
      to get above this probability (Holtzman et al., 2020, section 3.1).
    seed: the same one draws the same tokens for the same prompts.
  """

  temperature: float | tf.Tensor = 1.0
  top_k: int | tf.Tensor = 0
  top_p: float | tf.Tensor = 1.0
  seed: int | tf.Tensor = 0


def filter_logits(logits: tf.Tensor, how: Sampling) -> tf.Tensor:
  """Returns the logits [B, V] to draw by: minus infinity of what is left out.

  >>> logits = tf.math.log([[0.5, 0.3, 0.2]])
  >>> filtered = filter_logits(logits, Sampling(top_k=2))
  >>> tf.nn.softmax(filtered).numpy().round(3).tolist()
  [[0.625, 0.375, 0.0]]
  """
  logits = sampling_module.sample_logits_with_temperature(
    logits, how.temperature
  )
  logits = tf.cond(
    tf.convert_to_tensor(how.top_k) > 0,
    lambda: sampling_module.sample_top_k(logits, how.top_k),
    lambda: logits,
  )
  return tf.cond(
    tf.convert_to_tensor(how.top_p) < 1,
    lambda: sampling_module.sample_top_p(logits, how.top_p),
    lambda: logits,
  )


def draw(logits: tf.Tensor, how: Sampling, step: tf.Tensor) -> tf.Tensor:
  """Returns an id [B] of each row of logits [B, V]; each step has its lot."""
  seed = tf.stack([tf.cast(how.seed, tf.int64), tf.cast(step, tf.int64)])
  filtered = filter_logits(logits, how)
  ids = tf.random.stateless_categorical(filtered, 1, seed, dtype=tf.int32)
  return tf.squeeze(ids, axis=1)
