# SPDX-License-Identifier: Apache-2.0
"""The first validation records of a run, with what was masked put back."""

import dataclasses

import numpy as np
import tensorflow as tf

from token_dropping.common import errors
from token_dropping.common import vocabulary
from token_dropping.data.batches import pretrain_data
from token_dropping.data.batches import record_rules
from token_dropping.explain import sequences

# Records may hold the same text several times, with other masks.
_COPIES = 4


def read(
  data: pretrain_data.PretrainDataConfig,
  vocab: vocabulary.Vocabulary,
  count: int,
) -> list[sequences.TextSequence]:
  """Returns the first different sequences, in the order of the records.

  Args:
    data: config of the validation records.
    vocab: of the run.
    count: int, how many at most. Four times as many records are looked at;
      those with ids or positions that cannot be are passed over.

  Raises:
    UserError: the records cannot be read.
  """
  batch = _good(_first_batch(data, count * _COPIES), len(vocab))
  originals = _originals(batch)
  found = {}
  for ids, types, mask in zip(
    originals, batch["input_type_ids"], batch["input_mask"], strict=True
  ):
    real = np.flatnonzero(mask)
    if len(real):
      found.setdefault(ids[real].tobytes(), (ids[real], types[real]))
  return [
    sequences.from_ids(ids, types, vocab)
    for ids, types in list(found.values())[:count]
  ]


def _first_batch(data: pretrain_data.PretrainDataConfig, size: int) -> dict:
  """Reads in one thread: the order of records must not depend on timing."""
  config = dataclasses.replace(
    data,
    is_training=False,
    global_batch_size=size,
    drop_remainder=False,
    cycle_length=1,
    deterministic=True,
  )
  errors.require(
    data.input_path and data.input_path != "dummy",
    "task.validation_data.input_path must name records",
    repr(data.input_path),
  )
  try:
    batches = pretrain_data.PretrainDataLoader(config).load()
    return next(batches.take(1).as_numpy_iterator())
  except (tf.errors.OpError, ValueError, StopIteration) as error:
    raise errors.UserError(
      "task.validation_data.input_path must be readable records. Received: "
      f"{errors.shorten(data.input_path)} ({errors.first_line(error)})"
    ) from error


def _good(batch: dict, vocab_size: int) -> dict:
  """Returns the rows without ids and positions outside their range."""
  good = True
  length = batch["input_word_ids"].shape[1]
  for rule in record_rules.range_rules(vocab_size, length):
    good &= ~rule.is_broken(batch[rule.feature]).any(axis=1)
  return {name: values[good] for name, values in batch.items()}


def _originals(batch: dict) -> np.ndarray:
  """Returns the ids [B, S] before they were masked."""
  ids = np.array(batch["input_word_ids"])
  rows, slots = np.nonzero(batch["masked_lm_weights"])
  positions = batch["masked_lm_positions"][rows, slots]
  ids[rows, positions] = batch["masked_lm_ids"][rows, slots]
  return ids
