# SPDX-License-Identifier: Apache-2.0
"""What a record must be, each rule stated once.

Which features a record holds and how long they are is the specification that
the input pipeline parses with, `pretrain_data.record_features`. What their
values must be is the table of `value_rules`. A batch is checked in the graph of
the input pipeline; a single record is checked eagerly, to say what is wrong
with it.

Glossary: B batch, S sequence length, n values of a feature, V vocabulary.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from google.protobuf import message
from official.core import config_definitions as cfg

from token_dropping.common import errors
from token_dropping.data.batches import pretrain_data

# Of a batch whose bad records are skipped: 1.0 for each of them, [B] float32.
SKIPPED = "skipped_records"


class Rule(NamedTuple):
  """What the values of a feature must be.

  Attributes:
    feature: its name in a batch.
    text: the rule, for people, up to the end of its sentence.
    is_broken: takes the values [B, n]; returns where they break the rule,
      [B, n], or which records do, [B, 1] bool.
  """

  feature: str
  text: str
  is_broken: Callable[[tf.Tensor], tf.Tensor]


def range_rules(vocab_size: int, seq_length: int) -> list[Rule]:
  """Returns the rules on ids and positions."""
  known = (
    f"must be in [0, vocab_size) ({vocab_size}); is the encoder's vocab_size "
    "that of the records?"
  )
  inside = f"must be in [0, seq_length) ({seq_length})."

  def not_below(end: int) -> Callable[[tf.Tensor], tf.Tensor]:
    return lambda values: (values < 0) | (values >= end)

  return [
    Rule("input_word_ids", known, not_below(vocab_size)),
    Rule("masked_lm_ids", known, not_below(vocab_size)),
    Rule("masked_lm_positions", inside, not_below(seq_length)),
  ]


def value_rules(data: cfg.DataConfig, vocab_size: int) -> list[Rule]:
  """Returns the rules on the values that a config's batches hold.

  Masks that are drawn in the input pipeline may leave a record without
  prediction, and Model Garden's made-up records have none: no rule on weights.
  """
  rules = range_rules(vocab_size, data.seq_length)
  if pretrain_data.is_dynamic(data) or data.input_path == "dummy":
    return rules

  def is_broken(weights: tf.Tensor) -> tf.Tensor:
    fine = tf.reduce_all(weights >= 0, axis=1, keepdims=True)
    return ~(fine & tf.reduce_any(weights > 0, axis=1, keepdims=True))

  weights = "must be at least 0, and one of a record above."
  return [*rules, Rule("masked_lm_weights", weights, is_broken)]


# A batch, in the graph.


def checked(
  dataset: tf.data.Dataset, data: cfg.DataConfig, vocab_size: int
) -> tf.data.Dataset:
  """Stops a run at the first batch with a value that breaks a rule.

  Without it a lookup on an accelerator would clip a wrong id silently. See
  `broken_rule` for the error.

  Args:
    dataset: batches, as dictionaries.
    data: their config, a `BertPretrainDataConfig`.
    vocab_size: V.

  Returns:
    The same batches.
  """
  rules = value_rules(data, vocab_size)
  return dataset.map(lambda batch: check_batch(batch, rules))


def check_batch(batch: dict, rules: list[Rule]) -> dict[str, tf.Tensor]:
  """Returns the same batch, or fails where a record breaks a rule.

  Records that `SKIPPED` marks may break every rule.
  """
  assertions = []
  for rule in rules:
    values = batch[rule.feature]
    broken = rule.is_broken(values)
    if SKIPPED in batch:
      broken &= batch[SKIPPED][:, None] == 0
    worst = tf.reduce_max(tf.where(broken, values, values.dtype.min))
    complaint = f"{rule.feature} {rule.text} Received: {{}}"
    complaint = tf.strings.format(complaint, worst)
    is_fine = ~tf.reduce_any(broken)
    assertions.append(tf.debugging.Assert(is_fine, [complaint]))
  with tf.control_dependencies(assertions):
    return {name: tf.identity(values) for name, values in batch.items()}


def broken_rule(error: tf.errors.OpError) -> str | None:
  """Returns the complaint of `check_batch`, if an error is one."""
  names = "input_word_ids|masked_lm_(?:ids|positions|weights)"
  complaint = rf"(?:{names}) must be [^\n]*? Received: [^\]\n]*"
  # TensorFlow shows the strings of an assertion escaped.
  match = re.search(complaint, str(error).replace("\\'", "'"))
  return match and match.group()


# A record, to say what is wrong with it.


def check_record(
  serialized: bytes,
  data: cfg.DataConfig,
  vocab_size: int,
  path: str,
  where: str,
) -> None:
  """Compares one record with the config.

  Args:
    serialized: the record.
    data: a `BertPretrainDataConfig`.
    vocab_size: V.
    path: dotted path of `data`, for messages.
    where: file and number of the record, for messages.

  Raises:
    UserError: the first rule that it breaks.
  """
  try:
    example = tf.train.Example.FromString(serialized)
  except message.DecodeError as error:
    raise errors.UserError(
      f"{path}: records must be tf.train.Example. Received: {where}, "
      "which is not"
    ) from error
  present = set(example.features.feature)
  _check_masking(present, data, path, where)
  _check_version(present, data, path, where)
  _check_names(present, data, path, where)
  values = {}
  for name, feature in pretrain_data.record_features(data).items():
    stored = pretrain_data.stored_name(name, data)
    if stored in present:
      values[name] = _values(example.features.feature[stored], feature.dtype)
      _check_length(values[name], feature.shape[0], name, data, path, where)
  for rule in value_rules(data, vocab_size):
    if rule.feature in values:
      name = pretrain_data.stored_name(rule.feature, data)
      _check_values(values[rule.feature], rule, name, where)


def _check_masking(present: set, data: cfg.DataConfig, path, where) -> None:
  """Refuses records that were made for the other kind of masking."""
  has_masks = "masked_lm_positions" in present
  dynamic = pretrain_data.is_dynamic(data)
  if has_masks == ("word_starts" in present) or has_masks != dynamic:
    return
  if not isinstance(data, pretrain_data.PretrainDataConfig):
    raise errors.UserError(
      f"{path}: records must hold masks, which bert/pretraining does not make "
      f"({where}); the dense baseline with dynamic masking is bert/token_drop "
      "with task.model.encoder.any.token_keep_ratio=1.0. "
      "Received: word_starts without masked_lm_positions"
    )
  wanted = "static" if dynamic else "dynamic"
  raise errors.UserError(
    f"{path}.masking must be {wanted} for these records ({where}). "
    f"Received: {data.masking!r}"
  )


def _check_version(present: set, data: cfg.DataConfig, path, where) -> None:
  """Refuses records with the feature names of the other version."""
  is_v2 = data.use_v2_feature_names
  if ("input_ids" in present, "input_word_ids" in present) == (
    is_v2,
    not is_v2,
  ):
    raise errors.UserError(
      f"{path}.use_v2_feature_names must be {str(not is_v2).lower()} for these "
      f"records ({where}). Received: {str(is_v2).lower()}"
    )


def _check_names(present: set, data: cfg.DataConfig, path, where) -> None:
  needed = {
    pretrain_data.stored_name(name, data)
    for name, feature in pretrain_data.record_features(data).items()
    if feature.default_value is None
  }
  if needed - present:
    raise errors.UserError(
      f"{path}: records must have the features {', '.join(sorted(needed))}. "
      f"Received: {where} without {', '.join(sorted(needed - present))}"
    )


def _values(feature: tf.train.Feature, dtype: tf.DType) -> np.ndarray:
  is_float = dtype == tf.float32
  stored = feature.float_list if is_float else feature.int64_list
  return np.array(stored.value, dtype.as_numpy_dtype)


def _check_length(
  values: np.ndarray, length: int, name: str, data: cfg.DataConfig, path, where
) -> None:
  if len(values) == length:
    return
  if name == "next_sentence_labels":
    raise errors.UserError(
      f"{name} must be one number. Received: {values.tolist()} in {where}"
    )
  of_predictions = name.startswith("masked_lm_")
  field = "max_predictions_per_seq" if of_predictions else "seq_length"
  raise errors.UserError(
    f"{path}.{field} must be that of the records, {len(values)} "
    f"({pretrain_data.stored_name(name, data)} in {where}). Received: {length}"
  )


def _check_values(
  values: np.ndarray, rule: Rule, name: str, where: str
) -> None:
  broken = rule.is_broken(tf.constant(values[None]))[0].numpy()
  if broken.any():
    # A rule on the whole record shows all of its values.
    is_whole = len(broken) < len(values)
    received = values.tolist() if is_whole else values[broken][0]
    raise errors.UserError(
      f"{name} {rule.text} Received: {received} in {where}"
    )
