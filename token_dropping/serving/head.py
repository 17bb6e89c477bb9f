# SPDX-License-Identifier: Apache-2.0
"""What a kind of model brings to its SavedModel.

Shapes: B requests, S sequence length, D hidden size, V vocabulary.
"""

import abc
from collections.abc import Sequence

import tensorflow as tf

from token_dropping.common import errors
from token_dropping.data.text import tokenizer as tokenizer_lib
from token_dropping.training import trained_run

LOGITS, SOFTMAX = "logits", "softmax"
TOKEN_INPUTS = ("input_word_ids", "input_mask", "input_type_ids")


class Head(abc.ABC):
  """A trained network with the names of what goes in and comes out.

  A new kind of model is a subclass, and a line in `heads.py`.

  Args:
    run: the run to take the weights from.
    output: `logits` or `softmax`.

  Attributes:
    inputs: names of the int32 inputs [B, ...] of the network.
    text_fields: names of the strings that make one request.
    echoed: names of inputs that requests of text get back, so that positions
      can be read.
    labels: path of a file with the name of each class; empty without one.
    has_logits: whether there are scores that `softmax` makes probabilities.

  Raises:
    UserError: the run lacks what the head needs; `output` is `softmax` but
      there are no logits.
  """

  inputs: tuple[str, ...] = TOKEN_INPUTS
  text_fields: tuple[str, ...] = ("text",)
  echoed: tuple[str, ...] = ("input_word_ids",)
  labels = ""
  has_logits = True

  def __init__(self, run: trained_run.TrainedRun, output: str = LOGITS):
    if output == SOFTMAX and not self.has_logits:
      raise errors.UserError(
        f"--output must be {LOGITS} for this model: it gives no class scores. "
        f"Received: {output!r}"
      )
    self.output = output
    self.max_length = run.encoder.max_position_embeddings
    self._network = self.build_network(run)

  @abc.abstractmethod
  def build_network(self, run: trained_run.TrainedRun):
    """Returns the Keras network with the trained weights."""

  @abc.abstractmethod
  def outputs(self, inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Runs the network.

    Args:
      inputs: checked tensors, of the names in `inputs`.

    Returns:
      Tensors [B, ...] by name.
    """

  def encode(
    self, tokenizer: tokenizer_lib.Tokenizer, texts: Sequence[tf.Tensor]
  ) -> dict[str, tf.Tensor]:
    """Makes the network's inputs of strings.

    Args:
      tokenizer: of the run.
      texts: one [B] string tensor for each of `text_fields`.

    Returns:
      `inputs`, as long as the longest request, at most `max_length`: what is
      longer is cut, as `Tokenizer.encode` does it.
    """
    return cut_padding(tokenizer.encode(texts, self.max_length))

  def scores(self, name: str, logits: tf.Tensor, mask=None) -> dict:
    """Returns logits or their softmax, over the last axis, under their name.

    Args:
      name: without its ending, such as `start`.
      logits: of any shape.
      mask: of the same shape, 0 where there is nothing to choose.
    """
    if self.output == LOGITS:
      return {f"{name}_logits": logits}
    if mask is not None:
      logits += (1.0 - tf.cast(mask, logits.dtype)) * logits.dtype.min / 2
    return {f"{name}_probabilities": tf.nn.softmax(logits)}


def cut_padding(inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
  """Takes off the columns [B, S] that are padding in every request.

  Example:

  >>> ids = tf.constant([[5, 6, 0], [7, 0, 0]])
  >>> mask = tf.sign(ids)
  >>> cut_padding(dict(ids=ids, input_mask=mask))["ids"].numpy().tolist()
  [[5, 6], [7, 0]]
  """
  lengths = tf.reduce_sum(inputs["input_mask"], axis=1)
  longest = tf.maximum(tf.reduce_max(lengths), 1)  # of no request: the least
  return {name: value[:, :longest] for name, value in inputs.items()}
