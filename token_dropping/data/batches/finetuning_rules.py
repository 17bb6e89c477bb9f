# SPDX-License-Identifier: Apache-2.0
"""What a fine-tuning record must be: as in pretraining, and its labels."""

import tensorflow as tf
from official.core import config_definitions as cfg

from token_dropping.common import errors
from token_dropping.data.batches import record_rules

# Names in a record of what the encoder reads, by those of a batch.
_STORED = {
  "input_word_ids": "input_ids",
  "input_mask": "input_mask",
  "input_type_ids": "segment_ids",
}


class FinetuningRules:
  """All rules of a data config, whose dotted path is for messages.

  `encoder` is the config of the network. `classes` is the number of classes, 1
  where labels are numbers; unset, the labels of training are positions.
  """

  def __init__(
    self, data: cfg.DataConfig, encoder, path: str, classes: int | None = None
  ):
    self.data = data
    self.path = path
    sizes = (encoder.vocab_size, encoder.type_vocab_size, data.seq_length)
    rules = [
      rule._replace(feature=_STORED[rule.feature])
      for rule in record_rules.range_rules(*sizes)
      if rule.feature in _STORED
    ]
    self._lengths = {rule.feature: data.seq_length for rule in rules}
    self._rules = [*rules, *_label_rules(data, classes)]
    is_number = classes == 1
    self._types = {
      rule.feature: tf.float32
      if is_number and rule.feature not in self._lengths
      else tf.int64
      for rule in self._rules
    }

  def check(self, serialized: tf.Tensor) -> tf.Tensor:
    """Returns the same record, or fails where it breaks a rule on values.

    As stored: Model Garden's readers cut integers to 32 bits. See
    `record_rules.broken_rule` for the error.
    """
    kinds = {k: tf.io.RaggedFeature(v) for k, v in self._types.items()}
    example = tf.io.parse_single_example(serialized, kinds)
    assertions = []
    for rule in self._rules:
      values = example[rule.feature]
      broken = rule.is_broken(values)
      assertions.append(record_rules.assert_rule(rule, values, broken))
    with tf.control_dependencies(assertions):
      return tf.identity(serialized)

  def check_record(self, serialized: bytes, where: str) -> None:
    """Raises `UserError` for the first rule that a serialized record breaks."""
    stored = record_rules.stored_features(serialized, self.path, where)
    for rule in self._rules:
      name, length = rule.feature, self._lengths.get(rule.feature, 1)
      values = record_rules.stored_values(stored[name], self._types[name])
      rule_of_length = f"{self.path}: {name} must hold {length} value(s)"
      received = f"{len(values)} in {where}"
      errors.require(len(values) == length, rule_of_length, received)
      record_rules.check_values(rule, name, values, where)


def _label_rules(
  data: cfg.DataConfig, classes: int | None
) -> list[record_rules.ValueRule]:
  outside = record_rules.outside
  if classes is None:
    if not data.is_training:
      return []
    text = f"must be in [0, seq_length) ({data.seq_length})."
    names = ("start_positions", "end_positions")
    return [
      record_rules.ValueRule(name, text, outside(data.seq_length))
      for name in names
    ]
  rule, is_broken = f"must be in [0, classes) ({classes}).", outside(classes)
  if classes == 1:
    rule, is_broken = "must be finite.", _is_not_finite
  return [record_rules.ValueRule(data.label_field, rule, is_broken)]


def _is_not_finite(values: tf.Tensor) -> tf.Tensor:
  return ~tf.math.is_finite(values)
