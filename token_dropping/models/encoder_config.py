# SPDX-License-Identifier: Apache-2.0
"""The YAML fields of `TokenDropEncoder`, bound to Model Garden's `any` encoder.

task:
  model:
    encoder:
      type: any
      any: {token_keep_ratio: 0.5, drop_layer: 5, vocab_file: vocab.txt}
"""

import dataclasses

import tf_keras
from official.modeling import tf_utils
from official.modeling.hyperparams import base_config
from official.nlp.configs import encoders
from official.nlp.modeling import networks

from token_dropping.common import vocabulary
from token_dropping.dropping import drop_plan
from token_dropping.dropping.drops import drop_types
from token_dropping.dropping.importance import importance_types
from token_dropping.models import activations  # noqa: F401  registers gelu_exact
from token_dropping.models import encoder


@dataclasses.dataclass
class StageConfig(base_config.Config):
  """One of several layers in which tokens are dropped.

  Attributes:
    layer: 0-based.
    keep_ratio: share of the whole sequence that stays, in (0, 1].
  """

  layer: int = 0
  keep_ratio: float = drop_plan.DEFAULT_KEEP_RATIO


@dataclasses.dataclass
class DropConfig(base_config.Config):
  """What happens to the tokens that do not stay.

  Attributes:
    type: `skip`, they wait until `restore_layer` (the published method);
      `context`, they wait, and stay keys and values of the others; `layerwise`,
      each layer makes its own choice (random-LTD); `pool`, neighbours are
      averaged instead (Funnel-Transformer).
  """

  type: str = drop_types.DEFAULT


@dataclasses.dataclass
class TokenDropEncoderConfig(encoders.BertEncoderConfig):
  """Model Garden's BERT fields and those of token dropping.

  Attributes:
    token_keep_ratio: share of the positions that stay, in (0, 1]; 1.0 is BERT.
      `None` means 0.5, unless `token_keep_k` is set.
    token_keep_k: the same as an absolute count.
    drop_layer: layer in which only kept tokens are queries. `None` means
      `num_layers // 2 - 1`; 1 where every layer makes its own choice.
    restore_layer: first layer that sees all tokens again. `None` means the
      last.
    stages: several layers to drop at, by layer, each keeping at most what the
      one before keeps. Instead of `token_keep_ratio`, `token_keep_k` and
      `drop_layer`, which describe a single one.
    drop: what happens to the tokens that do not stay.
    token_loss_init_value: initial importance, in nats.
    token_loss_beta: moving-average weight of the old importance.
    token_allow_list: ids always kept. `None` means `[UNK] [CLS] [SEP] [MASK]`
      of `vocab_file`, or of BERT's published vocabulary.
    always_keep_cls: whether `[CLS]` is one of them where `token_allow_list` is
      `None`. False drops it as other tokens are, so that the middle layers
      cannot rely on it.
    token_deny_list: ids dropped first. `None` means `[PAD]`, likewise.
    vocab_file: path of the `vocab.txt` that the records were made with.
    importance: how the tokens that stay are chosen.
    drop_at_inference: also drop in evaluation. Not for fine-tuning.
  """

  token_keep_ratio: float | None = None
  token_keep_k: int | None = None
  drop_layer: int | None = None
  restore_layer: int | None = None
  stages: list[StageConfig] = dataclasses.field(default_factory=list)
  drop: DropConfig = dataclasses.field(default_factory=DropConfig)
  token_loss_init_value: float = 10.0
  token_loss_beta: float = 0.995
  token_allow_list: tuple[int, ...] | None = None
  always_keep_cls: bool = True
  token_deny_list: tuple[int, ...] | None = None
  vocab_file: str = ""
  importance: importance_types.ImportanceConfig = dataclasses.field(
    default_factory=importance_types.ImportanceConfig
  )
  drop_at_inference: bool = False


def get_drop_plan(config: TokenDropEncoderConfig) -> drop_plan.DropPlan:
  """Returns the plan that `config` describes; raises as `DropPlan.create`."""
  return drop_plan.DropPlan.create(
    config.num_layers,
    config.token_keep_ratio,
    config.token_keep_k,
    config.drop_layer,
    config.restore_layer,
    [stage.as_dict() for stage in config.stages],
    config.drop.type,
  )


