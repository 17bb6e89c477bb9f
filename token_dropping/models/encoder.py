# SPDX-License-Identifier: Apache-2.0
"""BERT whose easy tokens skip the middle layers while it is pretrained.

Hou et al., "Token Dropping for Efficient BERT Pretraining", ACL 2022
(https://arxiv.org/abs/2203.13240), section 3. Shapes: B batch, S sequence
length, K kept positions, P predictions, D hidden size.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence

import tensorflow as tf
import tf_keras
from official.modeling import activations
from official.nlp.modeling import networks

from token_dropping.dropping import drop_plan
from token_dropping.dropping import position_gather
from token_dropping.dropping import position_restore
from token_dropping.dropping import token_selector
from token_dropping.dropping.drops import drop_types
from token_dropping.dropping.importance import importance_types
from token_dropping.dropping.importance import token_scorer

# [UNK] [CLS] [SEP] [MASK] and [PAD] of BERT's published 30,522-line vocabulary.
PUBLISHED_ALLOW_LIST = (100, 101, 102, 103)
PUBLISHED_DENY_LIST = (0,)


@tf_keras.utils.register_keras_serializable(package="token_dropping")
class TokenDropEncoder(networks.BertEncoderV2):
  """Model Garden's `BertEncoderV2` with token dropping.

  Inputs, outputs, weights and checkpoint object names are those of
  `BertEncoderV2`: checkpoints restore both ways with every weight matched. The
  importance table is training state, not a weight of the network; the
  pretrainer saves it (see `importance_scorer`).

  A *pretraining* call has `training=True` and `masked_lm_positions` among its
  inputs, as `BertPretrainerV2` hands them on. It drops tokens between
  `drop_layer` and `restore_layer`, and runs the last layer's queries only where
  the loss reads them: at the masked positions and at position 0. That is exact,
  since a layer treats its query positions independently; elsewhere
  `sequence_output` holds the state that entered the last layer. All other calls
  (evaluation, fine-tuning, export) compute the whole sequence, as BERT does,
  unless `drop_in_training` or `drop_at_inference` makes them drop.

  Args:
    vocab_size: int, V.
    num_layers: int, number of transformer layers L.
    token_keep_ratio: float in (0, 1], share of the positions that stay in the
      middle layers; 1.0 is BERT. Defaults to 0.5 unless `token_keep_k` is set.
    token_keep_k: int, the same as an absolute count.
    drop_layer: int, the layer in which only kept tokens are queries while all
      are keys and values. Defaults to `num_layers // 2 - 1`; to 1 for
      `layerwise`.
    restore_layer: int, the first layer that sees all tokens again. Defaults to
      the last.
    stages: several places to drop at, instead of the three arguments above it:
      mappings with `layer` and `keep_ratio` (of the whole sequence), by layer.
    drop_type: what happens to the tokens that do not stay, one of `skip`,
      `context`, `layerwise` and `pool` (see `drops/`).
    token_loss_init_value: float, initial importance.
    token_loss_beta: float, moving-average weight of the old importance.
    token_allow_list: ids that are always kept.
    token_deny_list: ids that are dropped first.
    importance: which tokens stay: fields of `importance_types.ImportanceConfig`
      by name. Defaults to the published moving average of the loss; to
      `random` for `layerwise`.
    drop_in_training: bool, drop in every call with `training=True`, not only
      in pretraining calls: for fine-tuning.
    drop_at_inference: bool, drop in every call.
    **kwargs: of `BertEncoderV2`, such as `hidden_size` and
      `num_attention_heads`.

  Raises:
    ValueError: a value outside its range (see `DropPlan` and
      `importance_types`).

  Example:

  >>> encoder = TokenDropEncoder(
  ...   vocab_size=200, num_layers=4, hidden_size=8, num_attention_heads=2,
  ...   inner_dim=16)
  >>> ids = tf.ones([2, 6], tf.int32)
  >>> outputs = encoder(dict(
  ...   input_word_ids=ids, input_mask=ids, input_type_ids=0 * ids))
  >>> outputs["sequence_output"].shape
  TensorShape([2, 6, 8])
  """

  def __init__(
    self,
    vocab_size: int,
    num_layers: int = 12,
    token_keep_ratio: float | None = None,
    token_keep_k: int | None = None,
    drop_layer: int | None = None,
    restore_layer: int | None = None,
    stages: Sequence[Mapping] = (),
    drop_type: str = drop_types.DEFAULT,
    token_loss_init_value: float = 10.0,
    token_loss_beta: float = 0.995,
    token_allow_list: Sequence[int] = PUBLISHED_ALLOW_LIST,
    token_deny_list: Sequence[int] = PUBLISHED_DENY_LIST,
    importance: Mapping | None = None,
    drop_in_training: bool = False,
    drop_at_inference: bool = False,
    **kwargs,
  ):
    plan = drop_plan.DropPlan.create(
      num_layers,
      token_keep_ratio,
      token_keep_k,
      drop_layer,
      restore_layer,
      stages,
      drop_type,
    )
    # The same function as Model Garden's default, but one with a name, which
    # `get_config` can write down.
    kwargs.setdefault("inner_activation", activations.gelu)
    super().__init__(vocab_size=vocab_size, num_layers=num_layers, **kwargs)
    self._plan = plan
    self._drop_in_training = drop_in_training
    self._drop_at_inference = drop_at_inference
    self._selector = token_selector.TokenSelector(name="token_selector")
    self._gather = position_gather.PositionGather(name="position_gather")
    self._restore = position_restore.PositionRestore(name="position_restore")
    self._set_untracked_scorer(
      importance_types.create(
        importance_types.ImportanceConfig(**(importance or {})),
        vocab_size,
        init_value=token_loss_init_value,
        beta=token_loss_beta,
        allow_list=token_allow_list,
        deny_list=token_deny_list,
        drop_type=drop_type,
      )
    )
    self._token_drop_config = {
      "token_keep_ratio": token_keep_ratio,
      "token_keep_k": token_keep_k,
      "drop_layer": drop_layer,
      "restore_layer": restore_layer,
      "stages": [dict(stage) for stage in stages],
      "drop_type": drop_type,
      "token_loss_init_value": token_loss_init_value,
      "token_loss_beta": token_loss_beta,
      "token_allow_list": tuple(token_allow_list),
      "token_deny_list": tuple(token_deny_list),
      "importance": dict(importance or {}),
      "drop_in_training": drop_in_training,
      "drop_at_inference": drop_at_inference,
    }

  @tf.__internal__.tracking.no_automatic_dependency_tracking
  def _set_untracked_scorer(self, scorer) -> None:
    """Keeps what is learnt out of the encoder's weights and checkpoints."""
    scorer.build()
    self._importance_scorer = scorer

  def _trackable_children(self, save_type="checkpoint", **kwargs):
    """Adds the table to Keras SavedModels only: their graphs refer to it."""
    children = super()._trackable_children(save_type, **kwargs)
    if save_type == "savedmodel":
      children = children | {"_importance_scorer": self._importance_scorer}
    return children

  @property
  def importance_scorer(self) -> token_scorer.TokenScorer:
    """The scorer. Save it beside the encoder; update it once per step."""
    return self._importance_scorer

  @contextlib.contextmanager
  def following(
    self, plan: drop_plan.DropPlan, at_inference: bool | None = None
  ) -> Iterator[None]:
    """Makes the calls that are traced inside follow another plan.

    Args:
      plan: of the same number of layers.
      at_inference: if given, instead of `drop_at_inference`.
    """
    own = self._plan, self._drop_at_inference
    self._plan = plan
    if at_inference is not None:
      self._drop_at_inference = at_inference
    try:
      yield
    finally:
      self._plan, self._drop_at_inference = own

  @property
  def drop_plan(self) -> drop_plan.DropPlan:
    """Where tokens leave and return, and how many stay."""
    return self._plan

  def call(self, inputs: dict, training: bool | None = None) -> dict:
    """Encodes token ids.

    Args:
      inputs: the dictionary that `BertEncoderV2` takes: `input_word_ids`,
        `input_mask`, `input_type_ids`, each int [B, S]; optionally
        `masked_lm_positions`, int [B, P].
      training: bool.

    Returns:
      The dictionary that `BertEncoderV2` returns: `sequence_output` [B, S, D],
      `pooled_output` [B, D], `encoder_outputs`, a list of L tensors [B, S, D]
      (the states of dropped tokens wait unchanged). Unless only
      `drop_in_training` makes it drop, a call that drops adds `computed_share`,
      float32 [B, S], in which share of the layers from the first dropping one
      to `restore_layer` each token was computed; where tokens are chosen
      `token_scores`, float32 [B, S], by which the first dropping layer did; and
      for `skip` and `context` `kept_positions`, int32 [B, K], ascending.

    Raises:
      ValueError: `inputs` is no dictionary; `token_keep_k` is larger than the
        sequence.
    """
    if not isinstance(inputs, dict):
      raise ValueError(
        "inputs must be a dictionary of tensors. "
        f"Received: {type(inputs).__name__}"
      )
    pretraining = bool(training) and "masked_lm_positions" in inputs
    embeddings, mask = self._embed(inputs)
    run = drop_types.get(self._plan.drop_type)(self, embeddings, mask)
    if pretraining or self._drops(training):
      run.ids = self._token_ids(inputs)
      counts = self._keep_counts(embeddings)
      for stage, keep in zip(self._plan.stages, counts, strict=True):
        run.layers_before(stage.layer)
        run.dropping_layer(keep)
      run.layers_before(self._plan.restore_layer)
      run.restore()
    run.layers_before(self._num_layers - 1)
    read = None
    if pretraining:
      read = self._read_positions(inputs["masked_lm_positions"], embeddings)
    run.last_layer(read)
    outputs = self._outputs(run, embeddings)
    if pretraining or self._drop_at_inference:
      # Keras' functional models need the same outputs in training as without.
      outputs |= run.what_stayed()
    return outputs

  def _drops(self, training: bool | None) -> bool:
    """Whether a call drops that is not a pretraining call."""
    return self._drop_at_inference or (
      bool(training) and self._drop_in_training
    )

  def _embed(self, inputs: dict) -> tuple[tf.Tensor, tf.Tensor | None]:
    """Returns the embeddings [B, S, D] and the mask [B, S], if there is one."""
    word_ids = inputs.get("input_word_ids")
    mask = inputs.get("input_mask")
    words = inputs.get("input_word_embeddings")
    if words is None:
      words = self._embedding_layer(word_ids)
    dense = inputs.get("dense_inputs")
    if dense is not None:
      mask = tf.concat([mask, inputs.get("dense_mask")], axis=1)
    embeddings = self._get_embeddings(
      word_ids,
      inputs.get("input_type_ids"),
      words,
      dense,
      inputs.get("dense_type_ids"),
    )
    embeddings = self._embedding_norm_layer(embeddings)
    embeddings = self._embedding_dropout(embeddings)
    if self._embedding_projection is not None:
      embeddings = self._embedding_projection(embeddings)
    return embeddings, mask

  def _keep_counts(self, embeddings: tf.Tensor) -> tuple[int, ...]:
    length = embeddings.shape[1]
    if length is None:
      raise ValueError(
        "the sequence length must be static where tokens are dropped. "
        f"Received: embeddings of shape {embeddings.shape}"
      )
    return self._plan.keep_counts(length)

  def _token_ids(self, inputs: dict) -> tf.Tensor:
    """Returns the ids of all positions, [B, S]; dense inputs have id -1."""
    ids = inputs["input_word_ids"]
    dense = inputs.get("dense_mask")
    if dense is None:
      return ids
    return tf.concat([ids, tf.fill(tf.shape(dense), tf.cast(-1, ids.dtype))], 1)

  def _read_positions(
    self, masked_lm_positions: tf.Tensor, embeddings: tf.Tensor
  ) -> tf.Tensor | None:
    """Returns what the loss reads [B, 1 + P], or None where that saves none."""
    positions = tf.pad(masked_lm_positions, [[0, 0], [1, 0]])  # position 0
    count, length = positions.shape[1], embeddings.shape[1]
    if count is None or length is None or count >= length:
      return None
    return tf.sort(positions, axis=-1)

  def _outputs(self, run, embeddings: tf.Tensor) -> dict:
    sequence = run.encoder_outputs[-1]
    outputs = {
      "sequence_output": sequence,
      "pooled_output": self._pooler_layer(sequence[:, 0, :]),
      "encoder_outputs": run.encoder_outputs,
    }
    if self._config["return_attention_scores"]:
      outputs["attention_scores"] = run.attention_scores
    if self._config["return_word_embeddings"]:
      outputs["word_embeddings"] = embeddings
    return outputs

  def get_config(self):
    return super().get_config() | self._token_drop_config
