# SPDX-License-Identifier: Apache-2.0
"""What a network of `transformers` says of itself: the base of them all."""

import abc

import numpy as np
import tf_keras
from official.nlp.modeling import models

from token_dropping.common import errors
from token_dropping.common import vocabulary
from token_dropping.huggingface import config_fields
from token_dropping.huggingface import weights as weights_lib
from token_dropping.models import network_config

# Our field, that of `transformers`.
_SIZES = {
  "vocab_size": "vocab_size",
  "hidden_size": "hidden_size",
  "num_layers": "num_hidden_layers",
  "num_attention_heads": "num_attention_heads",
  "intermediate_size": "intermediate_size",
  "max_position_embeddings": "max_position_embeddings",
}
Weights = weights_lib.Weights


class Network(abc.ABC):
  """A network of `transformers`, its config and its tensors by their names.

  Attributes:
    model_type: its name in `config.json`.
    classes: how the names of its classes begin.
    title: its name, for people; `about` says what it is.
    config_class: of the network of ours that it is.
    encoder: how the names of the encoder's tensors begin, which go on with one
      of `parts`; some folders leave out `encoder`.
    table: the word embeddings, by their name in the encoder; `layer` is how
      the names of its layers begin there.
    tensor_sizes: sizes in `config.json`, by the encoder's matrix and the axis
      that has them.
    constants: tensors of the encoder that are no weights.
    head: how the names of tensors begin that only a masked LM has; `pooler` is
      that of a pooler, if it has one.
    output_matrix: another name of the embeddings; `biases` are such names of
      the masked LM's bias, each with the first one.
    head_activation: the only one that the masked-LM head can have; `None` means
      that of the layers.
    sizes, fractions: fields of numbers, ours and those of `transformers`.
    activations: fields of activations, likewise, that are none of `fixed`.
    fixed: fields of which any other value makes another network; any value of
      `unset` does.
    tokenizer_fields: what `tokenizer_config.json` says besides.
  """

  model_type = classes = title = about = ""
  config_class: type[network_config.NetworkConfig]
  encoder = table = layer = head = pooler = output_matrix = ""
  parts: tuple[str, ...] = ()
  tensor_sizes: dict[str, tuple[str, int]] = {}
  constants: tuple[str, ...] = ()
  biases: dict[str, str] = {}
  head_activation: str | None = None
  sizes: dict[str, str] = _SIZES
  fractions: dict[str, str] = {}
  activations: dict[str, str] = {"hidden_activation": "hidden_act"}
  fixed: dict = {}
  unset: tuple[str, ...] = ()
  tokenizer_fields: dict = {}

  @classmethod
  def of_config(
    cls,
    config: network_config.NetworkConfig,
    words: vocabulary.Vocabulary | None,
  ) -> "Network":
    """Returns the one that a config is, or raises `UserError`."""
    del config, words
    return cls()

  @classmethod
  def of_json(cls, content: dict, source: str) -> "Network":
    """Returns the one that a `config.json` of this type describes."""
    del content, source
    return cls()

  @abc.abstractmethod
  def of_encoder(self, encoder: tf_keras.layers.Layer) -> Weights:
    """Maps a built encoder, token dropping or not, without its pooler."""

  @abc.abstractmethod
  def of_model(self, model: tf_keras.Model) -> Weights:
    """Maps a built model, with its head."""

  def positions(self, config: network_config.NetworkConfig) -> int:
    """Returns how many tokens a text may have."""
    return config.max_position_embeddings

  @property
  def second_names(self) -> dict[str, str]:
    """Names of tensors that may stand twice, and their first names."""
    table = f"{self.encoder}{self.table}"
    return {self.output_matrix: table} | self.biases

  def activation_of_head(self, hidden_activation: str) -> str:
    return self.head_activation or hidden_activation

  def token_ids(self, words: vocabulary.Vocabulary | None) -> dict[str, int]:
    """Returns what `config.json` says of special tokens."""
    return {"pad_token_id": words.id(vocabulary.PAD)}

  def check_vocabulary(self, words: vocabulary.Vocabulary, source: str) -> None:
    """Refuses ids of special tokens that make another network, if any do."""
    del words, source

  def to_json(
    self,
    config: network_config.NetworkConfig,
    head: str,
    words: vocabulary.Vocabulary | None,
  ) -> dict:
    """Returns `config.json`; `head` is the last part of the name of a class."""
    numbers = self.sizes | self.fractions
    return {
      "architectures": [f"{self.classes}{head}"],
      "model_type": self.model_type,
      "dtype": "float32",
      **self.token_ids(words),
      **self.fixed,
      **self._activation_to_json(config),
      **{there: getattr(config, here) for here, there in numbers.items()},
    }

  def _activation_to_json(self, config: network_config.NetworkConfig) -> dict:
    known, found = config_fields.TO_ACTIVATION, {}
    for here, there in self.activations.items():
      activation = getattr(config, here)
      rule = f"{here} must be one of {', '.join(known)} to be exported"
      errors.require(activation in known, rule, repr(activation))
      found[there] = known[activation]
    return found

  def from_json(
    self, content: dict, source: str
  ) -> network_config.NetworkConfig:
    """Returns the config of the network that a `config.json` describes.

    Token dropping has its defaults; with too few layers it is off. Types are
    right; who builds it checks the values.
    """
    fields = config_fields.Fields(content, source)
    fields.check_fixed(self.fixed, self.unset)
    values = {here: fields.size(there) for here, there in self.sizes.items()}
    values |= fields.fractions(self.fractions)
    for here, there in self.activations.items():
      values[here] = fields.activation(there)
    values |= self.own_fields(fields)
    if values["num_layers"] < 2:
      values["token_keep_ratio"] = 1.0
    return self.config_class(**values)

  def own_fields(self, fields: config_fields.Fields) -> dict:
    """Returns fields of our config that no other network has, or has so."""
    del fields
    return {}

  def sizes_of(
    self, tensors: dict[str, np.ndarray], source: str
  ) -> dict[str, int]:
    """Returns what `config.json` must say of tensors, by its fields' names."""
    names = sorted({name for name, _ in self.tensor_sizes.values()})
    names = [f"{self.encoder}{name}" for name in names]
    weights_lib.require_all(names, tensors, self.title, source)
    for name in names:
      rule = f"{name} in {source} must be a matrix"
      errors.require(tensors[name].ndim == 2, rule, tensors[name].shape)
    start = f"{self.encoder}{self.layer}"
    of_layers = [name for name in tensors if name.startswith(start)]
    numbers = {name[len(start) :].partition(".")[0] for name in of_layers}
    found = {self.sizes["num_layers"]: len(numbers)}
    for key, (name, axis) in self.tensor_sizes.items():
      found[key] = tensors[f"{self.encoder}{name}"].shape[axis]
    return found

  def others(self, weights: Weights, tensors: dict, source: str) -> list[str]:
    """Returns the names of other heads' tensors.

    Raises `UserError` for those of encoder or masked-LM head without a place.
    """
    known = {f"{self.encoder}{name}" for name in self.constants}
    known |= weights.keys() | self.second_names.keys()
    others = [name for name in tensors if name not in known]
    ours = [n for n in others if n.startswith((self.encoder, self.head))]
    errors.require(
      not ours,
      f"a {self.title} must have no tensors besides those of its config",
      f"{source} with {weights_lib.listed(ours)}",
    )
    return others


class EncoderNetwork(Network):
  """A network that reads text with masks: heads can be put on it."""

  def of_pooler(self, encoder: tf_keras.layers.Layer) -> Weights:
    """Maps the encoder's pooler, if it has one."""
    del encoder
    return {}

  @abc.abstractmethod
  def of_masked_lm(self, head: tf_keras.layers.Layer) -> Weights:
    """Maps the head whose matrix is the encoder's embeddings."""

  @abc.abstractmethod
  def of_classifier(self, model: models.BertClassifier) -> Weights:
    """Maps the head of a classifier, with its pooler."""

  @abc.abstractmethod
  def of_span_labeler(self, model: models.BertSpanLabeler) -> Weights:
    """Maps the head of a span labeler, with its pooler."""

  def of_model(self, model: tf_keras.Model) -> Weights:
    """Maps a built masked LM, classifier or span labeler."""
    encoder = model.checkpoint_items["encoder"]
    if isinstance(model, models.BertPretrainerV2):
      head = self.of_pooler(encoder) | self.of_masked_lm(model.masked_lm)
    elif isinstance(model, models.BertClassifier):
      head = self.of_classifier(model)
    else:
      head = self.of_span_labeler(model)
    return self.of_encoder(encoder) | head
