# SPDX-License-Identifier: Apache-2.0
"""The kinds of models that can be exported, and what each brings.

Shapes: B requests, S tokens, P predictions, D hidden size, V vocabulary.
"""

import abc
from collections.abc import Sequence

import tensorflow as tf
import tf_keras

from token_dropping.common import errors
from token_dropping.common import vocabulary
from token_dropping.data.text import tokenizer as tokenizer_lib
from token_dropping.training import trained_run

LOGITS, SOFTMAX = "logits", "softmax"
TOKEN_INPUTS = ("input_word_ids", "input_mask", "input_type_ids")
POSITIONS = "masked_lm_positions"
ENCODER = "encoder"


class Head(abc.ABC):
  """A trained network with the names of what goes in and comes out.

  A new kind of model is a subclass, and a line in `HEADS`.

  Attributes:
    text_fields: names of the strings that make one request.
    echoed: names of inputs that requests of text get back, so that positions
      can be read.
    labels: path of a file with the name of each class; empty without one.
    has_logits: whether there are scores that `softmax` makes probabilities.
  """

  inputs: tuple[str, ...] = TOKEN_INPUTS
  text_fields: tuple[str, ...] = ("text",)
  echoed: tuple[str, ...] = ("input_word_ids",)
  labels = ""
  has_logits = True

  def __init__(self, run: trained_run.TrainedRun, output: str = LOGITS):
    rule = f"--output must be {LOGITS} for this model: it gives no class scores"
    errors.require(self.has_logits or output == LOGITS, rule, repr(output))
    self.output = output
    self.max_length = run.encoder.max_position_embeddings
    self._network = self.build_network(run)

  def build_network(self, run: trained_run.TrainedRun) -> tf_keras.Model:
    return run.build()

  @abc.abstractmethod
  def outputs(self, inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Runs the network on checked tensors; returns tensors [B, ...] by name."""

  def encode(
    self, tokenizer: tokenizer_lib.Tokenizer, texts: Sequence[tf.Tensor]
  ) -> dict[str, tf.Tensor]:
    """Makes inputs of one [B] string tensor for each text field.

    They are as long as the longest request, which is cut at `max_length`.
    """
    return cut_padding(tokenizer.encode(texts, self.max_length))

  def scores(self, name: str, logits: tf.Tensor, mask=None) -> dict:
    """Returns `{name}_logits` or their softmax where the mask is not 0."""
    if self.output == LOGITS:
      return {f"{name}_logits": logits}
    if mask is not None:
      logits += (1.0 - tf.cast(mask, logits.dtype)) * logits.dtype.min / 2
    return {f"{name}_probabilities": tf.nn.softmax(logits)}


class Encoder(Head):
  """Gives `sequence_output` [B, S, D] and `pooled_output` [B, D]."""

  has_logits = False

  def build_network(self, run):
    return run.build_encoder()

  def outputs(self, inputs):
    outputs = self._network(inputs)
    names = ("sequence_output", "pooled_output")
    return {name: outputs[name] for name in names}


class MaskedLM(Head):
  """Gives `mlm_logits` [B, P, V] at `masked_lm_positions` [B, P].

  In text, `[MASK]` is a token to predict. Of texts with fewer masks than others
  in the same request, the positions end in zeros.
  """

  inputs = (*TOKEN_INPUTS, POSITIONS)
  echoed = ("input_word_ids", POSITIONS)

  def outputs(self, inputs):
    return self.scores("mlm", self._network(inputs)["mlm_logits"])

  def encode(self, tokenizer, texts):
    (text,) = texts
    ids = tokenizer.vocab.special_ids
    pieces = tf.strings.split(text, vocabulary.MASK)  # [B, masks + 1]
    tokens = tokenizer.tokenize(pieces.flat_values)
    tokens = tf.concat([tokens, _column(tokens, ids[vocabulary.MASK])], axis=1)
    tokens = pieces.with_flat_values(tokens).merge_dims(1, 2)
    tokens = tokens[:, :-1][:, : self.max_length - 2]
    start = _column(tokens, ids[vocabulary.CLS])
    end = _column(tokens, ids[vocabulary.SEP])
    word_ids = tf.concat([start, tokens, end], axis=1)
    positions = tf.ragged.boolean_mask(
      tf.ragged.range(word_ids.row_lengths()), word_ids == ids[vocabulary.MASK]
    )
    mask = padded(tf.ones_like(word_ids))
    return {
      "input_word_ids": padded(word_ids, ids[vocabulary.PAD]),
      "input_mask": mask,
      "input_type_ids": tf.zeros_like(mask),
      POSITIONS: tf.cast(positions.to_tensor(), tf.int32),
    }


class Classifier(Head):
  """Gives `outputs` [B, classes], the name in Model Garden's module."""

  echoed = ()

  def __init__(self, run, output=LOGITS):
    classes = run.task["model"]["num_classes"]
    self.has_logits = classes > 1
    self.text_fields = run.text_fields
    self.labels = run.labels
    run.label_names(classes)  # checks them
    super().__init__(run, output)

  def outputs(self, inputs):
    logits = self._network(inputs)
    if self.output == SOFTMAX:
      logits = tf.nn.softmax(logits)
    return {"outputs": logits}


class SpanLabeler(Head):
  """Gives `start_logits` and `end_logits` [B, S]; none chooses padding."""

  text_fields = ("question", "context")

  def outputs(self, inputs):
    start, end = self._network(inputs)
    mask = inputs["input_mask"]
    return self.scores("start", start, mask) | self.scores("end", end, mask)


HEADS = {
  ENCODER: Encoder,
  trained_run.MASKED_LM: MaskedLM,
  trained_run.CLASSIFICATION: Classifier,
  trained_run.SPAN: SpanLabeler,
}


def make_head(
  name: str, run: trained_run.TrainedRun, output: str = LOGITS
) -> Head:
  """Builds a head with the weights of a run; no name means what it trained."""
  name = name or run.kind
  rule = f"--head must be {ENCODER} or {run.kind}, which {run.model_dir} holds"
  errors.require(name in (ENCODER, run.kind), rule, repr(name))
  return HEADS[name](run, output)


def padded(values: tf.RaggedTensor, filler: int = 0) -> tf.Tensor:
  """Returns [B, S], rows filled up to the longest; S is 1 where B is 0.

  No network reads a sequence without a place.

  >>> padded(tf.ragged.constant([[5, 6], [7]])).numpy().tolist()
  [[5, 6], [7, 0]]
  >>> padded(tf.RaggedTensor.from_row_lengths([], [])).shape.as_list()
  [0, 1]
  """
  longest = values.bounding_shape(axis=1)
  columns = tf.where(values.nrows() > 0, longest, tf.ones_like(longest))
  shape = tf.stack([values.nrows(), columns])
  return values.to_tensor(filler, shape=shape)


def cut_padding(inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
  """Takes off the columns [B, S] that are padding in every request.

  >>> ids = tf.constant([[5, 6, 0], [7, 0, 0]])
  >>> mask = tf.sign(ids)
  >>> cut_padding(dict(ids=ids, input_mask=mask))["ids"].numpy().tolist()
  [[5, 6], [7, 0]]
  """
  lengths = tf.reduce_sum(inputs["input_mask"], axis=1)
  longest = tf.maximum(tf.reduce_max(lengths), 1)  # of no request: the least
  return {name: value[:, :longest] for name, value in inputs.items()}


def _column(tokens: tf.RaggedTensor, value: int) -> tf.Tensor:
  return tf.fill([tokens.nrows(), 1], value)
