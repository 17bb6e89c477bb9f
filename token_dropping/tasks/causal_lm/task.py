# SPDX-License-Identifier: Apache-2.0
"""Pretraining of a causal language model with token dropping.

Every token that another follows has a loss, also one that was dropped: it has
returned by then.
"""

import functools
from collections.abc import Callable

import tensorflow as tf
import tf_keras
from official.core import task_factory

from token_dropping.data.batches import dataset_card
from token_dropping.data.text import byte_tokenizer
from token_dropping.dropping import keep_schedule
from token_dropping.models.causal import language_model
from token_dropping.tasks.causal_lm import config as causal_config
from token_dropping.tasks.causal_lm import losses as causal_losses
from token_dropping.tasks.pretraining import metrics as pretraining_metrics
from token_dropping.tasks.pretraining import task as pretraining


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

  def _metrics(self, training: bool | None) -> dict[str, Callable]:
    if training:
      share = {pretraining_metrics.KEPT_SHARE: tf_keras.metrics.Mean}
      return causal_losses.METRICS | share
    ratio = dataset_card.bytes_per_token(self.task_config.validation_data)
    make_bits = functools.partial(causal_losses.BitsPerByte, ratio)
    bits = {causal_losses.BITS: make_bits} if ratio else {}
    return causal_losses.METRICS | bits

  def _evaluate(self, metrics, batch: dict, outputs: dict, prefix: str) -> None:
    token_losses = causal_losses.token_losses(batch, outputs)
    causal_losses.update_metrics(metrics, batch, outputs, token_losses, prefix)

  def _with_targets(self, inputs: dict) -> dict:
    return causal_losses.with_targets(inputs)

  def _prepare(self, inputs: dict, model) -> dict:
    batch, task = self._with_targets(inputs), self.task_config
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

  def _teach(self, scorers, batch, token_losses) -> None:
    if self._reads_kept:
      return  # what stays by lot learns nothing
    (scorer,) = scorers
    ids = batch["input_word_ids"]
    if "loss_positions" in batch:
      ids = tf.gather(ids, batch["loss_positions"], batch_dims=1)
    scorer.update(ids, token_losses, batch["next_weights"])
