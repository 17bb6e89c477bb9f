# SPDX-License-Identifier: Apache-2.0
"""What a record of packed pairs must be."""

import tensorflow as tf

from token_dropping.data.batches import pair_data
from token_dropping.data.batches import record_rules

_MORE_PAIRS = "pairs_of_one_side_alone"


class PairRules(record_rules.BatchRules):
  """All rules of a config of pairs, whose dotted path is for messages.

  `encoder` is the config of the network: its vocabulary bounds the ids.
  """

  def __init__(self, data: pair_data.PairDataConfig, encoder, path: str):
    vocab_size = encoder.vocab_size
    features = pair_data.record_features(data)
    names = {name: name for name in features}
    rules = [rule for side in pair_data.SIDES for rule in _rules(side)]
    rules += [
      record_rules.id_rule(side, vocab_size) for side in pair_data.SIDES
    ]
    rules.append(
      record_rules.ValueRule(
        _MORE_PAIRS,
        "must be 0: a sequence has as many sources as translations.",
        lambda values: values != 0,
      )
    )
    super().__init__(data, path, vocab_size, features, names, rules)

  def _compared(self, values: dict) -> dict:
    sides = [values.get(pair_data.segmentation(s)) for s in pair_data.SIDES]
    if any(side is None for side in sides):
      return {}
    sources, translations = (tf.reduce_max(side, -1) for side in sides)
    compared = {_MORE_PAIRS: tf.abs(sources - translations)[..., None]}
    for side, pairs in zip(pair_data.SIDES, sides, strict=True):
      is_wrong = (values[side] == 0) != (pairs == 0)
      compared[_padding(side)] = tf.cast(is_wrong, tf.int32)
    return compared

  def _length_field(self, name: str) -> str:
    return "target_length" if name.startswith("targets") else "seq_length"


def _rules(side: str) -> list[record_rules.ValueRule]:
  pairs = pair_data.segmentation(side)
  return [
    record_rules.ValueRule(
      pairs,
      "must be the numbers of the pairs from 1 on, ascending by 1, then 0.",
      _breaks_order,
    ),
    record_rules.ValueRule(
      _padding(side),
      f"must be 0: {side} are 0 where {pairs} are 0, and nowhere else.",
      lambda values: values != 0,
    ),
  ]


def _padding(side: str) -> str:
  return f"{side}_with_other_padding"


def _breaks_order(pairs: tf.Tensor) -> tf.Tensor:
  """Says where numbers of pairs [B, n] do not go on as they must."""
  before = tf.concat([tf.zeros_like(pairs[..., :1]), pairs[..., :-1]], -1)
  goes_on = (pairs == before) | (pairs == before + 1) | (pairs == 0)
  starts_late = (before == 0) & (pairs > 0)
  starts_late &= tf.range(tf.shape(pairs)[-1]) > 0
  return ~goes_on | starts_late
