# SPDX-License-Identifier: Apache-2.0
"""YAML's `task.model.encoder.any`: fields of token dropping in any network."""

import dataclasses

from official.modeling.hyperparams import base_config

from token_dropping.common import errors
from token_dropping.common import vocabulary
from token_dropping.dropping import drop_plan as plans
from token_dropping.dropping import selection as selections
from token_dropping.dropping.drops import drop_types
from token_dropping.dropping.importance import importance_types
from token_dropping.dropping.importance import token_scorer

# Of BERT's published vocabulary of 30,522 lines.
PUBLISHED_IDS = dict(
  zip(vocabulary.SPECIAL_TOKENS, (0, 100, 101, 102, 103), strict=True)
)

PAD_ID = 0  # of tokenizers without special words


@dataclasses.dataclass
class StageConfig(base_config.Config):
  """One of several layers in which tokens are dropped."""

  layer: int = 0  # 0-based
  keep_ratio: float = plans.DEFAULT_KEEP_RATIO  # of the whole sequence, (0, 1]


@dataclasses.dataclass
class DropConfig(base_config.Config):
  """What happens to dropped tokens.

  `skip`: they wait until `restore_layer` (the published method); `context`:
  also stay keys and values of the others; `layerwise`: each layer makes its own
  choice (random-LTD); `pool`: neighbours are averaged (Funnel-Transformer).
  """

  type: str = drop_types.DEFAULT


@dataclasses.dataclass
class DroppingConfig(base_config.Config):
  """What is dropped where. A network's config inherits it beside `num_layers`.

  Attributes:
    token_keep_ratio: share of the positions that stay, in (0, 1]; 1.0 drops
      nothing. `None` means 0.5, unless `token_keep_k` is set.
    token_keep_k: the same as an absolute count.
    drop_layer: layer in which only kept tokens are queries. `None` means
      `num_layers // 2 - 1`; 1 where every layer makes its own choice.
    restore_layer: first layer that sees all tokens again; `None`: the last.
    stages: several dropping layers, ascending, each keeping at most what the
      one before keeps; instead of the first three fields.
    token_loss_init_value: initial importance, in nats.
    token_loss_beta: moving-average weight of the old importance.
    token_allow_list: ids always kept. `None` means `[UNK] [CLS] [SEP] [MASK]`
      of `vocab_file`, or of BERT's published vocabulary, as far as the network
      has such ids.
    always_keep_cls: false drops `[CLS]` as other tokens are, so that the middle
      layers cannot rely on it; only where `token_allow_list` is `None`.
    token_deny_list: ids dropped first. `None` means `[PAD]`, likewise, and with
      importance `unmasked` `[MASK]`, which is then not kept.
    vocab_file: the `vocab.txt` that the records were made with.
    selection: how the scores decide; see `SelectionConfig`.
    drop_at_inference: also drop in evaluation. Not for fine-tuning.

  >>> config = DroppingConfig(token_keep_ratio=0.25)
  >>> config.make_plan(num_layers=12).keep_counts(512)
  (128,)
  >>> type(config.make_scorer(vocab_size=30522, num_layers=12)).__name__
  'ImportanceScorer'
  """

  reads = token_scorer.ENCODER  # one of the networks of `token_scorer`

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
  selection: selections.SelectionConfig = dataclasses.field(
    default_factory=selections.SelectionConfig
  )
  drop_at_inference: bool = False

  @property
  def is_causal(self) -> bool:
    """Whether a token sees only those before it."""
    return self.reads == token_scorer.CAUSAL

  @property
  def drop_plan(self) -> plans.DropPlan:
    """The plan of a network's config, which has `num_layers`."""
    return self.make_plan(self.num_layers)

  @property
  def importance_type(self) -> str:
    """The name of the type of importance, also where it is left to `drop`."""
    return importance_types.resolve(self.importance.type, self.drop.type)

  @property
  def resolved_selection(self) -> selections.SelectionConfig:
    """How scores decide, also where the type is left to the network."""
    return self.selection.replace(type=self.selection.type or selections.TOP_K)

  def make_plan(self, num_layers: int) -> plans.DropPlan:
    """Returns where tokens leave and return; a wrong value is a `UserError`."""
    return plans.make_plan(self, num_layers)

  def make_scorer(
    self, vocab_size: int, num_layers: int
  ) -> token_scorer.TokenScorer:
    """Returns the scorer, without weights as yet, or raises a `UserError`."""
    allow, deny = self.id_lists(vocab_size)
    importance_types.check_fields(self)
    scorer_class = importance_types.get(self.importance_type)
    scorer = scorer_class(
      vocab_size=vocab_size,
      allow_list=allow,
      deny_list=deny,
      name="importance_scorer",
      **scorer_class.arguments(self, vocab_size),
    )
    scorer.selector = self.resolved_selection.make(num_layers)
    return scorer

  def id_lists(self, vocab_size: int) -> tuple[tuple, tuple]:
    """Returns allow and deny list, given or special ids, or a `UserError`."""
    errors.require(vocab_size > 0, "vocab_size must be at least 1", vocab_size)
    ids = self._special_ids(vocab_size)
    kind = importance_types.get(self.importance_type)
    denied = (vocabulary.PAD, *kind.denied_tokens)
    deny = tuple(ids.pop(token) for token in denied if token in ids)
    if not self.always_keep_cls:
      ids.pop(vocabulary.CLS, None)
    allow = tuple(ids.values())
    if self.token_allow_list is not None:
      rule = "true with token_allow_list, which says what is kept"
      kept = self.always_keep_cls
      errors.require(kept, f"always_keep_cls must be {rule}", "false")
      allow = tuple(self.token_allow_list)
    if self.token_deny_list is not None:
      deny = tuple(self.token_deny_list)
    return allow, deny

  def _special_ids(self, vocab_size: int) -> dict[str, int]:
    if not self.vocab_file:
      return {t: i for t, i in PUBLISHED_IDS.items() if i < vocab_size}
    words = vocabulary.Vocabulary.from_file(self.vocab_file)
    least = f"the {len(words)} tokens of {self.vocab_file}"
    rule = f"vocab_size must be at least {least}"
    errors.require(len(words) <= vocab_size, rule, vocab_size)
    return words.special_ids

  def dropping_fields(self) -> dict:
    """Returns these fields alone, of a network's config."""
    return {n: value for n, value in self.as_dict().items() if n in FIELDS}

  def without_files(self, vocab_size: int) -> "DroppingConfig":
    """Returns these fields alone, with ids instead of the vocabulary's path."""
    config = CLASSES[self.reads]()
    config.override(self.dropping_fields())
    config.token_allow_list, config.token_deny_list = self.id_lists(vocab_size)
    config.always_keep_cls, config.vocab_file = True, ""
    return config


