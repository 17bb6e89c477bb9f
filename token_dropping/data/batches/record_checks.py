# SPDX-License-Identifier: Apache-2.0
"""Do the records fit the config? Asked before anything is built."""

import tensorflow as tf
from google.protobuf import message
from official.common import dataset_fn
from official.core import config_definitions as cfg
from official.core import input_reader

from token_dropping.common import errors
from token_dropping.common import vocabulary
from token_dropping.data.batches import file_contents
from token_dropping.data.batches import pretrain_data
from token_dropping.data.batches import value_checks

# How much of the data is looked at before the run starts. Those that
# remain are checked as they are read, by `value_checks`.
FILES_CHECKED = 8
RECORDS_CHECKED = 16

DYNAMIC_SEQUENCES = ("input_word_ids", "word_starts")
SEQUENCES = ("input_word_ids", "input_mask", "input_type_ids")
PREDICTIONS = ("masked_lm_positions", "masked_lm_ids", "masked_lm_weights")


def check_records(data: cfg.DataConfig, vocab_size: int, path: str) -> None:
  """Compares the first records of the first files with the config.

  Args:
    data: a `BertPretrainDataConfig`.
    vocab_size: int, V.
    path: dotted path of `data`, for messages.

  Raises:
    UserError: no input, unreadable records, records that do not fit, or no
      vocabulary to mask them with; with the file, the rule and the value.
  """
  if data.tfds_name or data.input_path == "dummy":
    return
  if pretrain_data.is_dynamic(data):
    _check_vocab_file(data, vocab_size, path)
  found, complaint = 0, None
  for file in _matching_files(data, path)[:FILES_CHECKED]:
    for index, record in enumerate(_first_records(file, data, path)):
      where = f"{file}, record {index}"
      try:
        check_example(record, data, vocab_size, path, where)
        found += 1
      except errors.UserError as error:
        if not pretrain_data.skips_bad_records(data):
          raise
        complaint = complaint or error
  if complaint and not found:
    raise complaint  # it is the config that does not fit
  if not found:
    raise errors.UserError(
      f"{path}.input_path must hold records. Received: {data.input_path!r}, "
      "whose files are empty"
    )


