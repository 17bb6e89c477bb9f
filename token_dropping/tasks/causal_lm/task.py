# SPDX-License-Identifier: Apache-2.0
"""Pretraining of a causal language model with token dropping.

Every token that another follows has a loss, also one that was dropped: it has
returned by then.
"""

import tensorflow as tf
import tf_keras
from official.core import task_factory

from token_dropping.data.batches import causal_data
from token_dropping.data.batches import causal_rules
from token_dropping.data.batches import dataset_card
from token_dropping.data.batches import pretrain_data
from token_dropping.data.batches import record_rules
from token_dropping.data.text import byte_tokenizer
from token_dropping.dropping import keep_schedule
from token_dropping.models.causal import language_model
from token_dropping.tasks.causal_lm import config as causal_config
from token_dropping.tasks.causal_lm import losses as causal_losses
from token_dropping.tasks.pretraining import metrics as pretraining_metrics
from token_dropping.tasks.pretraining import task as pretraining

_DROPPED = pretraining_metrics.DROPPED


@task_factory.register_task_cls(causal_config.CausalLMConfig)
class CausalLMTask(pretraining.PretrainingTask):
  """Pretrains a network to predict the next token."""

  def build_model(self) -> language_model.LanguageModel:
    network = self.task_config.model.encoder.get()
    model = network.build_language_model(network.build())
    # A branch of a step cannot make variables. One token may be fewer than
    # what stays: nothing drops.
    plan = keep_schedule.full_plan(model.encoder_network.drop_plan)
    model({"input_word_ids": tf.zeros([1, 1], tf.int32)}, plan=plan)
    return model

  def build_inputs(self, params, input_context=None) -> tf.data.Dataset:
    """Reads batches, and checks their values."""
    encoder = self.task_config.model.encoder.get()
    path = f"task.{'train' if params.is_training else 'validation'}_data"
    rules = causal_rules.CausalRules(params, encoder, path)
    loader = causal_data.CausalDataLoader(params)
    return self._load(loader, rules, input_context)

  def build_metrics(self, training: bool | None = None) -> list:
    """Of training, or of whole sequences and, where asked for, dropped ones."""
    task = self.task_config
    if training:
      data, metrics = task.train_data, causal_losses.make_metrics()
      metrics.append(tf_keras.metrics.Mean(name=pretraining_metrics.KEPT_SHARE))
    else:
      data = task.validation_data
      ratio = dataset_card.bytes_per_token(data)
      prefixes = ("", _DROPPED) if task.dropped_validation else ("",)
      metrics = []
      for prefix in prefixes:
        metrics += causal_losses.make_metrics(prefix, ratio)
    if pretrain_data.skips_bad_records(data):
      metrics.append(tf_keras.metrics.Sum(name=record_rules.SKIPPED))
    return metrics

  def validation_step(self, inputs, model, metrics) -> dict:
    """Evaluates whole sequences and, where asked for, dropped ones."""
    plans = {"": None}
    if self.task_config.dropped_validation:
      plans[_DROPPED] = model.encoder_network.drop_plan
    batch = causal_losses.with_targets(inputs)
    for prefix, plan in plans.items():
      outputs = model(batch, training=False, plan=plan)
      token_losses = causal_losses.token_losses(batch, outputs)
      causal_losses.update_metrics(
        metrics, batch, outputs, token_losses, prefix
      )
    pretraining_metrics.count_skipped(metrics, batch)
    return {}  # the metrics have the loss

  def _prepare(self, inputs: dict, model) -> dict:
    batch = causal_losses.with_targets(inputs)
    task = self.task_config
    if task.loss_positions.type != causal_config.RANDOM:
      return batch
    shape, network = inputs["input_word_ids"].shape, model.encoder_network
    # After the layers, which draw what they drop.
    place = -1 - network.num_layers
    scores = network.importance_scorer.seeds.uniform(shape, place)
    count = task.loss_count(shape[1])
    return causal_losses.with_positions(batch, count, scores)

  @property
  def _reads_kept(self) -> bool:
    return self.task_config.loss_positions.type == causal_config.KEPT

  def _predicted(self, batch: dict, outputs: dict) -> dict:
    """Returns a batch with targets where a pass has logits."""
    if not self._reads_kept:
      return batch
    return causal_losses.at_positions(batch, outputs["kept_positions"])

  def _token_losses(self, batch, outputs) -> tf.Tensor:
    batch = self._predicted(batch, outputs)
    return causal_losses.token_losses(batch, outputs)

  def _counts(self, batch: dict) -> dict[str, tf.Tensor]:
    count = tf.reduce_sum(batch["next_weights"])
    if self._reads_kept:  # which ones stay is not known yet
      keep = self.task_config.loss_count(batch["input_word_ids"].shape[1])
      count = causal_losses.expected_count(batch, keep)
    return {causal_losses.LOSS: count}

  def _losses(self, batch, passes, token_losses, counts) -> tuple:
    batch = self._predicted(batch, passes[0])
    count = counts[causal_losses.LOSS]
    loss = causal_losses.mean_loss(batch, token_losses, count)
    return loss, loss

  def _record(self, metrics, batch, passes, token_losses) -> None:
    (outputs,) = passes
    batch = self._predicted(batch, outputs)
    causal_losses.update_metrics(metrics, batch, outputs, token_losses)
    real = batch["input_word_ids"] != byte_tokenizer.PAD_ID
    pretraining_metrics.update_kept_share(metrics, real, outputs)
    pretraining_metrics.count_skipped(metrics, batch)

  def _teach(self, scorers, batch, token_losses) -> None:
    if self._reads_kept:
      return  # what stays by lot learns nothing
    (scorer,) = scorers
    ids = batch["input_word_ids"]
    if "loss_positions" in batch:
      ids = tf.gather(ids, batch["loss_positions"], batch_dims=1)
    scorer.update(ids, token_losses, batch["next_weights"])
