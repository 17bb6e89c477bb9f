# SPDX-License-Identifier: Apache-2.0
"""How long a token's state is when it enters the layer that drops."""

import tensorflow as tf
import tf_keras

from token_dropping.dropping.importance import token_scorer


@tf_keras.utils.register_keras_serializable(package="token_dropping")
class HiddenNormScorer(token_scorer.TokenScorer):
  """Scores a token by the L2 norm of its state, `sqrt(sum(state ** 2))`.

  The only score that knows the context and needs no statistics; public projects
  use it with several stages. After a layer normalization without learnt scale
  all norms are equal, so it says little in a new post-layer-norm network.

  >>> states = tf.constant([[[3.0, 4.0], [0.0, 1.0]]])
  >>> HiddenNormScorer(8)(tf.constant([[5, 6]]), states).numpy().tolist()
  [[5.0, 1.0]]
  """

  networks = (token_scorer.ENCODER, token_scorer.CAUSAL, token_scorer.SOURCE)

  def _score(self, ids, states, mask, keep, layer) -> tf.Tensor:
    return tf.norm(tf.cast(states, tf.float32), axis=-1)
