# SPDX-License-Identifier: Apache-2.0
"""What is measured: a network, its input, and how its step is compiled.

Shapes: B batch, S sequence length, K kept positions, P predictions, D width.
"""

import dataclasses
from collections.abc import Collection

import numpy as np
from official.core import config_definitions as cfg
from official.core import exp_factory

from token_dropping.dropping import config as dropping_config
from token_dropping.models import multiply_adds
from token_dropping.models import network_config
from token_dropping.models.bert import encoder_config
from token_dropping.models.modernbert import config as modernbert
from token_dropping.tasks import experiments

DENSE, PUBLISHED, OURS = "dense", "published", "ours"
# Ours too: nothing dropped, as bert_base.yaml has it, and with each middle
# layer's own tokens.
OURS_DENSE, RECOMMENDED, LAYERWISE = "ours_dense", "recommended", "layerwise"
# ModernBERT's network of the same width and layers, nothing dropped and as
# recommended.
MODERN_DENSE, MODERN = OF_MODERN = ("modernbert_dense", "modernbert")
DROPPING = (PUBLISHED, OURS, RECOMMENDED, LAYERWISE, MODERN)
# Dense too: its head on the predictions, and on every position.
TORCH, TORCH_EVERYWHERE = OF_TORCH = ("torch", "torch_everywhere")
CONTENDERS = (
  *(DENSE, OURS_DENSE, PUBLISHED, OURS, RECOMMENDED, LAYERWISE),
  *OF_MODERN,
  *OF_TORCH,
)
DTYPES = ("float32", "bfloat16")
PLAIN, FUSED = ATTENTIONS = ("plain", "fused")

HEAD_WIDTH = 64  # of every published BERT
MODERN_INNER = 3  # over half of the width, as ModernBERT-base has it
PREDICTED_SHARE = 0.15
MASK_ID = dropping_config.PUBLISHED_IDS["[MASK]"]
FIRST_WORD = MASK_ID + 1  # all ids below are special or unused


def compared_with(contenders: Collection[str]) -> str | None:
  """Returns the dense network that others are compared with, if it is there.

  >>> compared_with(["modernbert_dense", "modernbert"])
  'modernbert_dense'
  """
  return next((n for n in (DENSE, MODERN_DENSE) if n in contenders), None)


