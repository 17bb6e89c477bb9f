# SPDX-License-Identifier: Apache-2.0
"""BERT, and one that is normalized before each block, in `transformers`."""

from official.nlp.modeling import layers
from official.nlp.modeling import models

from token_dropping.common import errors
from token_dropping.common import vocabulary
from token_dropping.huggingface import config_fields
from token_dropping.huggingface import network
from token_dropping.huggingface import weights
from token_dropping.models import activations
from token_dropping.models.bert import encoder_config

LAYER_NORM_EPSILON = 1e-12  # Model Garden's BERT has no other
_SPAN_DENSE = "predictions/transform/logits"
_TABLE = "embeddings.word_embeddings.weight"
_PAD_ID = 1  # of `roberta-prelayernorm` whose config.json does not say it


class Bert(network.EncoderNetwork):
  """BERT; a subclass is normalized elsewhere, and calls its parts so.

  Attributes:
    attention_norm, output_norm: the norms of a layer, by their names in it.
    head_dense, head_norm: parts of the masked-LM head, by their names in it.
    classifier, classifier_pooler: a classifier's last and last but one matrix.
    first_position: the row of the position table that the first token has.
  """

  model_type, classes, title = "bert", "Bert", "BERT"
  about = "An ordinary BERT: `transformers` loads it without other code."
  config_class = encoder_config.TokenDropEncoderConfig
  encoder, table, layer = "bert.", _TABLE, "encoder.layer."
  parts = ("embeddings.", "encoder.", "pooler.", "LayerNorm.")
  tensor_sizes = {
    "vocab_size": (_TABLE, 0),
    "hidden_size": (_TABLE, 1),
    "max_position_embeddings": ("embeddings.position_embeddings.weight", 0),
    "type_vocab_size": ("embeddings.token_type_embeddings.weight", 0),
    "intermediate_size": ("encoder.layer.0.intermediate.dense.weight", 0),
  }
  constants = ("embeddings.position_ids", "embeddings.token_type_ids")
  head, pooler = "cls.predictions.", "bert.pooler."
  output_matrix = "cls.predictions.decoder.weight"
  biases = {"cls.predictions.decoder.bias": "cls.predictions.bias"}
  sizes = network.Network.sizes | {"type_vocab_size": "type_vocab_size"}
  fractions = {
    "dropout_rate": "hidden_dropout_prob",
    "attention_dropout_rate": "attention_probs_dropout_prob",
    "initializer_range": "initializer_range",
  }
  fixed = {
    "layer_norm_eps": LAYER_NORM_EPSILON,
    "position_embedding_type": "absolute",
    "is_decoder": False,
    "add_cross_attention": False,
    "tie_word_embeddings": True,
  }
  attention_norm = "attention.output.LayerNorm"
  output_norm = "output.LayerNorm"
  head_dense, head_norm = "transform.dense", "transform.LayerNorm"
  classifier, classifier_pooler = "classifier", "bert.pooler.dense"
  first_position = 0

  @classmethod
  def of_config(cls, config, words) -> "Bert":
    errors.require(
      config.has_final_norm or not config.norm_first,
      "task.model.encoder final_norm must be true with norm_first to be "
      f"exported: {PreNormBert.model_type}, the network of Hugging Face that "
      "normalizes before each block, ends with a norm",
      "false",
    )
    has_norm = config.has_final_norm
    return PreNormBert(words.id(vocabulary.PAD)) if has_norm else Bert()

  def of_encoder(self, encoder) -> network.Weights:
    prefix = f"{self.encoder}embeddings."
    embeddings = {
      "word": weights.same(encoder.get_embedding_table()),
      "position": weights.same(
        encoder._position_embedding_layer.weights[0], self.first_position
      ),
      "token_type": weights.same(encoder._type_embedding_layer.embeddings),
    }
    found = {
      f"{prefix}{name}_embeddings.weight": table
      for name, table in embeddings.items()
    } | weights.of_norm(f"{prefix}LayerNorm", encoder._embedding_norm_layer)
    for index, block in enumerate(encoder.transformer_layers):
      found |= self._of_block(f"{self.encoder}{self.layer}{index}.", block)
    return found

  def of_pooler(self, encoder) -> network.Weights:
    return weights.of_dense(f"{self.pooler}dense", encoder.pooler_layer)

  def of_masked_lm(self, head: layers.MaskedLM) -> network.Weights:
    return {
      f"{self.head}bias": weights.same(head.bias),
      **weights.of_dense(f"{self.head}{self.head_dense}", head.dense),
      **weights.of_norm(f"{self.head}{self.head_norm}", head.layer_norm),
    }

  def of_classifier(self, model: models.BertClassifier) -> network.Weights:
    """One without `use_encoder_pooler` has a pooler of its own."""
    head = model.classifier
    encoder = model.checkpoint_items["encoder"]
    pooler = head.dense if head.inner_dim else encoder.pooler_layer
    return {
      **weights.of_dense(self.classifier_pooler, pooler),
      **weights.of_dense(self.classifier, head.out_proj),
    }

  def of_span_labeler(self, model: models.BertSpanLabeler) -> network.Weights:
    dense = model.span_labeling.get_layer(_SPAN_DENSE)
    pooler = self.of_pooler(model.checkpoint_items["encoder"])
    return pooler | weights.of_dense("qa_outputs", dense)

  def to_json(self, config, head, words) -> dict:
    errors.require(
      config.embedding_size in (None, config.hidden_size),
      "task.model.encoder embedding_size must be hidden_size "
      f"({config.hidden_size}): Hugging Face's BERT does not project "
      "embeddings",
      config.embedding_size,
    )
    rows = config.max_position_embeddings + self.first_position
    content = super().to_json(config, head, words)
    return content | {"max_position_embeddings": rows}

  def _of_block(
    self, prefix: str, block: layers.TransformerEncoderBlock
  ) -> network.Weights:
    attention = block._attention_layer
    denses = {
      "attention.self.query": attention._query_dense,
      "attention.self.key": attention._key_dense,
      "attention.self.value": attention._value_dense,
      "attention.output.dense": attention._output_dense,
      "intermediate.dense": block._intermediate_dense,
      "output.dense": block._output_dense,
    }
    norms = {
      self.attention_norm: block._attention_layer_norm,
      self.output_norm: block._output_layer_norm,
    }
    found = {}
    for name, dense in denses.items():
      found |= weights.of_dense(f"{prefix}{name}", dense)
    for name, norm in norms.items():
      found |= weights.of_norm(f"{prefix}{name}", norm)
    return found


