# SPDX-License-Identifier: Apache-2.0
"""BERT whose easy tokens skip the middle layers while it is pretrained.

Hou et al., "Token Dropping for Efficient BERT Pretraining", ACL 2022
(https://arxiv.org/abs/2203.13240), section 3. Shapes as in `stack`.
"""

import tensorflow as tf
import tf_keras

from token_dropping.dropping import config as dropping_config
from token_dropping.dropping import drop_plan as plans
from token_dropping.dropping import stack
from token_dropping.dropping import tokens as tokens_lib
from token_dropping.dropping.importance import token_scorer
from token_dropping.models import activations
from token_dropping.models.bert import final_norm
from token_dropping.models.bert import shared_rows


@tf_keras.utils.register_keras_serializable(package="token_dropping")
class TokenDropEncoder(final_norm.FinalNormBert):
  """Model Garden's `BertEncoderV2` with token dropping.

  Inputs, outputs, weights and checkpoint object names are those of
  `BertEncoderV2`: checkpoints restore both ways with every weight matched. The
  importance table is training state, and a final norm (`FinalNormBert`) no part
  of BERT: the pretrainer saves them beside it. `kwargs` are the fields of
  `DroppingConfig`, such as `token_keep_ratio`, and the arguments of
  `FinalNormBert`; a value outside its range is a `UserError`.

  A *pretraining* call has `training=True` and `masked_lm_positions` among its
  inputs, as `BertPretrainerV2` hands them on. It drops tokens between
  `drop_layer` and `restore_layer`, and runs the last layer's queries only where
  the loss reads them: at the masked positions and at position 0. That is exact,
  since a layer treats its query positions independently; elsewhere
  `sequence_output` holds the state that entered the last layer.

  All other calls (evaluation, fine-tuning, export) compute the whole sequence,
  unless `drop_in_training` (of every call with `training=True`, to fine-tune),
  `drop_at_inference` or a call's `plan` makes them drop.

  >>> encoder = TokenDropEncoder(
  ...   vocab_size=200, num_layers=4, hidden_size=8, num_attention_heads=2,
  ...   inner_dim=16, token_keep_ratio=0.5)
  >>> ids = tf.ones([2, 6], tf.int32)
  >>> outputs = encoder(dict(
  ...   input_word_ids=ids, input_mask=ids, input_type_ids=0 * ids))
  >>> outputs["sequence_output"].shape
  TensorShape([2, 6, 8])
  """

  def __init__(
    self, vocab_size: int, num_layers=12, drop_in_training=False, **kwargs
  ):
    names = kwargs.keys() & set(dropping_config.FIELDS)
    config = dropping_config.DroppingConfig()
    config.override({name: kwargs.pop(name) for name in names})
    config = config.without_files(vocab_size)
    plan, scorer = config.make_plan(num_layers), config.make_scorer(vocab_size)
    # As Model Garden's default, which is a function without a name.
    kwargs.setdefault("inner_activation", activations.gelu)
    super().__init__(vocab_size=vocab_size, num_layers=num_layers, **kwargs)
    self._dropping, self._plan = config, plan
    self._drop_in_training = drop_in_training
    self._set_untracked_scorer(scorer)
    if config.drop_at_inference:
      self._fix_length()

  @tf.__internal__.tracking.no_automatic_dependency_tracking
  def _set_untracked_scorer(self, scorer) -> None:
    """Keeps what is learnt out of the encoder's weights and checkpoints."""
    scorer.build()
    self._importance_scorer = scorer

  def _fix_length(self) -> None:
    """Gives the symbolic inputs, on which every call drops, a static length."""
    parts = 2 if self._config["with_dense_inputs"] else 1
    length = self._config["max_sequence_length"] // parts
    self.inputs = {
      name: tf_keras.Input([length, *tensor.shape[2:]], dtype=tensor.dtype)
      for name, tensor in self.inputs.items()
    }

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

  @property
  def drop_plan(self) -> plans.DropPlan:
    return self._plan

  def call(
    self, inputs: dict, training=None, plan: plans.DropPlan | None = None
  ) -> dict:
    """Encodes token ids; `plan` says what to drop instead of the encoder's own.

    Inputs are the dictionary of `BertEncoderV2` (else a `ValueError`):
    `input_word_ids`, `input_mask`, `input_type_ids`, each int [B, S];
    optionally `masked_lm_positions`, int [B, P predictions], and
    `document_ids`, int [B, S]: different documents do not see one another.

    So are the outputs: `sequence_output` [B, S, D], `pooled_output` [B, D] and
    `encoder_outputs`, L times [B, S, D] (states of dropped tokens wait
    unchanged). Where it drops, unless only by `drop_in_training`, it adds what
    of `kept_positions`, `computed_share`, `token_scores` there is (`LayerRun`).
    """
    if not isinstance(inputs, dict):
      kind = type(inputs).__name__
      raise ValueError(
        f"inputs must be a dictionary of tensors. Received: {kind}"
      )
    pretraining = bool(training) and "masked_lm_positions" in inputs
    # Keras' functional models need the same outputs in training as without.
    everywhere = self._dropping.drop_at_inference
    reports = pretraining or everywhere or plan is not None
    if plan is None and (reports or (training and self._drop_in_training)):
      plan = self._plan
    tokens = self._embed(inputs)
    read = _read_positions(inputs, tokens.count) if pretraining else None
    layers = _BertLayers(self)
    run = stack.run_layers(layers, tokens, plan, self._importance_scorer, read)

    outputs = self._finish(run.encoder_outputs)
    if layers.returns_scores:
      outputs["attention_scores"] = layers.attention_scores
    if self._config["return_word_embeddings"]:
      outputs["word_embeddings"] = tokens.states
    return outputs | run.what_stayed() if reports else outputs

  def _embed(self, inputs: dict) -> tokens_lib.Tokens:
    word_ids = ids = inputs.get("input_word_ids")
    mask = inputs.get("input_mask")
    words = inputs.get("input_word_embeddings")
    if words is None:
      words = self._embedding_layer(word_ids)
    dense = inputs.get("dense_inputs")
    if dense is not None:
      dense_mask = inputs["dense_mask"]
      mask = tf.concat([mask, dense_mask], axis=1)
      if ids is not None:  # else words come as embeddings
        no_ids = tf.fill(tf.shape(dense_mask), tf.cast(-1, ids.dtype))
        ids = tf.concat([ids, no_ids], axis=1)
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
    return tokens_lib.Tokens.of_sequence(
      embeddings, ids=ids, documents=inputs.get("document_ids"), mask=mask
    )

  def _get_embeddings(self, word_ids, type_ids, words, dense, dense_type_ids):
    """Returns what Model Garden's returns, with another gradient's program."""
    del word_ids  # `words` are theirs
    if dense is not None:
      words = tf.concat([words, dense], axis=1)
      type_ids = tf.concat([type_ids, dense_type_ids], axis=1)
    positions = self._position_embedding_layer(words[:1])
    states = shared_rows.add(words, positions)
    return states + self._type_embedding_layer(type_ids)

  def get_config(self):
    own = {"drop_in_training": self._drop_in_training}
    return super().get_config() | self._dropping.as_dict() | own


