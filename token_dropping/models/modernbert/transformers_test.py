# SPDX-License-Identifier: Apache-2.0
"""The same logits as `ModernBertForMaskedLM` of `transformers`."""

import numpy as np
import pytest
import tensorflow as tf
from official.nlp.modeling import models

from token_dropping.models.modernbert import config as config_lib

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

B, S, V = 2, 50, 97
SIZES = {
  "vocab_size": V,
  "hidden_size": 32,
  "num_attention_heads": 4,
  "intermediate_size": 48,
  "max_position_embeddings": 256,
}
LAYERS = 3
LENGTHS = [S, 40]


def _theirs(window: int):
  config = transformers.ModernBertConfig(
    **SIZES,
    num_hidden_layers=LAYERS,
    global_attn_every_n_layers=2,
    local_attention=window,
    pad_token_id=0,
    bos_token_id=1,
    eos_token_id=2,
    cls_token_id=1,
    sep_token_id=2,
    attn_implementation="eager",
  )
  model = transformers.ModernBertForMaskedLM(config).eval()
  generator = torch.Generator().manual_seed(1)
  with torch.no_grad():
    for weight in model.parameters():
      weight += 0.15 * torch.randn(weight.shape, generator=generator)
  return model


def _ours(window: int) -> models.BertPretrainerV2:
  fields = config_lib.ModernBertConfig(
    **SIZES, num_layers=LAYERS, global_every=2, local_attention=window
  )
  model = fields.build_pretrainer(
    models.BertPretrainerV2, fields.build_plain(), "gelu_exact"
  )
  one = tf.zeros([1, 1], tf.int32)
  model({"input_word_ids": one, "masked_lm_positions": one})
  return model


def _names(model: models.BertPretrainerV2) -> dict[str, tf.Variable]:
  """Returns our weights by the names of theirs."""
  encoder, head = model.encoder_network, model.masked_lm
  weights = {
    "model.embeddings.tok_embeddings.weight": encoder.get_embedding_table(),
    "model.embeddings.norm.weight": encoder._embedding_norm_layer.gamma,
    "model.final_norm.weight": encoder._final_norm_layer.gamma,
    "head.dense.weight": head.dense.kernel,
    "head.norm.weight": head.layer_norm.gamma,
    "decoder.bias": head.bias,
  }
  for index, layer in enumerate(encoder.transformer_layers):
    own = {
      "attn.Wqkv": layer.attention.qkv_kernel,
      "attn.Wo": layer.attention.output_kernel,
      "mlp_norm": layer.feed_forward_norm.gamma,
      "mlp.Wi": layer.feed_forward.input_kernel,
      "mlp.Wo": layer.feed_forward.output_kernel,
    }
    if layer.attention_norm is not None:
      own["attn_norm"] = layer.attention_norm.gamma
    prefix = f"model.layers.{index}."
    weights |= {f"{prefix}{name}.weight": v for name, v in own.items()}
  return weights


@pytest.mark.parametrize("window", [8, 4 * S])
def test_logits_are_those_of_transformers(window):
  """With padding, and windows shorter and longer than the sequence."""
  theirs, ours = _theirs(window), _ours(window)
  weights = _names(ours)
  tensors = theirs.state_dict()
  assert tensors.keys() - weights.keys() == {"decoder.weight"}  # the table
  assert len(weights) == len(ours.trainable_variables)
  for name, variable in weights.items():
    value = tensors[name].numpy()
    is_kernel = value.ndim == 2 and "tok_embeddings" not in name
    value = value.T if is_kernel else value
    variable.assign(value.reshape(variable.shape))
  ids = np.random.default_rng(0).integers(3, V, [B, S], "i4")
  mask = (np.arange(S) < np.reshape(LENGTHS, [B, 1])).astype("i4")
  with torch.no_grad():
    wanted = theirs(torch.tensor(ids), torch.tensor(mask)).logits.numpy()
  everywhere = np.tile(np.arange(S, dtype="i4"), [B, 1])
  found = ours(
    {
      "input_word_ids": ids,
      "input_mask": mask,
      "masked_lm_positions": everywhere,
    }
  )["mlm_logits"].numpy()
  assert np.abs(wanted).max() > 3
  np.testing.assert_allclose(found[mask > 0], wanted[mask > 0], atol=1e-4)
