# SPDX-License-Identifier: Apache-2.0
"""What makes of a network an encoder whose easy tokens skip some layers.

Hou et al., "Token Dropping for Efficient BERT Pretraining", ACL 2022
(https://arxiv.org/abs/2203.13240), section 3. Shapes as in `stack`.
"""

import tensorflow as tf
import tf_keras

from token_dropping.dropping import config as dropping_config
from token_dropping.dropping import drop_plan as plans
from token_dropping.dropping import stack
from token_dropping.dropping.importance import token_scorer


class DroppingEncoder(tf_keras.layers.Layer):
  """An encoder that drops; the class of its network is its next base.

  A *pretraining* call has `training=True` and `masked_lm_positions` among its
  inputs, as `BertPretrainerV2` hands them on. It drops tokens between
  `drop_layer` and `restore_layer`, and runs the last layer's queries only where
  the loss reads them: at the masked positions and at position 0. That is exact,
  since a layer treats its query positions independently; elsewhere
  `sequence_output` holds the state that entered the last layer.

  All other calls (evaluation, fine-tuning, export) compute the whole sequence,
  unless `drop_in_training` (of every call with `training=True`, to fine-tune),
  `drop_at_inference` or a call's `plan` makes them drop. A causal network's
  subclass says otherwise which calls are of pretraining, and what is read.

  `kwargs` are the fields of `DroppingConfig`, such as `token_keep_ratio`, and
  the arguments of the network; a value outside its range is a `UserError`. The
  importance table is training state: the pretrainer saves it beside the
  encoder.

  The network has `inputs`, symbolic and by name; their largest length,
  `_longest`; `_embed(inputs)`, all tokens as they enter the first layer;
  `_make_stack(inputs)`, its layers for one call; and `_make_outputs(layers,
  tokens, encoder_outputs)`, what the call returns, from its layers, what
  entered the first and the states after each.
  """

  _config_class = dropping_config.DroppingConfig

  def __init__(
    self, *, vocab_size: int, num_layers: int, drop_in_training=False, **kwargs
  ):
    names = kwargs.keys() & set(dropping_config.FIELDS)
    config = self._config_class()
    config.override({name: kwargs.pop(name) for name in names})
    plan = config.make_plan(num_layers)
    scorer = config.make_scorer(vocab_size, num_layers)
    config = config.without_files(vocab_size)
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
    self.inputs = {
      name: tf_keras.Input([self._longest, *t.shape[2:]], dtype=t.dtype)
      for name, t in self.inputs.items()
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
    `LayerRun.what_stayed` tells, such as `kept_positions`.
    """
    if not isinstance(inputs, dict):
      kind = type(inputs).__name__
      raise ValueError(
        f"inputs must be a dictionary of tensors. Received: {kind}"
      )
    pretraining = bool(training) and self._is_pretraining(inputs)
    # Keras' functional models need the same outputs in training as without.
    everywhere = self._dropping.drop_at_inference
    reports = pretraining or everywhere or plan is not None
    if plan is None and (reports or (training and self._drop_in_training)):
      plan = self._plan
    tokens = self._embed(inputs)
    read = self._read(inputs, tokens.count) if pretraining else None
    layers = self._make_stack(inputs)
    run = stack.run_layers(layers, tokens, plan, self._importance_scorer, read)
    outputs = self._make_outputs(layers, tokens, run.encoder_outputs)
    return outputs | run.what_stayed() if reports else outputs

  def _is_pretraining(self, inputs: dict) -> bool:
    """Whether a call with `training=True` is one of pretraining."""
    return "masked_lm_positions" in inputs

  def _read(self, inputs: dict, length: int | None) -> tf.Tensor | None:
    """Returns what the loss reads [B, R], or None where that saves none."""
    positions = tf.pad(inputs["masked_lm_positions"], [[0, 0], [1, 0]])
    count = positions.shape[1]
    if count is None or length is None or count >= length:
      return None
    return tf.sort(positions, axis=-1)

  def get_config(self):
    own = {"drop_in_training": self._drop_in_training}
    return super().get_config() | self._dropping.as_dict() | own