def get_id_lists(
  config: TokenDropEncoderConfig,
) -> tuple[tuple[int, ...], tuple[int, ...]]:
  """Resolves the allow and deny list: explicit ids, vocabulary, published ids.

  Returns:
    The two tuples of ids.

  Raises:
    UserError: `vocab_file` is unreadable or misses a special token.
    ValueError: `vocab_file` has more tokens than `vocab_size`, or the list says
      already whether `[CLS]` is kept.
  """
  published = encoder.PUBLISHED_DENY_LIST + encoder.PUBLISHED_ALLOW_LIST
  ids = dict(zip(vocabulary.SPECIAL_TOKENS, published, strict=True))
  if config.vocab_file:
    words = vocabulary.Vocabulary.from_file(config.vocab_file)
    if len(words) > config.vocab_size:
      raise ValueError(
        f"vocab_size must be at least the {len(words)} tokens of "
        f"{config.vocab_file}. Received: {config.vocab_size}"
      )
    ids = words.special_ids
  deny = (ids.pop(vocabulary.PAD),)
  if not config.always_keep_cls:
    del ids[vocabulary.CLS]
  allow = tuple(ids.values())
  if config.token_allow_list is not None:
    if not config.always_keep_cls:
      raise ValueError(
        "always_keep_cls must be true with token_allow_list, which says what "
        "is kept. Received: false"
      )
    allow = tuple(config.token_allow_list)
  if config.token_deny_list is not None:
    deny = tuple(config.token_deny_list)
  return allow, deny


@base_config.bind(TokenDropEncoderConfig)
def build_encoder(
  config: TokenDropEncoderConfig, drop_in_training: bool = False
) -> encoder.TokenDropEncoder:
  """Builds the encoder that `config` describes.

  Args:
    config: the YAML fields.
    drop_in_training: as in `TokenDropEncoder`; true for fine-tuning.
  """
  allow_list, deny_list = get_id_lists(config)
  return encoder.TokenDropEncoder(
    **_bert_arguments(config),
    output_range=config.output_range,
    return_attention_scores=config.return_attention_scores,
    return_word_embeddings=config.return_word_embeddings,
    token_keep_ratio=config.token_keep_ratio,
    token_keep_k=config.token_keep_k,
    drop_layer=config.drop_layer,
    restore_layer=config.restore_layer,
    stages=[stage.as_dict() for stage in config.stages],
    drop_type=config.drop.type,
    token_loss_init_value=config.token_loss_init_value,
    token_loss_beta=config.token_loss_beta,
    token_allow_list=allow_list,
    token_deny_list=deny_list,
    importance=config.importance.as_dict(),
    drop_in_training=drop_in_training,
    drop_at_inference=config.drop_at_inference,
  )


def build_bert(config: encoders.BertEncoderConfig) -> networks.BertEncoderV2:
  """Builds the ordinary BERT of the same weights: nothing drops.

  Returns:
    The built encoder; its outputs are those of the whole sequence.
  """
  bert = networks.BertEncoderV2(**_bert_arguments(config))
  bert(bert.inputs)  # makes the weights
  return bert


def _bert_arguments(config: encoders.BertEncoderConfig) -> dict:
  """Returns the arguments of `BertEncoderV2` that shape the network."""
  return {
    "vocab_size": config.vocab_size,
    "hidden_size": config.hidden_size,
    "num_layers": config.num_layers,
    "num_attention_heads": config.num_attention_heads,
    "inner_dim": config.intermediate_size,
    "inner_activation": tf_utils.get_activation(config.hidden_activation),
    "output_dropout": config.dropout_rate,
    "attention_dropout": config.attention_dropout_rate,
    "max_sequence_length": config.max_position_embeddings,
    "type_vocab_size": config.type_vocab_size,
    "initializer": tf_keras.initializers.TruncatedNormal(
      stddev=config.initializer_range
    ),
    "embedding_width": config.embedding_size,
    "norm_first": config.norm_first,
  }
