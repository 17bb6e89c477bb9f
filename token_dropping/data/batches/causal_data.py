# SPDX-License-Identifier: Apache-2.0
"""Data of language models that read from left to right: ids, and no masks."""

import dataclasses

import tensorflow as tf
from official.core import config_definitions as cfg
from official.nlp.data import data_loader
from official.nlp.data import data_loader_factory

from token_dropping.data.batches import batch_reader
from token_dropping.data.batches import epochs
from token_dropping.data.batches import pretrain_data
from token_dropping.data.text import byte_tokenizer


@dataclasses.dataclass
class CausalDataConfig(cfg.DataConfig):
  """Records of `token_dropping.data.prepare --objective=causal_lm`.

  Attributes:
    seq_length: that of the records.
    file_type: of the files, as of `PretrainDataConfig`.
    attend_within_documents: tokens see those of their own document alone.
    on_bad_records: as of `PretrainDataConfig`, with `max_bad_records`.
  """

  seq_length: int = 1024
  file_type: str = "tfrecord"
  attend_within_documents: bool = False
  on_bad_records: str = "stop"
  max_bad_records: int = 100


def record_features(data: CausalDataConfig) -> dict[str, tf.io.FixedLenFeature]:
  """Features of a record by name."""
  ids = tf.io.FixedLenFeature([data.seq_length], tf.int64)
  return {"input_word_ids": ids}


@data_loader_factory.register_data_loader_cls(CausalDataConfig)
class CausalDataLoader(data_loader.DataLoader):
  """Reads batches of `input_word_ids`, int32 [B, S].

  What a training step reads is a function of the config and the step, as of
  `PretrainDataLoader`. The ids are 0 from where the text ends. Documents kept
  apart are numbered in `document_ids`, int32 [B, S]: the end of text belongs to
  the one that it ends.
  """

  def __init__(self, params: CausalDataConfig):
    self._params = params

  def load(
    self,
    input_context: tf.distribute.InputContext | None = None,
    first_step: int = 0,
    skipper=None,
  ) -> tf.data.Dataset:
    """Returns batches; see `batch_reader.read_batches`."""
    features = record_features(self._params)
    return batch_reader.read_batches(
      self._params,
      self._parse,
      batch_reader.empty_record(features, byte_tokenizer.PAD_ID),
      input_context,
      first_step,
      skipper,
    )

  def _parse(self, index: tf.Tensor, records: epochs.ReadRecord) -> dict:
    del index
    features = record_features(self._params)
    example = tf.io.parse_example(records.record, features)
    ids = batch_reader.narrowed(example["input_word_ids"])
    batch = {"input_word_ids": ids}
    if self._params.attend_within_documents:
      batch["document_ids"] = pretrain_data.document_ids(
        ids, byte_tokenizer.END_OF_TEXT_ID
      )
    return batch
