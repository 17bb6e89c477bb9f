# SPDX-License-Identifier: Apache-2.0
"""Data of translation: sequences of several pairs of sentences.

Names are those of packed pairs in T5 and Flax. Glossary: S positions of the
sources in a sequence, T of their translations.
"""

import dataclasses

import tensorflow as tf
from official.core import config_definitions as cfg
from official.nlp.data import data_loader_factory

from token_dropping.data.batches import batch_reader

SIDES = ("inputs", "targets")
# The sentences of the validation records, a line each, beside these.
TEXTS = ("validation.source.txt", "validation.target.txt")


def segmentation(side: str) -> str:
  """Returns the feature with the numbers of the pairs of one side."""
  return f"{side}_segmentation"


@dataclasses.dataclass
class PairDataConfig(cfg.DataConfig):
  """Records of `token_dropping.data.prepare_pairs`.

  Attributes:
    seq_length: positions of the sources, as in the records.
    target_length: positions of the translations, likewise.
    file_type: of the files, as of `PretrainDataConfig`.
    on_bad_records: as of `PretrainDataConfig`, with `max_bad_records`.
  """

  seq_length: int = 256
  target_length: int = 256
  file_type: str = "tfrecord"
  on_bad_records: str = "stop"
  max_bad_records: int = 100


def record_features(data: PairDataConfig) -> dict[str, tf.io.FixedLenFeature]:
  """Features of a record by name."""
  lengths = dict(zip(SIDES, (data.seq_length, data.target_length), strict=True))
  return {
    name: tf.io.FixedLenFeature([length], tf.int64)
    for side, length in lengths.items()
    for name in (side, segmentation(side))
  }


@data_loader_factory.register_data_loader_cls(PairDataConfig)
class PairDataLoader(batch_reader.RecordLoader):
  """Reads batches of packed pairs, int32 [B, S] and [B, T].

  `inputs` and `targets` are ids; each sentence ends with the end of sentence,
  and padding is 0. `inputs_segmentation` and `targets_segmentation` number the
  pairs of a sequence from 1 on, alike on both sides, and are 0 at the padding.
  """

  features_of = staticmethod(record_features)