@dataclasses.dataclass(frozen=True)
class Case:
  """One training step.

  `width` is D; heads and feed-forward follow from it as in BERT. `keep_ratio`
  is K / S. `xla` is about TensorFlow's steps, `dropout` about states, and
  about attention unless `attention_dropout` says otherwise. `norm_first`
  normalizes states before each block, not after it. `attention` is about
  TensorFlow's steps on a GPU.

  >>> case = Case(768, 12, 30522, 512, 0.5, 2, True, "float32", 0.1)
  >>> case.predictions, case.keep, round(case.mac_ratio(OURS), 3)
  (76, 256, 0.697)
  >>> [round(case.mac_ratio(name), 3) for name in (RECOMMENDED, LAYERWISE)]
  [0.528, 0.52]
  """

  width: int
  num_layers: int
  vocab_size: int
  seq_length: int
  keep_ratio: float
  batch_size: int
  xla: bool
  dtype: str
  dropout: float
  norm_first: bool = False
  attention_dropout: float | None = None
  attention: str = PLAIN

  @property
  def predictions(self) -> int:
    """P, 15 % of the positions: 76 of 512, as published."""
    return max(1, int(PREDICTED_SHARE * self.seq_length))

  @property
  def keep(self) -> int:
    plan = self.encoder().drop_plan
    return min([self.seq_length, *plan.keep_counts(self.seq_length)])

  @property
  def heads(self) -> int:
    return max(1, self.width // HEAD_WIDTH)

  @property
  def network(self) -> str:
    before = ", normalized first" if self.norm_first else ""
    return f"{self.num_layers} x {self.width}{before}"

  @property
  def dropout_in_attention(self) -> float:
    given = self.attention_dropout
    return self.dropout if given is None else given

  @property
  def dropouts(self) -> str:
    if self.attention_dropout is None:
      return f"{self.dropout:g}"
    return f"{self.dropout:g}, in attention {self.attention_dropout:g}"

  def __str__(self) -> str:
    fused = ", fused attention" if self.attention == FUSED else ""
    return (
      f"{self.network}, S = {self.seq_length}, B = {self.batch_size}, "
      f"keep {self.keep_ratio:g}, XLA {'on' if self.xla else 'off'}, "
      f"{self.dtype}{fused}, dropout {self.dropouts}"
    )

  def encoder(self, contender: str = OURS) -> network_config.NetworkConfig:
    """Returns the fields of our encoder; others have those of `ours` too."""
    if contender in OF_MODERN:
      config = modernbert.ModernBertConfig(
        intermediate_size=MODERN_INNER * self.width // 2
      )
    else:
      config = encoder_config.TokenDropEncoderConfig(
        intermediate_size=4 * self.width,
        norm_first=self.norm_first,
        final_norm=False,  # Model Garden's contenders have none
      )
    config.override(
      {
        "vocab_size": self.vocab_size,
        "hidden_size": self.width,
        "num_layers": self.num_layers,
        "num_attention_heads": self.heads,
        "max_position_embeddings": self.seq_length,
        "dropout_rate": self.dropout,
        "attention_dropout_rate": self.dropout_in_attention,
        "token_keep_ratio": self.keep_ratio,
      }
    )
    if contender == LAYERWISE:
      config.drop.type = LAYERWISE
    elif contender in (RECOMMENDED, MODERN):
      config.importance.type, config.drop_layer = "random", 1
      config.always_keep_cls = False
    elif contender in (OURS_DENSE, MODERN_DENSE):
      config.importance.type, config.token_keep_ratio = "random", 1.0
    return config

  def experiment(self, contender: str = OURS) -> cfg.ExperimentConfig:
    params = exp_factory.get_exp_config(experiments.NAMES[0])
    params.task.model.encoder.any = self.encoder(contender)
    data = params.task.train_data
    data.seq_length, data.global_batch_size = self.seq_length, self.batch_size
    data.max_predictions_per_seq = self.predictions
    schedule = params.trainer.optimizer_config.learning_rate.polynomial
    schedule.decay_steps = params.trainer.train_steps
    return params

  def macs(self, contender: str) -> int:
    """Returns the multiply-adds of a contender's forward pass, a sequence."""
    data = self.experiment(contender).task.train_data
    if contender == TORCH_EVERYWHERE:
      data.max_predictions_per_seq = self.seq_length
    config = self.encoder(contender)
    shape = config.shape(data)
    if contender in (DENSE, *OF_TORCH):
      return multiply_adds.dense_macs(shape)
    if contender == PUBLISHED:
      # As in a pass of fine-tuning, its last layer is computed everywhere.
      return multiply_adds.finetuning_macs(shape, config.drop_plan)
    return multiply_adds.token_drop_macs(shape, config.drop_plan)

  def mac_ratio(self, contender: str, dense: str = DENSE) -> float:
    return self.macs(contender) / self.macs(dense)

  def batch(self) -> dict[str, np.ndarray]:
    """Returns a batch of full-length records: random words, no padding."""
    rng = np.random.default_rng(0)
    shape = [self.batch_size, self.seq_length]
    ids = rng.integers(FIRST_WORD, self.vocab_size, shape, np.int32)
    shuffled = rng.permuted(np.tile(np.arange(shape[1]), [shape[0], 1]), axis=1)
    positions = np.sort(shuffled[:, : self.predictions]).astype(np.int32)
    labels = np.take_along_axis(ids, positions, axis=1)
    np.put_along_axis(ids, positions, MASK_ID, axis=1)
    return {
      "input_word_ids": ids,
      "input_mask": np.ones_like(ids),
      "input_type_ids": np.zeros_like(ids),
      "masked_lm_positions": positions,
      "masked_lm_ids": labels,
      "masked_lm_weights": np.ones(labels.shape, np.float32),
    }

  def importance(self) -> np.ndarray:
    """Returns scores [V] of a table in use: kept tokens lie anywhere."""
    scores = np.random.default_rng(1).uniform(1.0, 10.0, self.vocab_size)
    return scores.astype(np.float32)
