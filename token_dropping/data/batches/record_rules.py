# SPDX-License-Identifier: Apache-2.0
"""What a record must be, each rule stated once.

`pretrain_data.record_features` says which features a record holds and how many
values each, `ValueRule`s what these must be. A batch is checked in the graph
of the input pipeline, a single record eagerly, to say what is wrong with it.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from google.protobuf import message
from official.core import config_definitions as cfg

from token_dropping.common import errors
from token_dropping.data.batches import pretrain_data

# Of a batch whose bad records are skipped: 1.0 for each of them, [B] float32.
SKIPPED = "skipped_records"


class ValueRule(NamedTuple):
  """What the values of a feature must be.

  `text` is the rule for people, with the end of its sentence. `is_broken` takes
  the values [B, n]; it returns where they break the rule, [B, n], or which
  records do, [B, 1] bool.
  """

  feature: str
  text: str
  is_broken: Callable[[tf.Tensor], tf.Tensor]


def outside(end: int) -> Callable[[tf.Tensor], tf.Tensor]:
  """Returns what finds values that are not in [0, end)."""
  return lambda values: (values < 0) | (values >= end)


def rises(values: tf.Tensor) -> tf.Tensor:
  """Says where values [B, n] are above the one before, [B, n] bool."""
  first = tf.zeros_like(values[..., :1], tf.bool)
  return tf.concat([first, values[..., 1:] > values[..., :-1]], axis=-1)


def id_rule(feature: str, vocab_size: int) -> ValueRule:
  """Returns the rule on ids of tokens."""
  text = (
    f"must be in [0, vocab_size) ({vocab_size}); is the encoder's vocab_size "
    "that of the records?"
  )
  return ValueRule(feature, text, outside(vocab_size))


def range_rules(
  vocab_size: int, type_vocab_size: int, seq_length: int
) -> list[ValueRule]:
  """Returns the rules on all features of integers, static masks or none."""
  is_type = (
    f"must be in [0, type_vocab_size) ({type_vocab_size}); is the encoder's "
    "type_vocab_size that of the records?"
  )
  is_position = f"must be in [0, seq_length) ({seq_length})."
  flags = ("input_mask", "word_starts", "next_sentence_labels")

  return [
    id_rule("input_word_ids", vocab_size),
    id_rule("masked_lm_ids", vocab_size),
    ValueRule("masked_lm_positions", is_position, outside(seq_length)),
    ValueRule("position_ids", is_position, outside(seq_length)),
    ValueRule("input_type_ids", is_type, outside(type_vocab_size)),
    *(ValueRule(name, "must be 0 or 1.", outside(2)) for name in flags),
    # Fused attention is told how long a sequence is, and no more.
    ValueRule("input_mask", "must be 0 from the first 0 on.", rises),
  ]


def _value_rules(data: cfg.DataConfig, encoder) -> list[ValueRule]:
  """Returns the rules on the values in a config's batches.

  Dynamic masks may leave a record without prediction, and Model Garden's
  made-up records have none: no rule on weights.
  """
  rules = range_rules(
    encoder.vocab_size, encoder.type_vocab_size, data.seq_length
  )
  if pretrain_data.is_dynamic(data) or data.input_path == "dummy":
    return rules

  def is_broken(weights: tf.Tensor) -> tf.Tensor:
    fine = (weights >= 0) & tf.math.is_finite(weights)
    fine = tf.reduce_all(fine, axis=1, keepdims=True)
    return ~(fine & tf.reduce_any(weights > 0, axis=1, keepdims=True))

  is_weight = "must be finite, at least 0, and one of a record above."
  return [*rules, ValueRule("masked_lm_weights", is_weight, is_broken)]


def broken_rule(error: tf.errors.OpError) -> str | None:
  """Returns the complaint of `assert_rule`, if an error is one."""
  complaint = r"\w+ must be [^\n]*? Received: [^\]\n]*"
  # TensorFlow shows the strings of an assertion escaped.
  match = re.search(complaint, str(error).replace("\\'", "'"))
  return match and match.group()


def assert_rule(
  rule: ValueRule, values: tf.Tensor, broken: tf.Tensor
) -> tf.Operation:
  """Makes the graph fail where values are `broken`; see `broken_rule`."""
  worst = tf.reduce_max(tf.where(broken, values, values.dtype.min))
  complaint = f"{rule.feature} {rule.text} Received: {{}}"
  complaint = tf.strings.format(complaint, worst)
  return tf.debugging.Assert(~tf.reduce_any(broken), [complaint])


def check_values(
  rule: ValueRule, name: str, values: np.ndarray, where: str
) -> None:
  """Refuses values [n] of a record that calls the rule's feature `name`."""
  broken = np.asarray(rule.is_broken(values[None]))[0]
  if broken.any():
    # A rule on a whole record shows all of its values.
    is_whole = len(broken) < len(values)
    received = values.tolist() if is_whole else values[broken][0]
    raise errors.UserError(
      f"{name} {rule.text} Received: {received} in {where}"
    )


def stored_features(serialized: bytes, path: str, where: str):
  """Returns the features of a record by name; refuses what is no example."""
  rule = f"{path}: records must be tf.train.Example"
  with errors.refusing(rule, f"{where}, which is not", message.DecodeError):
    return tf.train.Example.FromString(serialized).features.feature


def stored_values(feature: tf.train.Feature, dtype: tf.DType) -> np.ndarray:
  """Returns the values of a feature, [n] of a type."""
  is_float = dtype == tf.float32
  stored = feature.float_list if is_float else feature.int64_list
  return np.array(stored.value, dtype.as_numpy_dtype)


