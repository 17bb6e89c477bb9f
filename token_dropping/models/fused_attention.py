# SPDX-License-Identifier: Apache-2.0
"""Attention in one kernel of cuDNN, which keeps no scores.

Dao et al., "FlashAttention", NeurIPS 2022. Compiled for a GPU, a layer's
attention is one call forward and one backward; compiled for anything else, it
is the layer's own. Shapes: B batch, Q queries, K keys, N heads, H size of a
head.
"""

import functools
import math
from collections.abc import Callable

import tensorflow as tf
import tf_keras

from token_dropping.models import xla_calls

DTYPES = (tf.bfloat16, tf.float16)
# The calls, their operands and their config are those that XLA has for cuDNN,
# and JAX makes (`jax.nn.dot_product_attention` with implementation="cudnn").
_TARGETS = {
  "padding": "__cudnn$fmhaSoftmax",
  "bias": "__cudnn$fmhaScaleBiasSoftmax",
}
# Hides a key: its sum with any score is finite, and no other key's.
_HIDDEN, _HIDDEN_FLOAT16 = -(2.0**41), -(2.0**15)
_HEADS_INSIDE = (3, 1, 2, 0)  # [B, N, T, H] that lies as [B, T, N, H] does
_NONE = tf.TensorSpec([0], tf.uint8)  # room that cuDNN asks for later


def fuse(model: tf_keras.Model) -> int:
  """Lets the attention of a built model's training be fused.

  Returns in how many layers; one with dropout in attention is none. They are
  those with the methods of Keras' `MultiHeadAttention`. They keep their
  weights, names and checkpoints; where a call is not of training, a shape not
  static or a mask of another kind, they compute as before.
  """
  layers = [
    layer
    for layer in model._flatten_layers()
    if hasattr(layer, "_compute_attention") and layer._dropout == 0
  ]
  for layer in layers:
    plain = layer._compute_attention
    layer._compute_attention = functools.partial(_compute, plain)
  return len(layers)


def _compute(
  plain: Callable, query, key, value, attention_mask=None, training=None
) -> tuple[tf.Tensor, tf.Tensor | None]:
  """Stands for a layer's method; the scores that it returns are `None`."""
  if not training or not _fits(query, key, attention_mask):
    return plain(query, key, value, attention_mask, training)
  return attend(plain, query, key, value, attention_mask), None


def _fits(query, key, mask: tf.Tensor | None) -> bool:
  """Whether `attend` takes such shapes."""
  if not (query.shape.is_fully_defined() and key.shape.is_fully_defined()):
    return False
  batch, keys = key.shape[:2]
  kinds = [[batch, count, keys] for count in (1, query.shape[1])]
  return mask is None or mask.shape.as_list() in kinds


def attend(
  plain: Callable,
  query: tf.Tensor,
  key: tf.Tensor,
  value: tf.Tensor,
  mask: tf.Tensor | None = None,
) -> tf.Tensor:
  """Returns the values that queries attend to, [B, Q, N, H].

  `query` is [B, Q, N, H], `key` and `value` are [B, K, N, H]. `mask`, of 0 and
  1, is [B, 1, K] where padding is at the end, else [B, Q, K]; it has no
  gradient. `plain`, a layer's own method, computes it but for a GPU; without
  dropout.
  """

  def own(value, key, query, *masks) -> tf.Tensor:
    return plain(query, key, value, *masks, training=False)[0]

  @tf.custom_gradient
  def run(*operands):
    call = _Call(*operands)
    out, statistics = xla_calls.by_platform(
      lambda *operands: [own(*operands), tf.zeros(*call.statistics)],
      call.forward,
      *operands,
    )

    def gradient(upstream: tf.Tensor) -> list[tf.Tensor | None]:
      gradients = xla_calls.by_platform(
        functools.partial(_own_gradients, own),
        call.backward,
        *(upstream, out, statistics, *operands),
      )
      return [*gradients, *[None] * len(operands[3:])]

    return out, gradient

  # In this order a tape sums the gradients of what they come from as it does
  # without: the last bit depends on it.
  return run(value, key, query, *([] if mask is None else [mask]))


def _own_gradients(own, upstream, out, statistics, *operands):
  del out, statistics
  return tf.gradients(own(*operands), operands[:3], upstream)


