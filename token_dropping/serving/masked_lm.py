# SPDX-License-Identifier: Apache-2.0
"""The masked-LM: which token stands at a masked position?"""

import tensorflow as tf

from token_dropping.common import vocabulary
from token_dropping.serving import head

POSITIONS = "masked_lm_positions"


class MaskedLM(head.Head):
  """Gives `mlm_logits` [B, P, V] at `masked_lm_positions` [B, P].

  In text, `[MASK]` stands for a token to predict. Of texts with fewer masks
  than others in the same request, the positions end in zeros.
  """

  inputs = (*head.TOKEN_INPUTS, POSITIONS)
  echoed = ("input_word_ids", POSITIONS)

  def build_network(self, run):
    return run.build_masked_lm()

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
    word_ids = tf.concat(
      [
        _column(tokens, ids[vocabulary.CLS]),
        tokens,
        _column(tokens, ids[vocabulary.SEP]),
      ],
      axis=1,
    )
    positions = tf.ragged.boolean_mask(
      tf.ragged.range(word_ids.row_lengths()),
      word_ids == ids[vocabulary.MASK],
    )
    mask = tf.ones_like(word_ids).to_tensor()
    return {
      "input_word_ids": word_ids.to_tensor(ids[vocabulary.PAD]),
      "input_mask": mask,
      "input_type_ids": tf.zeros_like(mask),
      POSITIONS: tf.cast(positions.to_tensor(), tf.int32),
    }


def _column(tokens: tf.RaggedTensor, value: int) -> tf.Tensor:
  return tf.fill([tokens.nrows(), 1], value)
