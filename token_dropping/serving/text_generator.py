# SPDX-License-Identifier: Apache-2.0
"""Text that a causal language model goes on with, and what text costs it."""

import math
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from token_dropping.common import errors
from token_dropping.data.text import byte_tokenizer
from token_dropping.models.causal import generation
from token_dropping.models.causal import sampling
from token_dropping.training import trained_run


def check_prompts(
  run: trained_run.TrainedRun, prompts: Sequence[str], max_new_tokens: int
) -> None:
  """Refuses what is no text, and what is too long for the network.

  It needs no weights. The `UserError` names `--prompt`.
  """
  longest = run.encoder.max_position_embeddings - max_new_tokens
  rule = (
    f"--prompt must have at most {longest} tokens, max_position_embeddings "
    "less --max_new_tokens"
  )
  for prompt in prompts:
    errors.require(bool(prompt), "--prompt must not be empty", repr(prompt))
    received = errors.shorten(prompt)
    errors.require(_is_utf8(prompt), "--prompt must be UTF-8", received)
    (count,) = run.tokenizer.tokenize([prompt.encode()]).row_lengths()
    errors.require(count <= longest, rule, f"{count} of {received}")


class TextGenerator(tf.Module):
  """The model of a run and its tokenizer, in a graph."""

  def __init__(self, run: trained_run.TrainedRun):
    super().__init__()
    self.max_length = run.encoder.max_position_embeddings
    self.tokenizer = run.tokenizer
    self.model = run.build_language_model()
    is_token = np.ones([run.encoder.vocab_size], bool)
    is_token[self.tokenizer.unused_ids(run.encoder.vocab_size)] = False
    self._generator = generation.Generator(
      self.model, is_token, byte_tokenizer.END_OF_TEXT_ID
    )

  @tf.function
  def generate(
    self, texts: tf.Tensor, max_new_tokens, how: sampling.Sampling
  ) -> tf.Tensor:
    """Returns the bytes [B] that follow texts [B] of at least one byte each.

    They may end within a character; after an end of text is nothing.
    """
    ids = self.tokenizer.tokenize(texts)
    lengths = tf.cast(ids.row_lengths(), tf.int32)
    new = self._generator.generate(
      ids.to_tensor(), lengths, max_new_tokens, how
    )
    return self.tokenizer.detokenize(new)

  @tf.function
  def score(self, texts: tf.Tensor) -> dict[str, tf.Tensor]:
    """Returns what texts [B] of at least one byte each cost, [B] each.

    `log_probability` is the sum of natural logarithms over all tokens, the
    first of which follows an end of text; `tokens` counts them.
    """
    ids = self.tokenizer.tokenize(texts)
    start = tf.fill([ids.nrows(), 1], byte_tokenizer.END_OF_TEXT_ID)
    inputs = tf.concat([start, ids[:, :-1]], axis=1).to_tensor()
    logits = self.model({"input_word_ids": inputs})["logits"]
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
      ids.to_tensor(), tf.cast(logits, tf.float32)
    )
    is_there = tf.sequence_mask(ids.row_lengths(), dtype=tf.float32)
    total = tf.reduce_sum(losses * is_there, axis=1)
    number = tf.cast(tf.strings.length(texts), tf.float32)
    return {
      "log_probability": -total,
      "tokens": tf.cast(ids.row_lengths(), tf.int32),
      "bits_per_byte": total / number / math.log(2.0),
    }


def _is_utf8(prompt: str) -> bool:
  """Python has bytes of a command line that are none as lone surrogates."""
  try:
    prompt.encode()
  except UnicodeEncodeError:
    return False
  return True
