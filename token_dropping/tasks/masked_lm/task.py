# SPDX-License-Identifier: Apache-2.0
"""Masked-LM pretraining with token dropping.

Model Garden's `MaskedLMTask`, whose losses also teach the importance scorer
which tokens are hard (Hou et al., ACL 2022, section 3.2).
"""

import tensorflow as tf
import tf_keras
from official.core import task_factory
from official.nlp.modeling import layers
from official.nlp.tasks import masked_lm

from token_dropping.data.batches import pretrain_data
from token_dropping.data.batches import record_rules
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
    encoder = self.task_config.model.encoder.get()
    path = f"task.{'train' if params.is_training else 'validation'}_data"
    rules = record_rules.RecordRules(params, encoder, path)
    made_up = params.input_path == "dummy"
    if not isinstance(params, pretrain_data.PretrainDataConfig) or made_up:
      dataset = super().build_inputs(params, input_context)
      return dataset.map(rules.check_batch)
    loader = pretrain_data.PretrainDataLoader(params)
    return self._load(loader, rules, input_context)

  def build_metrics(self, training: bool | None = None) -> list:
    """Model Garden's metrics; also those of the options that are used."""
    metrics = super().build_metrics(training=training)
    data = self.task_config.validation_data
    if training:
      data = self.task_config.train_data
      metrics.append(tf_keras.metrics.Mean(name=pretraining_metrics.KEPT_SHARE))
      if self.task_config.semantic_consistency.interval:
        metrics += [
          mlm_losses.OccasionalMean(name=name)
          for name in semantic_consistency.METRICS
        ]
    elif self.task_config.dropped_validation:
      metrics += mlm_losses.make_dropped()
    if pretrain_data.skips_bad_records(data):
      metrics.append(tf_keras.metrics.Sum(name=record_rules.SKIPPED))
    return metrics

  def process_metrics(self, metrics, labels, model_outputs) -> None:
    """Feeds a batch to the accuracies, and counts its skipped records."""
    by_name = {metric.name: metric for metric in metrics}
    sentences = by_name.pop("next_sentence_accuracy", None)
    super().process_metrics(list(by_name.values()), labels, model_outputs)
    if sentences is not None:
      sentences.update_state(
        labels["next_sentence_labels"],
        model_outputs["next_sentence"],
        sample_weight=mlm_losses.sentence_weights(labels),
      )
    pretraining_metrics.count_skipped(metrics, labels)

  def build_losses(self, labels, model_outputs, metrics, aux_losses=None):
    """Returns the mean loss of this replica's batch and records its parts."""
    token_losses = mlm_losses.masked_lm_losses(labels, model_outputs)
    parts = mlm_losses.mean_losses(labels, model_outputs, token_losses)
    weights = mlm_losses.loss_counts(labels)
    pretraining_metrics.update_means(metrics, parts, weights)
    return tf.add_n([*parts.values(), *(aux_losses or [])])

  def validation_step(self, inputs, model, metrics) -> dict:
    """Evaluates whole sequences and, where asked for, dropped ones.

    The metrics have the loss: the trainer would average it over batches.
    """
    if self.task_config.dropped_validation:
      mlm_losses.update_dropped(inputs, model, metrics)
    super().validation_step(inputs, model, metrics)
    return {}

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
    means = mlm_losses.mean_losses(batch, outputs, token_losses)
    weights = self._counts(batch)
    if full:
      means |= semantic_consistency.terms(batch, outputs, *full, detach=True)
      weights["full_lm_example_loss"] = weights["lm_example_loss"]
    pretraining_metrics.update_means(metrics, means, weights)
    pretraining_metrics.update_kept_share(metrics, batch["input_mask"], outputs)
    self.process_metrics(metrics, batch, outputs)

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