class _Call:
  """cuDNN's call for some shapes.

  Padding at the end is told by the keys' number, at least 1 for each sequence.
  What else is hidden, is by a bias, with which Q and K must be even.
  """

  def __init__(self, value, key, query, mask: tf.Tensor | None = None):
    del value
    self._batch, self._queries, self._heads, self._size = query.shape
    self._keys = key.shape[1]
    self._dtype = query.dtype
    # Of one query, the two kinds look the same; the bias is right for both.
    by_length = mask is None or mask.shape[1] == 1 < self._queries
    self._kind = "padding" if by_length else "bias"
    odd = int(not by_length)
    self._more_queries = odd * (self._queries % 2)
    self._more_keys = odd * (self._keys % 2)

  @property
  def statistics(self) -> tuple[list[int], tf.DType]:
    """Shape and type of what the gradient needs of the softmax."""
    queries = self._queries + self._more_queries
    return [self._batch, self._heads, queries], tf.float32

  def forward(self, value, key, query, mask=None) -> list[tf.Tensor]:
    operands = [
      _longer(query, self._more_queries),
      _longer(key, self._more_keys),
      _longer(value, self._more_keys),
    ]
    shape, dtype = self.statistics
    out, statistics, _ = xla_calls.custom_call(
      _TARGETS[self._kind],
      operands + self._bias(mask) + self._lengths(mask),
      [self._result(operands[0]), tf.TensorSpec(shape, dtype), _NONE],
      [_HEADS_INSIDE, (2, 1, 0), (0,)],
      self._config(backward=False),
    )
    return [tf.transpose(out, [0, 2, 1, 3])[:, : self._queries], statistics]

  def backward(
    self, upstream, out, statistics, value, key, query, mask=None
  ) -> list[tf.Tensor]:
    query, upstream, out = (
      _longer(states, self._more_queries) for states in (query, upstream, out)
    )
    key, value = (_longer(states, self._more_keys) for states in (key, value))
    operands = [query, key, value, statistics, upstream, *self._bias(mask), out]
    *gradients, _ = xla_calls.custom_call(
      _TARGETS[self._kind] + "Backward",
      operands + self._lengths(mask),
      [*map(self._result, (query, key, value)), _NONE],
      [_HEADS_INSIDE] * 3 + [(0,)],
      self._config(backward=True),
    )
    of_query, of_key, of_value = (
      tf.transpose(gradient, [0, 2, 1, 3]) for gradient in gradients
    )
    keys = self._keys
    return [of_value[:, :keys], of_key[:, :keys], of_query[:, : self._queries]]

  def _result(self, states: tf.Tensor) -> tf.TensorSpec:
    batch, count, heads, size = states.shape
    return tf.TensorSpec([batch, heads, count, size], self._dtype)

  def _lengths(self, mask: tf.Tensor | None) -> list[tf.Tensor]:
    """Returns how many queries and keys are real, int32 [B] each."""
    if self._kind == "bias":
      return []
    queries = tf.fill([self._batch], self._queries)
    if mask is None:
      return [queries, tf.fill([self._batch], self._keys)]
    keys = tf.reduce_sum(tf.cast(mask, tf.int32), axis=[1, 2])
    return [queries, tf.maximum(keys, 1)]

  def _bias(self, mask: tf.Tensor | None) -> list[tf.Tensor]:
    """Returns what is added to the scores of all heads, [B, 1, Q, K]."""
    if self._kind == "padding":
      return []
    more = [[0, 0], [0, self._more_queries], [0, self._more_keys]]
    seen = tf.pad(tf.cast(mask, self._dtype), more)
    hidden = _HIDDEN_FLOAT16 if self._dtype == tf.float16 else _HIDDEN
    return [((1.0 - seen) * hidden)[:, tf.newaxis]]

  def _config(self, backward: bool) -> dict:
    scores = [
      *(self._batch, self._heads, self._queries + self._more_queries),
      self._keys + self._more_keys,
    ]
    by_length = self._kind == "padding"
    attention = {
      "algorithm": {
        "algo_id": "0",
        "math_type": "TENSOR_OP_MATH",
        "tuning_knobs": {"17": "1", "24": "0"},
        "is_cudnn_frontend": True,
        "workspace_size": "0",
      },
      "fmha_scale": 1.0 / math.sqrt(self._size),
      "dropout_rate": 0.0,
      "intermediate_tensor_shape": {
        "element_type": "BF16" if self._dtype == tf.bfloat16 else "F16",
        "dimensions": [str(size) for size in scores],
        "layout": {"minor_to_major": ["3", "2", "1", "0"]},
        "is_dynamic_dimension": [False] * 4,
      },
      "is_flash_attention": True,
      "mask_type": "PADDING" if by_length else "NO_MASK",
    }
    attention |= _products(backward)
    return {"cudnn_fmha_backend_config": attention}


def _products(backward: bool) -> dict:
  """Returns the axes of the matrix products inside, of [B, T, N, H] each."""
  scores = _axes(3, 3, [0, 2], [0, 2])  # queries and keys, or their like
  by_keys, by_queries = (_axes(axis, 1, [0, 1], [0, 2]) for axis in (3, 2))
  if not backward:
    return {
      "bmm1_dot_dimension_numbers": scores,
      "bmm2_dot_dimension_numbers": by_keys,
    }
  return {
    "bmm1_grad_gemm1_dot_dimension_numbers": by_queries,
    "bmm1_grad_gemm2_dot_dimension_numbers": by_keys,
    "bmm2_grad_gemm1_dot_dimension_numbers": by_queries,
    "bmm2_grad_gemm2_dot_dimension_numbers": scores,
  }


def _axes(left: int, right: int, left_batch, right_batch) -> dict:
  return {
    "lhs_contracting_dimensions": [str(left)],
    "rhs_contracting_dimensions": [str(right)],
    "lhs_batch_dimensions": [str(axis) for axis in left_batch],
    "rhs_batch_dimensions": [str(axis) for axis in right_batch],
  }


def _longer(states: tf.Tensor, more: int) -> tf.Tensor:
  """Returns states [B, T, N, H] with some zeros after the T."""
  return tf.pad(states, [[0, 0], [0, more], [0, 0], [0, 0]]) if more else states
