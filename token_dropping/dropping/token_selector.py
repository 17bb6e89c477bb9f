# SPDX-License-Identifier: Apache-2.0
"""Which positions of a sequence stay in the middle layers (Hou et al., 3.1)."""

import tensorflow as tf
import tf_keras


@tf_keras.utils.register_keras_serializable(package="token_dropping")
class TokenSelector(tf_keras.layers.Layer):
  """Selects the `keep` highest-scored positions of each sequence.

  Padding is taken only when every real token is, whatever its score. Equal
  scores go to the earlier position. Positions come out ascending, so that a
  gather reads memory in order and the kept tokens keep their order.

  Example:

  >>> selector = TokenSelector()
  >>> scores = tf.constant([[1.0, 9.0, 5.0, 7.0]])
  >>> selector(scores, keep=2).numpy().tolist()
  [[1, 3]]
  """

  def __init__(self, **kwargs):
    # Mixed precision must not round scores: half of them would tie.
    super().__init__(**{**kwargs, "autocast": False})

  def call(
    self, scores: tf.Tensor, keep: int, mask: tf.Tensor | None = None
  ) -> tf.Tensor:
    """Selects positions.

    Args:
      scores: float tensor [B, S].
      keep: int, K, static, at most S.
      mask: tensor [B, S], 0 at padding; `None` means no padding.

    Returns:
      int32 tensor [B, K], ascending, without repetition.
    """
    if mask is not None:
      scores = tf.where(tf.cast(mask, tf.bool), scores, scores.dtype.min)
    _, positions = tf.math.top_k(scores, k=keep, sorted=True)
    return tf.sort(positions, axis=-1)