class PreNormBert(Bert):
  """One whose positions begin after the id of `[PAD]`."""

  model_type, classes = "roberta-prelayernorm", "RobertaPreLayerNorm"
  about = (
    "A BERT that is normalized before each block and at its end: "
    "`transformers` loads\nit as `roberta-prelayernorm`, without other code."
  )
  encoder, pooler = "roberta_prelayernorm.", "roberta_prelayernorm.pooler."
  head, output_matrix = "lm_head.", "lm_head.decoder.weight"
  biases = {"lm_head.decoder.bias": "lm_head.bias"}
  attention_norm = "attention.LayerNorm"
  output_norm = "intermediate.LayerNorm"
  head_dense, head_norm = "dense", "layer_norm"
  head_activation = activations.EXACT_GELU
  classifier, classifier_pooler = "classifier.out_proj", "classifier.dense"

  def __init__(self, pad_id: int = 0):
    self.first_position = pad_id + 1

  @classmethod
  def of_json(cls, content: dict, source: str) -> "PreNormBert":
    pad_id = content.get("pad_token_id", _PAD_ID)
    config_fields.Fields(content, source).require(
      type(pad_id) is int and pad_id >= 0,
      "pad_token_id",
      "a whole number, at least 0",
      pad_id,
    )
    return cls(pad_id)

  def of_encoder(self, encoder) -> network.Weights:
    norm = weights.of_norm(f"{self.encoder}LayerNorm", encoder.final_norm)
    return super().of_encoder(encoder) | norm

  def check_vocabulary(self, words, source: str) -> None:
    pad_id = words.id(vocabulary.PAD)
    rule = "pad_token_id in config.json must be the id of "
    errors.require(
      self.first_position == pad_id + 1,
      f"{rule}{vocabulary.PAD}, {pad_id}",
      f"{self.first_position - 1} in {source!r}",
    )

  def own_fields(self, fields: config_fields.Fields) -> dict:
    name, first = "max_position_embeddings", self.first_position
    rows = fields.size(name)
    rule = f"at least {first + 1}, since positions begin after pad_token_id"
    fields.require(rows > first, name, rule, rows)
    return {name: rows - first, "norm_first": True, "final_norm": True}
