# SPDX-License-Identifier: Apache-2.0
"""Tests of GPT-2: what `transformers` has, and how its weights begin."""

import numpy as np
import tensorflow as tf
import torch
import transformers

from tests import gpt_testing
from token_dropping.models.gpt import network as network_lib

D = gpt_testing.D


def _theirs(network: network_lib.Gpt) -> transformers.GPT2LMHeadModel:
  """Returns the model of `transformers` that has the same weights."""
  config = transformers.GPT2Config(
    vocab_size=gpt_testing.V,
    n_positions=gpt_testing.S,
    n_embd=D,
    n_layer=gpt_testing.L,
    n_head=2,
    n_inner=16,
    bos_token_id=1,
    eos_token_id=1,
  )
  words, positions, *blocks, gamma, beta = network.get_weights()
  weights = {"transformer.wte.weight": words, "lm_head.weight": words}
  weights |= {"transformer.wpe.weight": positions}
  weights |= {"transformer.ln_f.weight": gamma, "transformer.ln_f.bias": beta}
  count = len(blocks) // gpt_testing.L
  for layer in range(gpt_testing.L):
    one = blocks[layer * count : (layer + 1) * count]
    for name, weight in _block(one).items():
      weights[f"transformer.h.{layer}.{name}"] = weight
  model = transformers.GPT2LMHeadModel(config).eval()
  tensors = {name: torch.tensor(value) for name, value in weights.items()}
  model.load_state_dict(tensors)
  return model


def _block(weights: list[np.ndarray]) -> dict[str, np.ndarray]:
  """Returns the names of a layer's weights, in Keras' order, as matrices."""
  query, query_bias, key, key_bias, value, value_bias, *rest = weights
  kernels = [kernel.reshape(D, D) for kernel in (query, key, value)]
  biases = [bias.ravel() for bias in (query_bias, key_bias, value_bias)]
  names = ("attn.c_proj", "ln_1", "mlp.c_fc", "mlp.c_proj", "ln_2")
  named = {
    "attn.c_attn.weight": np.concatenate(kernels, axis=1),
    "attn.c_attn.bias": np.concatenate(biases),
  }
  for index, name in enumerate(names):
    kernel, bias = rest[2 * index : 2 * index + 2]
    named[f"{name}.weight"] = (
      kernel.reshape(-1, D) if kernel.ndim > 2 else kernel
    )
    named[f"{name}.bias"] = bias
  return named


def test_logits_are_those_of_transformers():
  network = gpt_testing.make_network()
  batch = gpt_testing.batch()
  logits = gpt_testing.make_model()(batch)["logits"].numpy()
  ids = torch.tensor(batch["input_word_ids"].numpy(), dtype=torch.int64)
  with torch.no_grad():
    theirs = _theirs(network)(ids).logits.numpy()
  assert np.abs(theirs).max() > 1
  np.testing.assert_allclose(logits, theirs, atol=1e-4)


def test_matrices_that_add_to_the_states_begin_smaller():
  network = network_lib.Gpt(
    vocab_size=10, hidden_size=64, num_layers=8, num_attention_heads=2
  )
  network({"input_word_ids": tf.ones([1, 1], tf.int32)})
  layer = network.transformer_layers[3]
  attention = layer._attention_layer
  inside = attention._query_dense, layer._intermediate_dense
  ends = attention._output_dense, layer._output_dense
  # Cut off at two deviations, a normal distribution has 0.88 of its deviation.
  for denses, deviation in (inside, 0.02), (ends, 0.02 / 4):
    for dense in denses:
      found = np.std(dense.kernel) / 0.88
      np.testing.assert_allclose(found, deviation, rtol=0.05)