class BatchRules:
  """The rules of a data config, whose dotted path is for messages.

  `vocab_size` is that of the network. `features` are those of a record by their
  names in a batch, `names` what the records call these, by the same; both are
  for records one by one.
  """

  def __init__(
    self,
    data: cfg.DataConfig,
    path: str,
    vocab_size: int,
    features: Mapping[str, tf.io.FixedLenFeature],
    names: Mapping[str, str],
    value_rules: Sequence[ValueRule],
  ):
    self.data = data
    self.path = path
    self.vocab_size = vocab_size
    self._features = features
    self._names = names
    self._value_rules = value_rules

  def check_batch(self, batch: dict) -> dict[str, tf.Tensor]:
    """Returns the same batch, or fails where a record breaks a rule on values.

    Without it a lookup on an accelerator would clip a wrong id silently. See
    `broken_rule` for the error. Records that `SKIPPED` marks may be anything.
    """
    assertions = []
    compared = batch | self._compared(batch)
    for rule in self._value_rules:
      if rule.feature not in compared:
        continue
      values = compared[rule.feature]
      broken = rule.is_broken(values)
      if SKIPPED in batch:
        broken &= batch[SKIPPED][:, None] == 0
      assertions.append(assert_rule(rule, values, broken))
    with tf.control_dependencies(assertions):
      checked = {name: tf.identity(batch[name]) for name in batch}
    checked.pop("word_starts", None)  # masking has read it
    return checked

  def check_record(self, serialized: bytes, where: str) -> None:
    """Raises `UserError` for the first rule that a serialized record breaks."""
    stored = stored_features(serialized, self.path, where)
    self._check_form(stored, where)
    self._check_missing(stored, where)
    values = {}
    for name, feature in self._features.items():
      if self._names[name] in stored:
        values[name] = stored_values(stored[self._names[name]], feature.dtype)
        self._check_length(name, values[name], where)
    compared = self._compared(values)
    values |= {name: np.asarray(found) for name, found in compared.items()}
    for rule in self._value_rules:
      if rule.feature in values:
        name = self._names.get(rule.feature, rule.feature)
        check_values(rule, name, values[rule.feature], where)

  def _compared(self, values: Mapping) -> dict:
    """Returns, for rules on several features, what these say together."""
    return {}

  def _length_field(self, name: str) -> str:
    """Returns the field of the config that says how long a feature is."""
    of_predictions = name.startswith("masked_lm_")
    return "max_predictions_per_seq" if of_predictions else "seq_length"

  def _check_form(self, stored, where: str) -> None:
    """Refuses records of another kind, with the field that tells it."""

  def _check_missing(self, stored, where: str) -> None:
    needed = {
      self._names[name]
      for name, feature in self._features.items()
      if feature.default_value is None
    }
    missing = sorted(needed - set(stored))
    errors.require(
      not missing,
      f"{self.path}: records must have the features "
      f"{', '.join(sorted(needed))}",
      f"{where} without {', '.join(missing)}",
    )

  def _check_length(self, name: str, values: np.ndarray, where: str) -> None:
    length = self._features[name].shape[0]
    if len(values) == length:
      return
    if name == "next_sentence_labels":
      raise errors.UserError(
        f"{name} must be one number. Received: {values.tolist()} in {where}"
      )
    raise errors.UserError(
      f"{self.path}.{self._length_field(name)} must be that of the records, "
      f"{len(values)} ({self._names[name]} in {where}). Received: {length}"
    )


class RecordRules(BatchRules):
  """All rules of a config of masked-LM data.

  `encoder` is the config of the network: its vocabularies bound the ids.
  """

  def __init__(self, data: cfg.DataConfig, encoder, path: str):
    features = pretrain_data.record_features(data)
    names = {name: pretrain_data.stored_name(name, data) for name in features}
    rules = _value_rules(data, encoder)
    super().__init__(data, path, encoder.vocab_size, features, names, rules)

  def _check_form(self, stored, where: str) -> None:
    self._check_masking(stored, where)
    self._check_version(stored, where)

  def _check_masking(self, stored, where: str) -> None:
    """Refuses records that were made for the other kind of masking."""
    is_dynamic = pretrain_data.is_dynamic(self.data)
    has_masks = "masked_lm_positions" in stored
    if has_masks == ("word_starts" in stored) or has_masks != is_dynamic:
      return
    errors.require(
      isinstance(self.data, pretrain_data.PretrainDataConfig),
      f"{self.path}: records must hold masks, which bert/pretraining does "
      f"not make ({where}); the dense baseline with dynamic masking is "
      "bert/token_drop with task.model.encoder.any.token_keep_ratio=1.0",
      "word_starts without masked_lm_positions",
    )
    wanted = "static" if is_dynamic else "dynamic"
    raise errors.UserError(
      f"{self.path}.masking must be {wanted} for these records ({where}). "
      f"Received: {self.data.masking!r}"
    )

  def _check_version(self, stored, where: str) -> None:
    """Refuses the feature names of the other version."""
    is_v2 = self.data.use_v2_feature_names
    errors.require(
      ("input_ids" in stored, "input_word_ids" in stored) != (is_v2, not is_v2),
      f"{self.path}.use_v2_feature_names must be {str(not is_v2).lower()} "
      f"for these records ({where})",
      str(is_v2).lower(),
    )