def check_example(
  serialized: bytes, data: cfg.DataConfig, vocab_size: int, path, where: str
) -> None:
  """Compares one record with the config.

  Args:
    serialized: the record.
    data: a `BertPretrainDataConfig`.
    vocab_size: int, V.
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
  _check_names(example, data, path, where)
  _check_lengths(example, data, path, where)
  _check_label(example, data, where)
  _check_values(example, data, vocab_size, where)


def _matching_files(data: cfg.DataConfig, path: str) -> list[str]:
  if not data.input_path:
    raise errors.UserError(
      f"{path}.input_path must name TFRecord files, for example with "
      f"--params_override={path}.input_path='data/train-*'. Received: ''"
    )
  try:
    return input_reader.match_files(data.input_path)
  except (ValueError, tf.errors.OpError) as error:
    raise errors.UserError(
      f"{path}.input_path must match at least one file. "
      f"Received: {data.input_path!r}"
    ) from error


def _first_records(file: str, data: cfg.DataConfig, path: str) -> list[bytes]:
  """Reads the first records of a file; to skip bad ones, up to a fault."""
  content = file_contents.read_file(file, data, RECORDS_CHECKED)
  if content.fault and not pretrain_data.skips_bad_records(data):
    raise errors.UserError(content.describe_fault(path))
  read = dataset_fn.pick_dataset_fn(data.file_type)
  return list(read(file).take(content.records).as_numpy_iterator())


def _check_vocab_file(
  data: pretrain_data.PretrainDataConfig, vocab_size: int, path: str
) -> None:
  if not data.vocab_file:
    raise errors.UserError(
      f"{path}.vocab_file must name the vocab.txt of the records with "
      f"{path}.masking=dynamic. Received: ''"
    )
  words = len(vocabulary.Vocabulary.from_file(data.vocab_file))
  if words > vocab_size:
    raise errors.UserError(
      f"{path}.vocab_file must have at most the encoder's vocab_size tokens "
      f"({vocab_size}). Received: {data.vocab_file!r} with {words}"
    )


def _feature_name(name: str, data: cfg.DataConfig) -> str:
  return (
    name
    if data.use_v2_feature_names
    else pretrain_data.V1_NAMES.get(name, name)
  )


def _check_names(example, data: cfg.DataConfig, path: str, where: str) -> None:
  present = set(example.features.feature)
  _check_masking(present, data, path, where)
  names = "input_ids" in present, "input_word_ids" in present
  if names == (data.use_v2_feature_names, not data.use_v2_feature_names):
    other = not data.use_v2_feature_names
    raise errors.UserError(
      f"{path}.use_v2_feature_names must be {str(other).lower()} for these "
      f"records ({where}). Received: {str(data.use_v2_feature_names).lower()}"
    )
  names = [*_sequences(example, data), *_predictions(data)]
  needed = {_feature_name(name, data) for name in names}
  if data.use_next_sentence_label:
    needed |= {_feature_name("input_type_ids", data), "next_sentence_labels"}
  if needed - present:
    raise errors.UserError(
      f"{path}: records must have the features {', '.join(sorted(needed))}. "
      f"Received: {where} without {', '.join(sorted(needed - present))}"
    )


def _sequences(example, data: cfg.DataConfig) -> tuple[str, ...]:
  """Returns the features of length S; input_type_ids where a record has it."""
  if not pretrain_data.is_dynamic(data):
    return SEQUENCES
  if "input_type_ids" in example.features.feature:
    return (*DYNAMIC_SEQUENCES, "input_type_ids")
  return DYNAMIC_SEQUENCES


def _predictions(data: cfg.DataConfig) -> tuple[str, ...]:
  """Returns the features of length P; with dynamic masking there are none."""
  return () if pretrain_data.is_dynamic(data) else PREDICTIONS


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


def _values(example, name: str, data: cfg.DataConfig) -> list:
  feature = example.features.feature[_feature_name(name, data)]
  if name == "masked_lm_weights":
    return list(feature.float_list.value)
  return list(feature.int64_list.value)


def _check_lengths(
  example, data: cfg.DataConfig, path: str, where: str
) -> None:
  for field, names in (
    ("seq_length", _sequences(example, data)),
    ("max_predictions_per_seq", _predictions(data)),
  ):
    configured = getattr(data, field)
    for name in names:
      length = len(_values(example, name, data))
      if length != configured:
        raise errors.UserError(
          f"{path}.{field} must be that of the records, {length} "
          f"({_feature_name(name, data)} in {where}). Received: {configured}"
        )


def _check_label(example, data: cfg.DataConfig, where: str) -> None:
  labels = _values(example, "next_sentence_labels", data)
  if data.use_next_sentence_label and len(labels) != 1:
    raise errors.UserError(
      f"next_sentence_labels must be one number. Received: {labels} in {where}"
    )


def _check_values(example, data, vocab_size: int, where: str) -> None:
  for name in value_checks.IDS:
    for value in _values(example, name, data):
      if not 0 <= value < vocab_size:
        raise errors.UserError(
          f"{_feature_name(name, data)}{value_checks.ID_RULE} ({vocab_size}); "
          "is the encoder's vocab_size that of the records? "
          f"Received: {value} in {where}"
        )
  for value in _values(example, "masked_lm_positions", data):
    if not 0 <= value < data.seq_length:
      raise errors.UserError(
        f"masked_lm_positions{value_checks.POSITION_RULE} ({data.seq_length}). "
        f"Received: {value} in {where}"
      )
  weights = _values(example, "masked_lm_weights", data)
  if weights and not (all(w >= 0 for w in weights) and max(weights) > 0):
    raise errors.UserError(
      f"masked_lm_weights{value_checks.WEIGHT_RULE}. "
      f"Received: {weights} in {where}"
    )
