# SPDX-License-Identifier: Apache-2.0
"""Tests of fused attention: the same bits on a CPU, one kernel on a GPU."""

import json
import re

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from token_dropping.models import fused_attention
from token_dropping.models import xla_calls

B, Q, K, N, H = 2, 15, 31, 3, 8
DTYPES = [tf.bfloat16, tf.float32]
MASKS = [None, "padding", "documents"]


def _plain(dtype: tf.DType):
  """Returns the method of a layer that computes in a type."""
  policy = "float32" if dtype == tf.float32 else f"mixed_{dtype.name}"
  layer = tf_keras.layers.MultiHeadAttention(N, H, dtype=policy)
  layer(tf.zeros([B, Q, 4]), tf.zeros([B, K, 4]))
  return layer._compute_attention


def _mask(kind: str | None) -> np.ndarray | None:
  if kind == "padding":
    return np.arange(K) < np.array([[[K]], [[20]]])
  if kind == "documents":
    return np.random.default_rng(1).random([B, Q, K]) < 0.6
  return None


def _operands(dtype: tf.DType, kind: str | None = None) -> list[tf.Tensor]:
  """Returns a gradient of the output, queries, keys, values and a mask."""
  rng = np.random.default_rng(0)
  arrays = [rng.normal(size=[B, count, N, H]) for count in (Q, Q, K, K)]
  if kind:
    arrays.append(_mask(kind))
  return [tf.cast(array, dtype) for array in arrays]


def _outputs_and_gradients(attend):
  """Returns a compiled function that computes both."""

  @tf.function(jit_compile=True)
  def run(upstream, *operands):
    with tf.GradientTape() as tape:
      tape.watch(operands[:3])
      outputs = attend(*operands)
    return outputs, *tape.gradient(outputs, operands[:3], upstream)

  return run


def _fused(dtype: tf.DType):
  plain = _plain(dtype)

  def attend(*operands):
    return fused_attention.attend(plain, *operands)

  return _outputs_and_gradients(attend)


@pytest.mark.parametrize("kind", MASKS)
@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: dtype.name)
def test_on_a_cpu_it_is_plain_attention_to_the_bit(dtype, kind):
  plain, operands = _plain(dtype), _operands(dtype, kind)

  def own(*operands):
    return plain(*operands, training=True)[0]

  wanted = _outputs_and_gradients(own)(*operands)
  for found, value in zip(_fused(dtype)(*operands), wanted, strict=True):
    assert found.dtype == dtype
    np.testing.assert_array_equal(
      tf.cast(found, tf.float32), tf.cast(value, tf.float32)
    )


def _lowered(kind: str | None) -> str:
  """Returns the program of forward and backward pass for a GPU."""
  operands = _operands(tf.bfloat16, kind)
  specs = [tf.TensorSpec(value.shape, value.dtype) for value in operands]
  read = _fused(tf.bfloat16).experimental_get_compiler_ir(*specs)
  return read(stage="hlo", platform_name="GPU")


@pytest.mark.parametrize("kind", MASKS)
def test_on_a_gpu_it_is_two_calls_that_write_no_scores(kind):
  text = _lowered(kind)
  target = "ScaleBiasSoftmax" if kind == "documents" else "Softmax"
  calls = re.findall(r'custom_call_target="__cudnn\$fmha(\w+)"', text)
  assert calls == [target, f"{target}Backward"]
  assert "conditional" not in text
  queries, keys = (16, 32) if kind == "documents" else (Q, K)  # even
  assert f"[{B},{N},{queries},{keys}]" not in text
  assert f"[{B},{N},{Q},{K}]" not in text
  assert text.count(f"bf16[{B},{N},{queries},{H}]{{3,1,2,0}}") >= 2
  configs = re.findall(r"backend_config=(\{.*\})", text)
  assert len(configs) == 2
  for found in configs:
    config = json.loads(found)["cudnn_fmha_backend_config"]
    shape = config["intermediate_tensor_shape"]["dimensions"]
    assert list(map(int, shape)) == [B, N, queries, keys]
    is_bias = kind == "documents"
    assert config["mask_type"] == ("NO_MASK" if is_bias else "PADDING")
    assert config["fmha_scale"] == pytest.approx(H**-0.5)
    assert config["dropout_rate"] == 0


def test_programs_for_a_gpu_can_be_traced_without_one():
  operands = _operands(tf.bfloat16)
  with xla_calls.as_on_gpu():
    read = _fused(tf.bfloat16).experimental_get_compiler_ir(*operands)
    assert read(stage="hlo").count("__cudnn$fmha") == 2
  read = _fused(tf.bfloat16).experimental_get_compiler_ir(*operands)
  assert read(stage="hlo").count("__cudnn$fmha") == 0


def _call(mask: tf.Tensor, queries: int = Q) -> fused_attention._Call:
  query, key = tf.zeros([B, queries, N, H]), tf.zeros([B, K, N, H])
  return fused_attention._Call(key, key, query, mask)


def test_padding_is_told_by_lengths_of_at_least_one():
  mask = tf.constant([[[1.0] * 20 + [0.0] * 11], [[0.0] * K]])
  queries, keys = _call(mask)._lengths(mask)
  assert queries.numpy().tolist() == [Q, Q]
  assert keys.numpy().tolist() == [20, 1]


@pytest.mark.parametrize("queries", [1, Q])
def test_what_else_is_hidden_is_by_a_bias_of_even_size(queries):
  mask = tf.ones([B, queries, K]) - tf.one_hot([[3] * queries] * B, K)
  (bias,) = _call(mask, queries)._bias(mask)
  assert bias.shape == [B, 1, queries + 1, K + 1]
  assert bias[0, 0, 0, :4].numpy().tolist() == [0, 0, 0, -(2.0**41)]
  assert bias[0, 0, 0, -1] == bias[0, 0, -1, 0] == -(2.0**41)


def test_only_training_of_static_shapes_and_known_masks_is_fused(monkeypatch):
  inputs = tf_keras.Input([None, 4])
  layers = [
    tf_keras.layers.MultiHeadAttention(N, H, dropout=d) for d in (0.0, 0.5)
  ]
  layer = layers[0]
  model = tf_keras.Model(inputs, [each(inputs, inputs) for each in layers])
  assert fused_attention.fuse(model) == 1
  seen = []

  def attend(plain, *operands):
    seen.append(operands[0].shape)
    return plain(*operands)[0]

  monkeypatch.setattr(fused_attention, "attend", attend)
  states = tf.zeros([B, Q, 4])
  model(states)
  for shape in ([B, Q, 1], [1, Q, Q]):
    layer(states, states, attention_mask=tf.ones(shape), training=True)
  dynamic = tf.TensorSpec([None, Q, 4])
  tf.function(lambda x: model(x, training=True)).get_concrete_function(dynamic)
  assert seen == []
  model(states, training=True)
  for shape in ([B, 1, Q], [B, Q, Q]):
    layer(states, states, attention_mask=tf.ones(shape), training=True)
  assert seen == [[B, Q, N, H]] * 3
