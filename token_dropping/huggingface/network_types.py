# SPDX-License-Identifier: Apache-2.0
"""The networks of `transformers` that a run can be: BERT, and one with its
norms in other places. This is all in which they differ.
"""

import dataclasses

from official.nlp.configs import encoders

from token_dropping.common import errors
from token_dropping.models import activations
from token_dropping.models.bert import final_norm


@dataclasses.dataclass(frozen=True)
class NetworkType:
  """A network of `transformers`, and what it calls its parts.

  Attributes:
    model_type: its name in `config.json`.
    classes: how the names of its classes begin.
    about: what it is, for people.
    encoder: how the names of the encoder's tensors begin.
    attention_norm, output_norm: the norms of a layer, by their names in it.
    final_norm: the norm after the last layer, by its name in the encoder.
    head: how the names of the masked-LM head begin; `head_dense` and
      `head_norm` are names in it.
    head_activation: the only one that the head can have; `None` means the
      layers' own.
    classifier, classifier_pooler: a classifier's last and last but one matrix.
    counts_from_pad: whether the first position is the row after that of the id
      of `[PAD]`, not 0.
    first_position: the row of the position table that the first token has.
  """

  model_type: str
  classes: str
  about: str
  encoder: str
  attention_norm: str
  output_norm: str
  head: str
  head_dense: str
  head_norm: str
  classifier: str
  classifier_pooler: str
  final_norm: str | None = None
  head_activation: str | None = None
  counts_from_pad: bool = False
  first_position: int = 0

  @property
  def bias_names(self) -> tuple[str, str]:
    """The masked-LM bias, which some versions call by the second name."""
    return f"{self.head}bias", f"{self.head}decoder.bias"

  @property
  def second_names(self) -> dict[str, str]:
    """Names of tensors that may stand twice, and their first names."""
    bias, second_bias = self.bias_names
    table = f"{self.encoder}embeddings.word_embeddings.weight"
    return {f"{self.head}decoder.weight": table, second_bias: bias}

  @property
  def encoder_fields(self) -> dict[str, bool]:
    """Fields of our encoder that are not those of its defaults."""
    names = ("norm_first", final_norm.NAME)
    return dict.fromkeys(names, True) if self.final_norm else {}

  def activation_of_head(self, hidden_activation: str) -> str:
    return self.head_activation or hidden_activation

  def with_pad(self, pad_id: int) -> "NetworkType":
    """Returns the network of a vocabulary."""
    first = pad_id + 1 if self.counts_from_pad else 0
    return dataclasses.replace(self, first_position=first)


BERT = NetworkType(
  model_type="bert",
  classes="Bert",
  about="An ordinary BERT: `transformers` loads it without other code.",
  encoder="bert.",
  attention_norm="attention.output.LayerNorm",
  output_norm="output.LayerNorm",
  head="cls.predictions.",
  head_dense="transform.dense",
  head_norm="transform.LayerNorm",
  classifier="classifier",
  classifier_pooler="bert.pooler.dense",
)
PRE_NORM = NetworkType(
  model_type="roberta-prelayernorm",
  classes="RobertaPreLayerNorm",
  about=(
    "A BERT that is normalized before each block and at its end: "
    "`transformers` loads\nit as `roberta-prelayernorm`, without other code."
  ),
  encoder="roberta_prelayernorm.",
  attention_norm="attention.LayerNorm",
  output_norm="intermediate.LayerNorm",
  final_norm="LayerNorm",
  head="lm_head.",
  head_dense="dense",
  head_norm="layer_norm",
  head_activation=activations.EXACT_GELU,
  classifier="classifier.out_proj",
  classifier_pooler="classifier.dense",
  counts_from_pad=True,
)
BY_TYPE = {network.model_type: network for network in (BERT, PRE_NORM)}
_PAD_ID = 1  # of `roberta-prelayernorm` whose config.json does not say it


def of_encoder(config: encoders.BertEncoderConfig, pad_id: int) -> NetworkType:
  """Returns the network that an encoder is, or raises `UserError`."""
  has_norm = getattr(config, "has_final_norm", False)
  errors.require(
    has_norm or not config.norm_first,
    f"task.model.encoder {final_norm.NAME} must be true with norm_first to be "
    f"exported: {PRE_NORM.model_type}, the network of Hugging Face that "
    "normalizes before each block, ends with a norm",
    "false",
  )
  return (PRE_NORM if has_norm else BERT).with_pad(pad_id)


def of_json(content: dict, source: str) -> NetworkType:
  """Returns the network that a `config.json` describes."""
  kind = content.get("model_type")
  if kind is None and str(content.get("architectures")).startswith("['Bert"):
    kind = BERT.model_type  # the oldest do not say it
  names = [*BY_TYPE]  # a list, since the value may have no hash
  rule = f"model_type in {source} must be {' or '.join(names)}"
  errors.require(kind in names, rule, errors.shorten(kind))
  pad_id = content.get("pad_token_id", _PAD_ID)
  errors.require(
    (type(pad_id) is int and pad_id >= 0) or not BY_TYPE[kind].counts_from_pad,
    f"pad_token_id in {source} must be a whole number, at least 0",
    errors.shorten(pad_id),
  )
  return BY_TYPE[kind].with_pad(pad_id)
