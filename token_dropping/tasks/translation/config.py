# SPDX-License-Identifier: Apache-2.0
"""The YAML fields of learning to translate."""

import dataclasses

from official.core import config_definitions as cfg

from token_dropping.data.batches import pair_data
from token_dropping.tasks.pretraining import config as pretraining


@dataclasses.dataclass
class TranslationConfig(pretraining.PretrainingConfig, cfg.TaskConfig):
  """A network that translates, and its data.

  Attributes:
    label_smoothing: what of the probability a training's target gives to all
      other ids, in even shares.
    translated_sentences: how many of the sentences beside the validation
      records each evaluation translates, the first ones; -1: all, 0: none.
  """

  model: pretraining.TiedModelConfig = dataclasses.field(
    default_factory=pretraining.TiedModelConfig
  )
  train_data: pair_data.PairDataConfig = dataclasses.field(
    default_factory=pair_data.PairDataConfig
  )
  validation_data: pair_data.PairDataConfig = dataclasses.field(
    default_factory=pair_data.PairDataConfig
  )
  label_smoothing: float = 0.1
  translated_sentences: int = -1
