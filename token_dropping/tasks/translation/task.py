# SPDX-License-Identifier: Apache-2.0
"""Learning to translate with token dropping, on both sides.

Each token of a translation has a loss. What of the source stays follows from
what the decoder looks at; what of the translation stays, from its losses.
"""

import functools
from collections.abc import Callable

import tensorflow as tf
import tf_keras
from official.core import task_factory

from token_dropping.data.batches import pair_data
from token_dropping.models.transformer import network as network_lib
from token_dropping.models.transformer import packed_pairs
from token_dropping.tasks.pretraining import metrics as pretraining_metrics
from token_dropping.tasks.pretraining import task as pretraining
from token_dropping.tasks.translation import config as translation_config
from token_dropping.tasks.translation import losses as losses_lib
from token_dropping.tasks.translation import references
from token_dropping.tasks.translation import scores
from token_dropping.tasks.translation import translator

_RECEIVED = "received_attention"
KEPT_SHARE = pretraining_metrics.KEPT_SHARE
TARGET_KEPT_SHARE, PADDING = "target_kept_share", "padding_share"


@task_factory.register_task_cls(translation_config.TranslationConfig)
class TranslationTask(pretraining.PretrainingTask):
  """Trains a Transformer on packed pairs of sentences."""

  def __init__(self, *args, **kwargs):
    super().__init__(*args, **kwargs)
    self._model = self._references = None

  def build_model(self) -> network_lib.Transformer:
    self._model = self.task_config.model.encoder.get().build()
    return self._model

  def build_inputs(self, params, input_context=None) -> tf.data.Dataset:
    """Reads batches, checks their values; reads sentences to translate."""
    if not params.is_training:
      count = self.task_config.translated_sentences
      self._references = references.References.read(params, count)
    return super().build_inputs(params, input_context)

  def _metrics(self, training: bool | None) -> dict[str, Callable]:
    shares = (KEPT_SHARE, TARGET_KEPT_SHARE, PADDING) if training else ()
    return losses_lib.METRICS | dict.fromkeys(shares, tf_keras.metrics.Mean)

  def _plans(self, model: network_lib.Transformer) -> dict:
    return {
      "plan": model.encoder_layer.drop_plan,
      "target_plan": model.decoder_layer.drop_plan,
    }

  def _evaluate(self, metrics, batch: dict, outputs: dict, prefix: str) -> None:
    token_losses = self._token_losses(batch, outputs)
    losses_lib.update_metrics(metrics, batch, outputs, token_losses, prefix)

  def aggregate_logs(self, state=None, step_outputs=None) -> dict:
    """Asks for `reduce_aggregated_logs` where there is what to translate."""
    del state, step_outputs
    return {} if self._references is None else {"evaluated": True}

  def reduce_aggregated_logs(self, aggregated_logs, global_step=None) -> dict:
    """Translates the sentences beside the records; returns their scores."""
    del aggregated_logs, global_step
    found = self._translator.translate_all(self._references.sources)
    return scores.score(found, self._references.targets)

  @functools.cached_property
  def _translator(self) -> translator.Translator:
    longest = self.task_config.validation_data.seq_length
    tokenizer = self._references.tokenizer
    return translator.Translator(self._model, tokenizer, longest)

  def _scorers(self, model: network_lib.Transformer) -> list:
    sides = model.encoder_layer, model.decoder_layer
    return [side.importance_scorer for side in sides]

  def _told(self, outputs: dict) -> list[dict]:
    return [outputs, outputs["decoder"]]

  def _token_losses(self, batch: dict, outputs: dict) -> dict:
    smoothing = self.task_config.label_smoothing
    found = losses_lib.token_losses(batch, outputs, smoothing)
    return found | {_RECEIVED: outputs["decoder"][_RECEIVED]}

  def _counts(self, batch: dict) -> dict[str, tf.Tensor]:
    return {losses_lib.LOSS: tf.reduce_sum(losses_lib.weights(batch))}

  def _losses(self, batch, passes, token_losses, counts) -> tuple:
    count = counts[losses_lib.LOSS]
    means = losses_lib.mean_losses(batch, token_losses, count)
    loss = means[losses_lib.SMOOTHED]
    return loss, loss

  def _record(self, metrics, batch, passes, token_losses) -> None:
    (outputs,) = passes
    losses_lib.update_metrics(metrics, batch, outputs, token_losses)
    sides = (outputs, KEPT_SHARE), (outputs["decoder"], TARGET_KEPT_SHARE)
    real = [batch[side] != 0 for side in pair_data.SIDES]
    for there, (told, name) in zip(real, sides, strict=True):
      pretraining_metrics.update_kept_share(metrics, there, told, name)
    _update_padding(metrics, real)

  def _teach(self, scorers, batch, token_losses) -> None:
    """The encoder's learns what was looked at, the decoder's what was hard."""
    source, target = scorers
    ids = batch["inputs"]
    source.update(ids, token_losses[_RECEIVED], ids != 0)
    pairs = batch[pair_data.segmentation("targets")]
    ids = packed_pairs.keys(batch["targets"], pairs)
    target.update(ids, token_losses[losses_lib.LOSS], pairs != 0)


def _update_padding(metrics: list, real: list[tf.Tensor]) -> None:
  """Feeds the share of the positions, of both sides, that are padding."""
  there = tf.concat([tf.reshape(one, [-1]) for one in real], 0)
  share = 1.0 - tf.reduce_mean(tf.cast(there, tf.float32))
  pretraining_metrics.update_means(
    metrics, {PADDING: share}, {PADDING: tf.size(there)}
  )
