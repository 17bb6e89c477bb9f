# SPDX-License-Identifier: Apache-2.0
"""Masked-LM pretraining with token dropping.

Model Garden's `MaskedLMTask`, whose losses also teach the importance scorer
which tokens are hard (Hou et al., ACL 2022, section 3.2).
"""

from collections.abc import Callable

import tensorflow as tf
import tf_keras
from official.core import task_factory
from official.nlp.modeling import layers
from official.nlp.tasks import masked_lm

from token_dropping.data.batches import pretrain_data
from token_dropping.dropping import keep_schedule
from token_dropping.models import pretrainer
from token_dropping.tasks.masked_lm import config as masked_lm_config
from token_dropping.tasks.masked_lm import losses as mlm_losses
from token_dropping.tasks.masked_lm import semantic_consistency
from token_dropping.tasks.pretraining import metrics as pretraining_metrics
from token_dropping.tasks.pretraining import task as pretraining


@task_factory.register_task_cls(masked_lm_config.TokenDropMaskedLMConfig)
class TokenDropMaskedLMTask(
  pretraining.PretrainingTask, masked_lm.MaskedLMTask
):
  """Pretrains a `TokenDropEncoder`; evaluates it on whole sequences."""

  def build_model(self, params=None) -> pretrainer.TokenDropPretrainer:
    config = params or self.task_config.model
    network = config.encoder.get()
    model = network.build_pretrainer(
      pretrainer.TokenDropPretrainer,
      network.build(),
      config.mlm_activation,
      tf_keras.initializers.TruncatedNormal(
        stddev=config.mlm_initializer_range
      ),
      classification_heads=[
        layers.ClassificationHead(**head.as_dict()) for head in config.cls_heads
      ],
    )
    _make_weights(model)
    return model

  def build_inputs(self, params, input_context=None) -> tf.data.Dataset:
    """Reads batches, masks them where asked to, and checks their values."""
    made_up = params.input_path == "dummy"
    if isinstance(params, pretrain_data.PretrainDataConfig) and not made_up:
      return super().build_inputs(params, input_context)
    dataset = masked_lm.MaskedLMTask.build_inputs(self, params, input_context)
    return dataset.map(self._rules(params).check_batch)

  def _metrics(self, training: bool | None) -> dict[str, Callable]:
    """Model Garden's metrics; also those of the options that are used."""
    task, metrics = self.task_config, mlm_losses.METRICS
    if task.train_data.use_next_sentence_label:
      metrics = metrics | mlm_losses.SENTENCE_METRICS
    if not training:
      return metrics
    metrics = metrics | {pretraining_metrics.KEPT_SHARE: tf_keras.metrics.Mean}
    names = semantic_consistency.METRICS * bool(
      task.semantic_consistency.interval
    )
    return metrics | dict.fromkeys(names, mlm_losses.OccasionalMean)

  def _evaluate(self, metrics, batch: dict, outputs: dict, prefix: str) -> None:
    token_losses = self._token_losses(batch, outputs)
    mlm_losses.update_metrics(metrics, batch, outputs, token_losses, prefix)

  def _token_losses(self, batch, outputs) -> tf.Tensor:
    return mlm_losses.masked_lm_losses(batch, outputs)

  def _counts(self, batch: dict) -> dict[str, tf.Tensor]:
    if self.task_config.semantic_consistency.interval:
      return semantic_consistency.counts(batch)
    return mlm_losses.loss_counts(batch)

  def _losses(self, batch, passes, token_losses, counts) -> tuple:
    outputs, *full = passes
    parts = mlm_losses.mean_losses(batch, outputs, token_losses, counts)
    loss = tf.add_n(list(parts.values()))
    if not full:
      return loss, loss
    config = self.task_config.semantic_consistency
    added = semantic_consistency.terms(
      batch, outputs, *full, config.detach, counts
    )
    return loss, semantic_consistency.objective(config, loss, added)

  def _record(self, metrics, batch, passes, token_losses) -> None:
    outputs, *full = passes
    mlm_losses.update_metrics(metrics, batch, outputs, token_losses)
    if full:
      added = semantic_consistency.terms(batch, outputs, *full, detach=True)
      weights = self._counts(batch)
      weights[f"full_{mlm_losses.LOSS}"] = weights[mlm_losses.LOSS]
      pretraining_metrics.update_means(metrics, added, weights)
    pretraining_metrics.update_kept_share(metrics, batch["input_mask"], outputs)

  def _teach(self, scorers, batch, token_losses) -> None:
    (scorer,) = scorers
    ids, weights = batch["masked_lm_ids"], batch["masked_lm_weights"]
    scorer.update(ids, token_losses, weights)


def _make_weights(model: pretrainer.TokenDropPretrainer) -> None:
  """Calls the model once, since a branch of a step cannot make variables.

  The call drops nothing: its one token may be fewer than what stays.
  """
  names = ["input_word_ids", "input_mask", "input_type_ids"]
  one = tf.zeros([1, 1], tf.int32)
  plan = keep_schedule.full_plan(model.encoder_network.drop_plan)
  model(dict.fromkeys([*names, "masked_lm_positions"], one), plan=plan)
