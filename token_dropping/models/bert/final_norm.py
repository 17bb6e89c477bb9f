# SPDX-License-Identifier: Apache-2.0
"""Model Garden's BERT with a norm at its end.

In a network that is normalized before each block, nothing normalizes the sum
of all blocks, which grows with the layers. A last LayerNorm does (Xiong et al.,
"On Layer Normalization in the Transformer Architecture", ICML 2020, table 1).
"""

import tensorflow as tf
import tf_keras
from official.nlp.modeling import networks

from token_dropping.common import errors

EPSILON = 1e-12  # that of Model Garden's other norms
NAME = "final_norm"


def resolve(final_norm: bool | None, norm_first: bool) -> bool:
  """Returns whether there is a final norm; `None` means where it is needed.

  Raises `UserError` for one in a network that is normalized after each block.
  """
  if final_norm is None:
    return norm_first
  rule = f"{NAME} must be false unless norm_first is true"
  errors.require(norm_first or not final_norm, rule, "true")
  return final_norm


@tf_keras.utils.register_keras_serializable(package="token_dropping")
class FinalNormBert(networks.BertEncoderV2):
  """Model Garden's `BertEncoderV2`, whose states end with a LayerNorm.

  It makes `sequence_output`, which is the last of `encoder_outputs`, and goes
  before the pooler. In checkpoints it is no part of the encoder, so that the
  encoder's weights are those of `BertEncoderV2`; it is saved beside it
  (`checkpoint_items`). `kwargs` are the arguments of `BertEncoderV2`;
  `final_norm` is as in `resolve`.
  """

  def __init__(self, *, final_norm: bool | None = None, **kwargs):
    has_norm = resolve(final_norm, kwargs.get("norm_first", False))
    super().__init__(**kwargs)
    # Optimizers know by its name that it does not decay.
    self._final_norm = has_norm and tf_keras.layers.LayerNormalization(
      name="final_layer_norm", axis=-1, epsilon=EPSILON, dtype=tf.float32
    )

  @property
  def final_norm(self) -> tf_keras.layers.LayerNormalization | None:
    """The norm; `None` without one."""
    return self._final_norm or None

  @property
  def checkpoint_items(self) -> dict:
    """What a checkpoint has beside the encoder: its norm."""
    return {NAME: self._final_norm} if self._final_norm else {}

  def call(self, inputs: dict) -> dict:
    """Returns the outputs of `BertEncoderV2`."""
    outputs = super().call(inputs)
    *states, last = outputs["encoder_outputs"]
    return outputs | self._finish([*states, self._normalize(last)])

  def _finish(self, encoder_outputs: list[tf.Tensor]) -> dict:
    sequence = encoder_outputs[-1]
    return {
      "sequence_output": sequence,
      "pooled_output": self._pooler_layer(sequence[:, 0, :]),
      "encoder_outputs": encoder_outputs,
    }

  def _normalize(self, states: tf.Tensor) -> tf.Tensor:
    if self.final_norm is None:
      return states
    return tf.cast(self.final_norm(states), states.dtype)

  def _trackable_children(self, save_type="checkpoint", **kwargs):
    children = super()._trackable_children(save_type, **kwargs)
    if save_type == "checkpoint":
      children.pop("_final_norm", None)
    return children

  def get_config(self):
    return super().get_config() | {NAME: self.final_norm is not None}
