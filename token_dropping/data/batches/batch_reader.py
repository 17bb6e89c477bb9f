# SPDX-License-Identifier: Apache-2.0
"""Files of records -> parsed batches, from any step on."""

from collections.abc import Callable, Mapping

import tensorflow as tf
from official.core import config_definitions as cfg
from official.core import input_reader
from official.nlp.data import data_loader

from token_dropping.data.batches import epochs


def read_batches(
  data: cfg.DataConfig,
  parse: Callable[[tf.Tensor, epochs.ReadRecord], dict],
  empty_record: bytes,
  input_context: tf.distribute.InputContext | None = None,
  first_step: int = 0,
  skipper=None,
) -> tf.data.Dataset:
  """Returns batches of the records of `data`; training is from `first_step`.

  `parse` makes a batch of its number and its records. With a
  `bad_records.RecordSkipper` bad records are `empty_record`, else an error.
  """
  context = input_context or tf.distribute.InputContext()
  size = context.get_per_replica_batch_size(data.global_batch_size)
  contents = None
  if skipper is not None:
    contents = skipper.contents
    parse = skipper.guarded(parse, empty_record)
  # The records are read and shuffled here, since Model Garden's reader cannot
  # begin in the middle; it does what comes after. Its cache would keep masks.
  reader = input_reader.InputReader(
    params=data.replace(cache=False, shuffle_buffer_size=1),
    transform_and_batch_fn=lambda dataset, _: dataset.batch(
      size, data.drop_remainder
    ).enumerate(),
    postprocess_fn=parse,
  )
  records = epochs.read_epochs(data, context, first_step, contents)
  return reader.read(input_context, records)


class RecordLoader(data_loader.DataLoader):
  """Reads batches of records of integers, as int32, which are 0 at padding.

  `features_of` a config returns their features by name. What a training step
  reads is a function of the config and the step, as of `PretrainDataLoader`.
  """

  features_of: Callable[[cfg.DataConfig], dict[str, tf.io.FixedLenFeature]]

  def __init__(self, params: cfg.DataConfig):
    self._params = params
    self._features = self.features_of(params)

  def load(
    self,
    input_context: tf.distribute.InputContext | None = None,
    first_step: int = 0,
    skipper=None,
  ) -> tf.data.Dataset:
    """Returns batches; see `read_batches`."""
    empty = empty_record(self._features)
    options = input_context, first_step, skipper
    return read_batches(self._params, self._parse, empty, *options)

  def _parse(self, index: tf.Tensor, records: epochs.ReadRecord) -> dict:
    """Returns a batch of its number and its records."""
    del index
    example = tf.io.parse_example(records.record, self._features)
    return {name: narrowed(example[name]) for name in self._features}


def narrowed(values: tf.Tensor) -> tf.Tensor:
  """Casts int64 to int32, and keeps an id that is too large too large."""
  if values.dtype != tf.int64:
    return values
  return tf.saturate_cast(values, tf.int32)


def empty_record(
  features: Mapping[str, tf.io.FixedLenFeature], pad_id: int = 0
) -> bytes:
  """Returns a serialized record of padding."""
  example = tf.train.Example()
  for name, feature in features.items():
    stored = example.features.feature[name]
    is_float = feature.dtype == tf.float32
    values = stored.float_list.value if is_float else stored.int64_list.value
    values.extend([pad_id * (name == "input_word_ids")] * feature.shape[0])
  return example.SerializeToString()
