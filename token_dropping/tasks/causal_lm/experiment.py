# SPDX-License-Identifier: Apache-2.0
"""Registers pretraining of causal language models, ready but for the data.

A random half of the tokens is kept from layer 1 on, at length 1,024.
`gpt/token_drop` is GPT-2's smallest network. The optimizer is that of GPT-3's
smallest (Brown et al., arXiv 2005.14165, table 2.1 and appendix B), whose
batches have as many tokens; its rate falls along a cosine to a tenth, ours
linearly to 0. `modernbert_decoder/token_drop` is ModernBERT-base as a decoder,
with the same optimizer.
"""

import dataclasses

import numpy as np
from official.core import config_definitions as cfg
from official.core import exp_factory

from token_dropping.data.batches import dataset_card
from token_dropping.data.text import byte_tokenizer
from token_dropping.models import multiply_adds
from token_dropping.models import network_config
from token_dropping.models.gpt import config as gpt_config
from token_dropping.models.modernbert import decoder_config as modernbert_config
from token_dropping.tasks import hooks
from token_dropping.tasks import optimizers
from token_dropping.tasks.causal_lm import checks as causal_checks
from token_dropping.tasks.causal_lm import config as causal_config
from token_dropping.tasks.causal_lm import losses
from token_dropping.tasks.causal_lm import task  # noqa: F401  registers
from token_dropping.tasks.pretraining import checks
from token_dropping.tasks.pretraining import experiment
from token_dropping.tasks.pretraining import hooks as pretraining

TRAIN_STEPS = 100_000
WARMUP_STEPS = 715  # GPT-3's 375 million tokens
_SHOWN = {"loss": losses.LOSS, "accuracy": losses.ACCURACY}
_WORDS = {
  losses.ACCURACY: "next-token accuracy",
  losses.PERPLEXITY: "perplexity",
  losses.BITS: "bits per byte",
}


@exp_factory.register_config_factory("gpt/token_drop")
def gpt_token_drop() -> cfg.ExperimentConfig:
  """GPT-2 small, pretrained with token dropping as we recommend it."""
  return _experiment(gpt_config.GptConfig)


@exp_factory.register_config_factory("modernbert_decoder/token_drop")
def modernbert_decoder_token_drop() -> cfg.ExperimentConfig:
  """ModernBERT-base as a decoder, with the same token dropping."""
  return _experiment(modernbert_config.ModernBertDecoderConfig)


def _experiment(
  config_class: type[network_config.NetworkConfig],
) -> cfg.ExperimentConfig:
  network = config_class(
    token_keep_ratio=0.5, drop_layer=1, importance={"type": "random"}
  )
  optimizer = optimizers.adamw_config(6e-4, WARMUP_STEPS)
  optimizer.optimizer.adamw.override(
    {"beta_2": 0.95, "epsilon": 1e-8, "weight_decay_rate": 0.1}
  )
  return experiment.make_experiment(
    causal_config.CausalLMConfig(),
    network,
    optimizer,
    TRAIN_STEPS,
    global_batch_size=512,
  )


class CausalLMHooks(pretraining.TokenizerHooks):
  """Answers for a causal language model."""

  tokenizer = byte_tokenizer.ByteTokenizer
  tokenizer_file = byte_tokenizer.FILE
  loss, words = losses.LOSS, _WORDS

  def check(self) -> None:
    for path, data in self._data.items():
      causal_checks.check_source(data, path)
      checks.check_skipping(data, path)
    super().check()
    causal_checks.check_loss_positions(self.task)
    metrics = [losses.LOSS, *_WORDS]
    if dataset_card.bytes_per_token(self.task.validation_data) is None:
      metrics.remove(losses.BITS)
    checks.check_best(self.params, metrics)

  def shown_outputs(self) -> hooks.ShownOutputs:
    more = {"perplexity": losses.PERPLEXITY}
    return hooks.ShownOutputs(_SHOWN, _SHOWN | more)

  def made_up_batch(self, batch_size: int) -> dict[str, np.ndarray]:
    ids = self._made_up_features(batch_size)["input_word_ids"]
    batch = {"input_word_ids": ids}
    if self.task.train_data.attend_within_documents:
      batch["document_ids"] = np.zeros_like(ids)
    return batch

  def training_shape(self, shape: multiply_adds.Shape) -> multiply_adds.Shape:
    count = self.task.loss_count(shape.seq_length)
    return dataclasses.replace(shape, predictions=count)


hooks.register(
  causal_config.CausalLMConfig,
  CausalLMHooks,
  "gpt/token_drop",
  "modernbert_decoder/token_drop",
)
