# SPDX-License-Identifier: Apache-2.0
"""Data of language models that read from left to right: ids, and no masks."""

import dataclasses

import tensorflow as tf
from official.core import config_definitions as cfg
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
class CausalDataLoader(batch_reader.RecordLoader):
  """Reads batches of `input_word_ids`, int32 [B, S].

  The ids are 0 from where the text ends. Documents kept apart are numbered in
  `document_ids`, int32 [B, S]: the end of text belongs to the one that it ends.
  """

  features_of = staticmethod(record_features)

  def _parse(self, index: tf.Tensor, records: epochs.ReadRecord) -> dict:
    batch = super()._parse(index, records)
    if self._params.attend_within_documents:
      batch["document_ids"] = pretrain_data.document_ids(
        batch["input_word_ids"], byte_tokenizer.END_OF_TEXT_ID
      )
    return batch
