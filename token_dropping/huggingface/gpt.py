# SPDX-License-Identifier: Apache-2.0
"""GPT-2 in `transformers`, whose matrices are [inputs, outputs]."""

from token_dropping.data.text import byte_tokenizer
from token_dropping.huggingface import config_fields
from token_dropping.huggingface import network
from token_dropping.huggingface import weights
from token_dropping.models.causal import language_model
from token_dropping.models.gpt import block as gpt_block
from token_dropping.models.gpt import config as gpt_config
from token_dropping.models.gpt import network as gpt_network

_TABLE, _POSITIONS = "wte.weight", "wpe.weight"
_INNER, _EPSILON = "n_inner", "layer_norm_epsilon"
_DROPOUT, _OF_EMBEDDINGS = "resid_pdrop", "embd_pdrop"


class Gpt2(network.Network):
  """GPT-2 with the tokenizer of `data.prepare`; its output is the table."""

  model_type, classes, title = "gpt2", "GPT2", "GPT-2"
  about = "An ordinary GPT-2: `transformers` loads it without other code."
  config_class = gpt_config.GptConfig
  encoder, table, layer = "transformer.", _TABLE, "h."
  parts = ("wte.", "wpe.", "h.", "ln_f.")
  tensor_sizes = {
    "vocab_size": (_TABLE, 0),
    "n_embd": (_TABLE, 1),
    "n_positions": (_POSITIONS, 0),
  }
  head, output_matrix = "lm_head.", "lm_head.weight"
  sizes = {
    "vocab_size": "vocab_size",
    "hidden_size": "n_embd",
    "num_layers": "n_layer",
    "num_attention_heads": "n_head",
    "max_position_embeddings": "n_positions",
  }
  fractions = {
    "dropout_rate": _DROPOUT,
    "attention_dropout_rate": "attn_pdrop",
    "initializer_range": "initializer_range",
  }
  activations = {"hidden_activation": "activation_function"}
  fixed = {
    "scale_attn_weights": True,
    "scale_attn_by_inverse_layer_idx": False,
    "reorder_and_upcast_attn": False,
    "add_cross_attention": False,
    "tie_word_embeddings": True,
  }

  def of_encoder(self, encoder: gpt_network.Gpt) -> network.Weights:
    positions = encoder._position_embedding_layer.weights[0]
    found = {
      f"{self.encoder}{_TABLE}": weights.same(encoder.get_embedding_table()),
      f"{self.encoder}{_POSITIONS}": weights.same(positions),
    }
    for index, block in enumerate(encoder.transformer_layers):
      found |= _of_block(f"{self.encoder}{self.layer}{index}.", block)
    norm = encoder._final_norm_layer
    return found | weights.of_norm(f"{self.encoder}ln_f", norm)

  def of_model(self, model: language_model.LanguageModel) -> network.Weights:
    return self.of_encoder(model.encoder_network)

  def token_ids(self, words) -> dict[str, int]:
    del words  # all tokenizers by bytes have the same
    end = byte_tokenizer.END_OF_TEXT_ID
    return {
      "bos_token_id": end,
      "eos_token_id": end,
      "pad_token_id": byte_tokenizer.PAD_ID,
    }

  def to_json(self, config, head, words) -> dict:
    return super().to_json(config, "LMHeadModel", words) | {
      _INNER: config.intermediate_size,
      _EPSILON: config.layer_norm_epsilon,
      _OF_EMBEDDINGS: config.dropout_rate,
    }

  def own_fields(self, fields: config_fields.Fields) -> dict:
    epsilon = fields.content.get(
      _EPSILON, gpt_config.GptConfig().layer_norm_epsilon
    )
    is_default = fields.content.get(_INNER) is None
    inner = 4 * fields.size("n_embd") if is_default else fields.size(_INNER)
    fields.check_same(_OF_EMBEDDINGS, _DROPOUT)
    return {
      "intermediate_size": inner,
      "layer_norm_epsilon": fields.positive(_EPSILON, epsilon),
    }


def _of_block(prefix: str, block: gpt_block.Block) -> network.Weights:
  attention = block._attention_layer
  inputs = attention._query_dense, attention._key_dense, attention._value_dense
  return {
    **weights.of_norm(f"{prefix}ln_1", block._attention_layer_norm),
    **weights.of_conv1d(f"{prefix}attn.c_attn", *inputs),
    **weights.of_conv1d(f"{prefix}attn.c_proj", attention._output_dense),
    **weights.of_norm(f"{prefix}ln_2", block._output_layer_norm),
    **weights.of_conv1d(f"{prefix}mlp.c_fc", block._intermediate_dense),
    **weights.of_conv1d(f"{prefix}mlp.c_proj", block._output_dense),
  }
