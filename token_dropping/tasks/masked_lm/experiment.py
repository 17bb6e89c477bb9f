# SPDX-License-Identifier: Apache-2.0
"""Registers pretraining, ready but for the data, and what a run asks of it.

`bert/token_drop` and Model Garden's name, `token_drop_bert/pretraining`, are
BERT-base at length 512, half of the tokens kept, with the published optimizer
(Hou et al., section 4.1). The baseline `bert/pretraining` is Model Garden's.
`modernbert/token_drop` is ModernBERT-base at length 1,024: a random half of the
tokens is kept from layer 1 on, 30 % are masked as they are read, and the
optimizer is that of MosaicBERT (Portes et al., arXiv 2312.17482, with
`mosaic-bert-base-uncased.yaml` in github.com/mosaicml/examples), whose batches
have as many tokens. Its rate ends at a fiftieth, ours at 0.
"""

from collections.abc import Mapping

import numpy as np
from official.core import config_definitions as cfg
from official.core import exp_factory
from official.nlp.configs import bert
from official.nlp.configs import pretraining_experiments  # noqa: F401  registers
from official.nlp.tasks import masked_lm

from token_dropping.common import vocabulary
from token_dropping.data.batches import dataset_card
from token_dropping.data.batches import pretrain_data
from token_dropping.data.pretraining import dataset_folder
from token_dropping.data.text import tokenizer_config
from token_dropping.models import activations
from token_dropping.models import network_config
from token_dropping.models.bert import encoder_config as bert_config
from token_dropping.models.modernbert import config as modernbert_config
from token_dropping.tasks import encoder_checks
from token_dropping.tasks import hooks
from token_dropping.tasks import optimizers
from token_dropping.tasks.masked_lm import checks
from token_dropping.tasks.masked_lm import config as masked_lm_config
from token_dropping.tasks.masked_lm import losses
from token_dropping.tasks.masked_lm import task  # noqa: F401  registers
from token_dropping.tasks.pretraining import experiment
from token_dropping.tasks.pretraining import hooks as pretraining

TRAIN_STEPS = 1_000_000
WARMUP_STEPS = 10_000
_SHOWN = {"loss": losses.LOSS, "accuracy": losses.ACCURACY}


@exp_factory.register_config_factory("token_drop_bert/pretraining")
@exp_factory.register_config_factory("bert/token_drop")
def bert_token_drop() -> cfg.ExperimentConfig:
  """BERT-base pretraining with token dropping, no next-sentence loss."""
  return experiment.make_experiment(
    _task(),
    bert_config.TokenDropEncoderConfig(),
    optimizers.adamw_config(1e-4, WARMUP_STEPS),
    TRAIN_STEPS,
  )


@exp_factory.register_config_factory("modernbert/token_drop")
def modernbert_token_drop() -> cfg.ExperimentConfig:
  """ModernBERT-base pretraining with token dropping, as we recommend it."""
  encoder = modernbert_config.ModernBertConfig(
    token_keep_ratio=0.5,
    drop_layer=1,
    importance={"type": "random"},
    always_keep_cls=False,
  )
  optimizer = optimizers.adamw_config(5e-4, warmup_steps=6_000)
  # Theirs takes 1e-5 of a weight at the highest rate, ours rate times decay.
  optimizer.optimizer.adamw.override(
    {"beta_2": 0.98, "epsilon": 1e-6, "weight_decay_rate": 0.02}
  )
  return experiment.make_experiment(
    _task(mlm_activation=activations.EXACT_GELU),
    encoder,
    optimizer,
    train_steps=100_000,
    seq_length=1024,
    max_predictions_per_seq=307,
    masking="dynamic",
    masking_rate=0.3,
  )


def _task(**model) -> masked_lm_config.TokenDropMaskedLMConfig:
  """Returns the task, without sentences; `model` are fields of its model."""
  train, validation = (
    pretrain_data.PretrainDataConfig(
      use_next_sentence_label=False, use_v2_feature_names=True
    )
    for _ in range(2)
  )
  return masked_lm_config.TokenDropMaskedLMConfig(
    model=bert.PretrainerConfig(**model),
    train_data=train,
    validation_data=validation,
  )


