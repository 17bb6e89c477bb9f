# SPDX-License-Identifier: Apache-2.0
"""The YAML fields of masked-LM pretraining."""

import dataclasses

from official.nlp.tasks import masked_lm

from token_dropping.tasks.masked_lm import semantic_consistency as consistency
from token_dropping.tasks.pretraining import config as pretraining


@dataclasses.dataclass
class TokenDropMaskedLMConfig(
  pretraining.PretrainingConfig, masked_lm.MaskedLMConfig
):
  """Model Garden's masked-LM task config, and ours of pretraining.

  Attributes:
    dropping_pictures: show in TensorBoard, at every evaluation, what is dropped
      of the first validation records.
  """

  semantic_consistency: consistency.SemanticConsistencyConfig = (
    dataclasses.field(default_factory=consistency.SemanticConsistencyConfig)
  )
  dropping_pictures: bool = True

  @property
  def consistency_interval(self) -> int:
    return self.semantic_consistency.interval
