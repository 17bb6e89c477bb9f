# SPDX-License-Identifier: Apache-2.0
"""Model Garden's Transformer in `transformers`: Pegasus has its layers.

Pegasus' attention has biases, and its tables of positions are tensors: here
these are zeros and Model Garden's sinusoids. Any others are another network.
"""

import numpy as np
from official.nlp.modeling import layers
from official.nlp.modeling import models

from token_dropping.common import errors
from token_dropping.data.text import subword_tokenizer
from token_dropping.huggingface import config_fields
from token_dropping.huggingface import network
from token_dropping.huggingface import weights
from token_dropping.models.transformer import config as transformer_config
from token_dropping.models.transformer import packed_pairs

POSITIONS = 1024  # rows of the tables
_EPSILON = 1e-5  # of all norms there
_TABLE = "shared.weight"
_LAYERS = {"encoder": "num_layers", "decoder": "num_decoder_layers"}
_OF_SIDES = {
  "attention_heads": "num_attention_heads",
  "ffn_dim": "intermediate_size",
}


class Pegasus(network.Network):
  """A Transformer whose norms add at most 1e-5; its output is the table."""

  model_type, classes, title = "pegasus", "Pegasus", "Transformer"
  about = (
    "Model Garden's Transformer for translation, as a Pegasus: `transformers` "
    "loads it without other code."
  )
  config_class = transformer_config.TransformerConfig
  encoder, table, layer = "model.", _TABLE, "encoder.layers."
  parts = ("shared.", "encoder.", "decoder.")
  tensor_sizes = {"vocab_size": (_TABLE, 0), "d_model": (_TABLE, 1)}
  head, output_matrix = "lm_head.", "lm_head.weight"
  sizes = {
    "vocab_size": "vocab_size",
    "hidden_size": "d_model",
    "num_layers": "encoder_layers",
    "num_decoder_layers": "decoder_layers",
    "num_attention_heads": "encoder_attention_heads",
    "intermediate_size": "encoder_ffn_dim",
  }
  fractions = {
    "dropout_rate": "dropout",
    "attention_dropout_rate": "attention_dropout",
    "intermediate_dropout_rate": "activation_dropout",
  }
  activations = {}
  fixed = {
    "activation_function": "relu",
    "is_encoder_decoder": True,
    "max_position_embeddings": POSITIONS,
    "scale_embedding": True,
    "tie_word_embeddings": True,
  }

  @classmethod
  def of_config(cls, config, words) -> "Pegasus":
    """Refuses norms that add more."""
    epsilon = config.norm_epsilon
    rule = f"norm_epsilon must be at most {_EPSILON} to be exported"
    errors.require(epsilon <= _EPSILON, rule, epsilon)
    return super().of_config(config, words)

  def of_encoder(self, encoder: models.Seq2SeqTransformer) -> network.Weights:
    table = encoder.embedding_lookup.embeddings
    rows = encoder.position_embedding(None, length=POSITIONS).numpy()
    bias = np.zeros([1, table.shape[0]], np.float32)
    found = {
      f"{self.encoder}{_TABLE}": weights.same(table),
      "final_logits_bias": weights.Constant(bias),
    }
    sides = {
      "encoder": (encoder.encoder_layer, "encoder_layers", _of_encoder_block),
      "decoder": (encoder.decoder_layer, "decoder_layers", _of_decoder_block),
    }
    for side, (stack, name, of_block) in sides.items():
      start = f"{self.encoder}{side}."
      found[f"{start}embed_positions.weight"] = weights.Constant(rows)
      for index, block in enumerate(getattr(stack, name)):
        found |= of_block(f"{start}layers.{index}.", block)
      norm = stack.output_normalization
      found |= weights.of_norm(f"{start}layer_norm", norm)
    return found

  def of_model(self, model: models.Seq2SeqTransformer) -> network.Weights:
    return self.of_encoder(model)

  def positions(self, config: transformer_config.TransformerConfig) -> int:
    del config
    return POSITIONS

  @property
  def second_names(self) -> dict[str, str]:
    names = [f"{self.encoder}{side}.embed_tokens.weight" for side in _LAYERS]
    return dict.fromkeys(
      [self.output_matrix, *names], f"{self.encoder}{_TABLE}"
    )

  def token_ids(self, words) -> dict[str, int | None]:
    del words  # all tokenizers of pairs have the same
    return {
      "pad_token_id": subword_tokenizer.PAD_ID,
      "bos_token_id": None,
      "eos_token_id": subword_tokenizer.END_ID,
      "decoder_start_token_id": packed_pairs.START_ID,
      "forced_eos_token_id": None,
    }

  def to_json(self, config, head, words) -> dict:
    sides = {
      f"decoder_{there}": getattr(config, here)
      for there, here in _OF_SIDES.items()
    }
    layers_there = {"num_hidden_layers": config.num_layers}
    return super().to_json(config, head, words) | sides | layers_there

  def own_fields(self, fields: config_fields.Fields) -> dict:
    for name in _OF_SIDES:
      wanted = fields.size(f"encoder_{name}")
      found = fields.size(f"decoder_{name}")
      rule = f"that of the encoder, {wanted}"
      fields.require(found == wanted, f"decoder_{name}", rule, found)
    return {"norm_epsilon": _EPSILON}


def _of_attention(name: str, layer: layers.CachedAttention) -> network.Weights:
  denses = {
    "q_proj": layer._query_dense,
    "k_proj": layer._key_dense,
    "v_proj": layer._value_dense,
    "out_proj": layer._output_dense,
  }
  width = layer._output_dense.kernel.shape[-1]
  found = {}
  for part, dense in denses.items():
    kernel = weights.of_kernel(dense.kernel, width)
    found[f"{name}.{part}.weight"] = kernel
    zeros = np.zeros([width], np.float32)
    found[f"{name}.{part}.bias"] = weights.Constant(zeros)
  return found


def _of_encoder_block(start: str, block) -> network.Weights:
  return {
    **_of_attention(f"{start}self_attn", block._attention_layer),
    **weights.of_norm(
      f"{start}self_attn_layer_norm", block._attention_layer_norm
    ),
    **weights.of_dense(f"{start}fc1", block._intermediate_dense),
    **weights.of_dense(f"{start}fc2", block._output_dense),
    **weights.of_norm(f"{start}final_layer_norm", block._output_layer_norm),
  }


def _of_decoder_block(start: str, block) -> network.Weights:
  crossing = f"{start}encoder_attn"
  return {
    **_of_attention(f"{start}self_attn", block.self_attention),
    **weights.of_norm(
      f"{start}self_attn_layer_norm", block.self_attention_layer_norm
    ),
    **_of_attention(crossing, block.encdec_attention),
    **weights.of_norm(
      f"{crossing}_layer_norm", block.encdec_attention_layer_norm
    ),
    **weights.of_dense(f"{start}fc1", block.intermediate_dense),
    **weights.of_dense(f"{start}fc2", block.output_dense),
    **weights.of_norm(f"{start}final_layer_norm", block.output_layer_norm),
  }