class MaskedLMHooks(pretraining.PretrainingHooks):
  """Answers for Model Garden's `MaskedLMConfig`."""

  # Outputs of an evaluation beside those of every masked LM.
  more_outputs = ("validation_loss",)

  def fill_in(self) -> None:
    """Finds vocabularies beside the records; a rate changes to the end."""
    encoder, train = self.task.model.encoder.get(), self.task.train_data
    if isinstance(encoder, network_config.NetworkConfig):
      _fill_in_vocab_file(encoder, train)
    for data in self._data.values():
      if pretrain_data.reads_vocabulary(data):
        _fill_in_vocab_file(data, data)
    changes = getattr(train, "final_masking_rate", None)
    if changes and not train.masking_rate_steps:
      train.masking_rate_steps = self.params.trainer.train_steps

  def check(self) -> None:
    for path, data in self._data.items():
      checks.check_data(data, path)
    encoder_checks.check_sizes(self.task)
    checks.check_heads(self.task)
    checks.check_best(self.params, self.more_outputs)

  def find_doubts(self) -> list[str]:
    """Doubts rates of masking that a full sequence has no room for."""
    doubts = []
    for path, data in self._data.items():
      if not pretrain_data.is_dynamic(data):
        continue
      rate = max(data.masking_rate, data.final_masking_rate or 0)
      wanted = round(rate * (data.seq_length - 2))  # without [CLS] and [SEP]
      if wanted > data.max_predictions_per_seq:
        doubts.append(
          f"{path}.max_predictions_per_seq should be at least {wanted} for a "
          f"rate of {rate}, or fewer tokens are masked. "
          f"Received: {data.max_predictions_per_seq}"
        )
    return doubts

  def vocab_file(self) -> str:
    """Returns that of the encoder, or the one beside prepared records."""
    # Model Garden's encoders have no such field.
    given = getattr(self.task.model.encoder.get(), "vocab_file", "")
    return given or _vocab_file_beside(self.task.train_data)

  def tokenizer_config(self) -> tokenizer_config.TokenizerConfig | None:
    return dataset_card.read_tokenizer_config(self.task.train_data)

  def shown_outputs(self) -> hooks.ShownOutputs:
    return hooks.ShownOutputs(_SHOWN, _SHOWN)

  def _losses(self, outputs: Mapping, prefix: str = "") -> str:
    loss, accuracy = (outputs[f"{prefix}{name}"] for name in _SHOWN.values())
    return f"{loss:.3f}  masked-LM accuracy {accuracy:.3f}"

  def made_up_batch(self, batch_size: int) -> dict[str, np.ndarray]:
    data, features = self.task.train_data, self._made_up_features(batch_size)
    count = data.max_predictions_per_seq
    positions = np.arange(count, dtype=np.int32)
    labels = {
      "masked_lm_positions": np.tile(positions, [batch_size, 1]),
      "masked_lm_ids": features["input_word_ids"][:, :count],
      "masked_lm_weights": np.ones([batch_size, count], np.float32),
    }
    if data.use_next_sentence_label:
      labels["next_sentence_labels"] = np.zeros([batch_size, 1], np.int32)
    if pretrain_data.attends_within_documents(data):
      labels["document_ids"] = np.zeros_like(features["input_word_ids"])
    return features | labels


class TokenDropMaskedLMHooks(pretraining.DroppingHooks, MaskedLMHooks):
  """Answers for pretraining with token dropping."""

  more_outputs = ()

  def check(self) -> None:
    super().check()
    checks.check_options(self.task)


def _fill_in_vocab_file(config, data: cfg.DataConfig) -> None:
  config.vocab_file = config.vocab_file or _vocab_file_beside(data)


def _vocab_file_beside(data: cfg.DataConfig) -> str:
  """Returns the path of prepared records' vocabulary; empty without one."""
  if dataset_card.find_beside(data, dataset_folder.CARD) is None:
    return ""
  return dataset_card.find_beside(data, vocabulary.FILE) or ""


hooks.register(
  masked_lm_config.TokenDropMaskedLMConfig,
  TokenDropMaskedLMHooks,
  "bert/token_drop",
  "token_drop_bert/pretraining",
  "modernbert/token_drop",
)
hooks.register(masked_lm.MaskedLMConfig, MaskedLMHooks, "bert/pretraining")
