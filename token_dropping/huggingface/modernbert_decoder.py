# SPDX-License-Identifier: Apache-2.0
"""ModernBERT as a decoder in `transformers`: queries, keys and values apart.

`local_attention` is the encoder's there too: a token sees half of it.
"""

import tensorflow as tf

from token_dropping.data.text import byte_tokenizer
from token_dropping.huggingface import modernbert
from token_dropping.huggingface import network
from token_dropping.huggingface import weights
from token_dropping.models.causal import language_model
from token_dropping.models.modernbert import decoder_config


class ModernBertDecoder(modernbert.ModernBert):
  """A ModernBERT decoder without biases, with the tokenizer of `data.prepare`.

  Its head has an activation of its own.
  """

  model_type, classes = "modernbert-decoder", "ModernBertDecoder"
  title = "ModernBERT decoder"
  about = f"An ordinary {title}: `transformers` loads it without other code."
  config_class = decoder_config.ModernBertDecoderConfig
  head = "lm_head."
  activations = modernbert.ModernBert.activations | {
    "head_activation": "classifier_activation"
  }
  fixed = {
    name: value
    for name, value in modernbert.ModernBert.fixed.items()
    if name != "classifier_activation"
  }

  def of_inputs(self, prefix: str, kernel: tf.Variable) -> network.Weights:
    names = (f"{prefix}{part}_proj.weight" for part in "qkv")
    return dict(zip(names, weights.of_kernels(kernel), strict=True))

  def of_model(self, model: language_model.LanguageModel) -> network.Weights:
    head = modernbert.of_head(self.head, model.head)
    bias = {"decoder.bias": weights.same(model.head.bias)}
    return self.of_encoder(model.encoder_network) | head | bias

  def token_ids(self, words) -> dict[str, int]:
    del words  # all tokenizers by bytes have the same
    names = ("bos", "cls", "eos", "sep")
    end = byte_tokenizer.END_OF_TEXT_ID
    found = {f"{name}_token_id": end for name in names}
    return found | {"pad_token_id": byte_tokenizer.PAD_ID}

  def to_json(self, config, head, words) -> dict:
    content = super().to_json(config, head, words)
    del content["classifier_pooling"]
    return content