class _BertLayers:
  """BERT's layers for one call: a `stack.LayerStack`."""

  def __init__(self, encoder: TokenDropEncoder):
    config = encoder._config
    self.num_layers = config["num_layers"]
    self.returns_scores = config["return_attention_scores"]
    self.attention_scores = []
    self._output_range = config["output_range"]
    self._layers = encoder.transformer_layers
    self._normalize = encoder._normalize

  def run_layer(self, index, queries, keys=None) -> tf.Tensor:
    whole, is_last = keys is None, index == self.num_layers - 1
    output_range = self._output_range if whole and is_last else None
    inputs = [queries.states] if whole else [queries.states, keys.states]
    inputs.append(_attention_mask(queries, queries if whole else keys))
    outputs = self._layers[index](inputs, output_range=output_range)
    if self.returns_scores:
      outputs, scores = outputs
      self.attention_scores.append(scores)
    return self._normalize(outputs) if is_last else outputs


def _attention_mask(queries, keys) -> tf.Tensor | None:
  """Returns who sees whom, [B, Q, N], or [B, 1, N] for all queries alike."""
  dtype, mask = queries.states.dtype, None
  if keys.mask is not None:
    # One row for all queries: attention adds it to every row of its scores.
    mask = tf.cast(keys.mask, dtype)[:, tf.newaxis, :]
  if keys.documents is not None:
    theirs = keys.documents[:, tf.newaxis, :]
    same = tf.cast(queries.documents[:, :, tf.newaxis] == theirs, dtype)
    mask = same if mask is None else same * mask
  return mask


def _read_positions(inputs: dict, length: int | None) -> tf.Tensor | None:
  """Returns what the loss reads [B, 1 + P], or None where that saves none."""
  positions = tf.pad(inputs["masked_lm_positions"], [[0, 0], [1, 0]])
  count = positions.shape[1]
  if count is None or length is None or count >= length:
    return None
  return tf.sort(positions, axis=-1)
