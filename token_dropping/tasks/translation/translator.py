# SPDX-License-Identifier: Apache-2.0
"""Sentences in, translations out: tokenizer, network and beam search."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from official.nlp.modeling import models

from token_dropping.data.text import subword_tokenizer

_BATCH = 32


class Translator(tf.Module):
  """A Transformer and its tokenizer in a graph; nothing is dropped.

  A sentence of more than `longest` tokens, its end included, is cut off there,
  and ends.
  """

  def __init__(
    self,
    model: models.Seq2SeqTransformer,
    tokenizer: subword_tokenizer.SubwordTokenizer,
    longest: int,
  ):
    super().__init__()
    self.tokenizer = tokenizer
    self._model = model
    self.longest = longest

  @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
  def translate(self, texts: tf.Tensor) -> tf.Tensor:
    """Returns the best translations that beam search finds, [B].

    What is empty stays so.
    """
    ids = self.tokenizer.tokenize(texts)
    ids = _cut(ids, self.longest).to_tensor()
    found = self._model({"inputs": ids})["outputs"]
    # A network may have more ids than its tokenizer.
    unknown = subword_tokenizer.UNK_ID
    found = tf.where(found < len(self.tokenizer), found, unknown)
    translations = self.tokenizer.detokenize(found)
    return tf.where(tf.strings.strip(texts) == "", "", translations)

  def count_cut(self, texts: Sequence[str]) -> int:
    """Returns how many sentences are too long."""
    if not texts:
      return 0
    lengths = self.tokenizer.tokenize(tf.constant(texts)).row_lengths()
    return int(tf.math.count_nonzero(lengths > self.longest))

  def translate_all(self, texts: Sequence[str]) -> list[str]:
    """Returns the translations of any number of sentences, in their order.

    Those of about the same length are translated together.
    """
    order = np.argsort([len(text) for text in texts], kind="stable")
    found = [""] * len(texts)
    for start in range(0, len(texts), _BATCH):
      places = order[start : start + _BATCH]
      batch = tf.constant([texts[place] for place in places])
      made = self.translate(batch).numpy()
      for place, text in zip(places, made, strict=True):
        found[place] = text.decode(errors="replace")
    return found


def _cut(ids: tf.RaggedTensor, longest: int) -> tf.RaggedTensor:
  """Cuts off rows of more tokens; then the last one is the end.

  >>> ids = tf.ragged.constant([[5, 6, 7, 1], [8, 1]])
  >>> _cut(ids, longest=3).to_list()
  [[5, 6, 1], [8, 1]]
  """
  ends = tf.fill([ids.nrows(), 1], subword_tokenizer.END_ID)
  return tf.concat([ids[:, :-1][:, : longest - 1], ends], axis=1)
