# SPDX-License-Identifier: Apache-2.0
"""Registers learning to translate, ready but for the data.

`wmt_transformer/token_drop` is Model Garden's `wmt_transformer/large`, of which
a random half of the source's tokens skips the encoder's middle layers.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np
from official.core import config_definitions as cfg
from official.core import exp_factory
from official.modeling import optimization

from token_dropping.common import errors
from token_dropping.data.batches import pair_data
from token_dropping.data.text import subword_tokenizer
from token_dropping.models.transformer import config as transformer_config
from token_dropping.models.transformer import packed_pairs
from token_dropping.models.transformer import shape as shape_lib
from token_dropping.tasks import hooks
from token_dropping.tasks.pretraining import checks
from token_dropping.tasks.pretraining import experiment
from token_dropping.tasks.pretraining import hooks as pretraining
from token_dropping.tasks.translation import config as translation_config
from token_dropping.tasks.translation import losses
from token_dropping.tasks.translation import references
from token_dropping.tasks.translation import scores
from token_dropping.tasks.translation import task

WIDTH, WARMUP_STEPS, TRAIN_STEPS = 1024, 16_000, 300_000
_BATCH = 96  # sequences: Model Garden's 24,576 tokens a side
_SHOWN = {"loss": losses.LOSS, "accuracy": losses.ACCURACY}
_WORDS = {
  losses.ACCURACY: "token accuracy",
  losses.PERPLEXITY: "perplexity",
  losses.SMOOTHED: "smoothed loss",
}
_SCORES = {scores.BLEU: "BLEU", scores.CHRF: "chrF"}
_SHARES = {
  task.KEPT_SHARE: "of the source's tokens in the encoder's middle layers",
  task.TARGET_KEPT_SHARE: "of the translation's in the decoder's",
  task.PADDING: "of the positions are padding",
}


@exp_factory.register_config_factory("wmt_transformer/token_drop")
def wmt_transformer_token_drop() -> cfg.ExperimentConfig:
  """Model Garden's Transformer and its optimizer, with token dropping."""
  network = transformer_config.TransformerConfig(
    hidden_size=WIDTH,
    num_attention_heads=16,
    intermediate_size=4 * WIDTH,
    token_keep_ratio=0.5,
    drop_layer=1,
  )
  return experiment.make_experiment(
    translation_config.TranslationConfig(),
    network,
    _optimizer(),
    TRAIN_STEPS,
    global_batch_size=_BATCH,
  )


def _optimizer() -> optimization.OptimizationConfig:
  """Vaswani et al., 2017, section 5.3, with Model Garden's numbers."""
  rate = {"initial_learning_rate": 2.0 * WIDTH**-0.5, "power": -0.5}
  warmup = {"warmup_steps": WARMUP_STEPS, "warmup_learning_rate": 0.0}
  return optimization.OptimizationConfig(
    {
      "optimizer": {"type": "adam", "adam": {"beta_2": 0.997, "epsilon": 1e-9}},
      "learning_rate": {"type": "power", "power": rate},
      "warmup": {"type": "linear", "linear": warmup},
    }
  )


class TranslationHooks(pretraining.TokenizerHooks):
  """Answers for a network that translates."""

  tokenizer = subword_tokenizer.SubwordTokenizer
  tokenizer_file = subword_tokenizer.FILE
  loss, words = losses.LOSS, _WORDS

  def check_beside(self, data: cfg.DataConfig) -> None:
    """Refuses texts that an evaluation could not translate or score."""
    if data.is_training:
      return
    found = references.References.read(data, self.task.translated_sentences)
    size = self._network.vocab_size
    errors.require(
      found is None or len(found.tokenizer) <= size,
      f"{subword_tokenizer.FILE} beside task.validation_data must have at most "
      f"task.model.encoder.any.vocab_size pieces, {size:,}",
      found and f"{len(found.tokenizer):,}",
    )

  @property
  def _network(self) -> transformer_config.TransformerConfig:
    return self.task.model.encoder.get()

  def check(self) -> None:
    for path, data in self._data.items():
      checks.check_skipping(data, path)
    super().check()
    with errors.named("task.model.encoder.any.decoder_drop: "):
      self._network.check_decoder_drop(self.task.train_data.target_length)
    more = _SCORES if self._translates else {}
    checks.check_best(self.params, [losses.LOSS, *_WORDS, *more])

  @property
  def _translates(self) -> bool:
    """Whether an evaluation has sentences to translate."""
    data = self.task.validation_data
    return bool(self.task.translated_sentences) and references.are_beside(data)

  def shown_outputs(self) -> hooks.ShownOutputs:
    shares = {"kept": task.KEPT_SHARE, "padding": task.PADDING}
    more = {"perplexity": losses.PERPLEXITY}
    if self._translates:
      more |= {word: name for name, word in _SCORES.items()}
    return hooks.ShownOutputs(_SHOWN | shares, _SHOWN | more)

  def summarize(
    self, train: Mapping, evaluation: Mapping, best: dict | None
  ) -> list[tuple[str, str]]:
    lines = super().summarize(train, evaluation, best)
    shares = [f"{train[n]:.3f} {w}" for n, w in _SHARES.items() if n in train]
    if shares:
      lines.append(("shares", ", ".join(shares)))
    for name, signature in scores.signatures().items():
      if name in evaluation:
        text = f"{evaluation[name]:.2f}  ({signature})"
        lines.append((_SCORES[name], text))
    return lines

  def made_up_batch(self, batch_size: int) -> dict[str, np.ndarray]:
    """One pair a sequence, as long as both may be."""
    data, rng = self.task.train_data, np.random.default_rng(0)
    batch = {}
    lengths = data.seq_length, data.target_length
    for side, length in zip(pair_data.SIDES, lengths, strict=True):
      least, most = packed_pairs.END_ID, self._network.vocab_size
      ids = rng.integers(least, most, [batch_size, length], np.int32)
      batch |= {side: ids, pair_data.segmentation(side): np.ones_like(ids)}
    return batch

  def training_shape(
    self, shape: shape_lib.TransformerShape
  ) -> shape_lib.TransformerShape:
    return dataclasses.replace(shape, decoder_plan=self._network.decoder_plan)


hooks.register(
  translation_config.TranslationConfig,
  TranslationHooks,
  "wmt_transformer/token_drop",
)