@dataclasses.dataclass
class SourceDroppingConfig(DroppingConfig):
  """The same for the encoder of a translation, whose text has no masks.

  There are no special words, and random tokens stay unless `importance` says
  otherwise.
  """

  reads = token_scorer.SOURCE

  @property
  def importance_type(self) -> str:
    return self.importance.type or "random"

  def check_words(self, path: str = "") -> None:
    """Refuses what is said of special words; `path` is what is before it."""
    why = "the tokenizer has no special words"
    rule = f"{path}vocab_file must be unset: {why}"
    errors.require(not self.vocab_file, rule, repr(self.vocab_file))
    rule = f"{path}always_keep_cls must be true: {why}"
    errors.require(self.always_keep_cls, rule, "false")

  def _special_ids(self, vocab_size: int) -> dict[str, int]:
    return {vocabulary.PAD: PAD_ID}


@dataclasses.dataclass
class CausalDroppingConfig(SourceDroppingConfig):
  """The same for a network in which a token sees only those before it.

  Which tokens stay must depend on no token after them, or the network reads it
  from the gaps. Random tokens stay unless `importance` says otherwise. Ids that
  always stay would push out others before them, among random ones too.

  >>> config = CausalDroppingConfig(importance={"type": "frequency"})
  >>> config.resolved_selection.type
  'threshold'
  """

  reads = token_scorer.CAUSAL

  @property
  def resolved_selection(self) -> selections.SelectionConfig:
    lists = self.token_allow_list or (), self.token_deny_list or (PAD_ID,)
    by_lot = self.importance_type == "random" and not lists[0]
    is_alike = by_lot and tuple(lists[1]) == (PAD_ID,)
    kind = selections.TOP_K if is_alike else selections.THRESHOLD
    return self.selection.replace(type=self.selection.type or kind)

  def make_plan(self, num_layers: int) -> plans.DropPlan:
    """Refuses means of neighbours, which would show what comes after."""
    rule = "drop.type must be skip, context or layerwise in a causal network"
    errors.require(self.drop.type != "pool", rule, self.drop.type)
    return super().make_plan(num_layers)


CLASSES = {
  config.reads: config
  for config in (DroppingConfig, SourceDroppingConfig, CausalDroppingConfig)
}
FIELDS = tuple(field.name for field in dataclasses.fields(DroppingConfig))
# Another value leaves alone what is learnt, so that a run may go on with it.
FREE_FIELDS = {*FIELDS, *importance_types.FIELDS, "slack"}
FREE_FIELDS -= {"importance", "selection"}
