# SPDX-License-Identifier: Apache-2.0
"""Dropped passes that keep the meaning of full ones: ScTD.

Zhong et al. (ACL 2023, https://arxiv.org/abs/2305.15273, section 3): now and
then a batch gets a second, full pass, and the states of [CLS] in the dropped
pass are drawn to those of the full one.
"""

import dataclasses

import tensorflow as tf
from official.modeling.hyperparams import base_config

from token_dropping.common import errors
from token_dropping.dropping import step_schedule
from token_dropping.tasks.masked_lm import losses as mlm_losses

# By metric name: after which layer the states are compared.
_LAYERS = {"kl_before_last": -2, "kl_last": -1}
METRICS = ("full_lm_example_loss", *_LAYERS)


@dataclasses.dataclass
class SemanticConsistencyConfig(base_config.Config):
  """Steps whose batch gets a full pass beside the dropped one.

  Their loss sums four terms by weight, here as published: the losses of both
  passes, and how far apart their states are before and after the last layer.

  Attributes:
    interval: every so many steps is such a step; 0 means none, 10 is published.
    detach: the full pass' states are a target, which gets no gradient of the
      divergences.
  """

  interval: int = 0
  detach: bool = False
  dropped_weight: float = 0.5
  full_weight: float = 0.5
  kl_before_last_weight: float = 0.05
  kl_last_weight: float = 0.05


def check_use(
  config: SemanticConsistencyConfig, schedule: step_schedule.StepSchedule
) -> None:
  """Refuses what is out of range, or would change nothing."""
  for name, value in config.as_dict().items():
    errors.require(value >= 0, f"{name} must be at least 0", value)
  interval, full = config.interval, schedule.full_interval
  drops = any(phase.plan.drops for phase in schedule.phases)
  rule = "interval must be 0 unless the encoder drops tokens"
  errors.require(not interval or drops, rule, interval)
  errors.require(
    not (interval and full) or interval % full > 0,
    "interval must not be a multiple of task.keep_schedule.full_interval "
    f"({full}): those steps drop nothing",
    interval,
  )


def counts(labels: dict) -> dict[str, tf.Tensor]:
  """Returns over how many labels or records each term is a mean, by name."""
  records = tf.reduce_sum(mlm_losses.sentence_weights(labels))
  return mlm_losses.loss_counts(labels) | dict.fromkeys(_LAYERS, records)


def divergence(
  dropped: tf.Tensor, full: tf.Tensor, detach: bool = False
) -> tf.Tensor:
  """Returns how far dropped states [B, D] are from full ones, [B], in nats.

  KL(full || dropped) of softmaxes over D: the full pass is the target to cover,
  as a teacher in distillation and in the authors' code.

  >>> even, odd = tf.math.log([[0.5, 0.5]]), tf.math.log([[0.25, 0.75]])
  >>> divergence(even, odd).numpy().round(4)  # 1/4 log 1/2 + 3/4 log 3/2
  array([0.1308], dtype=float32)
  """
  if detach:
    full = tf.stop_gradient(full)
  dropped = tf.nn.log_softmax(tf.cast(dropped, tf.float32))
  full = tf.nn.log_softmax(tf.cast(full, tf.float32))
  return tf.reduce_sum(tf.exp(full) * (full - dropped), axis=-1)


def terms(
  labels: dict,
  dropped: dict,
  full: dict,
  detach: bool,
  numbers: dict[str, tf.Tensor] | None = None,
) -> dict[str, tf.Tensor]:
  """Returns what a full pass adds to the loss, before weights, as scalars.

  By name: its losses (of *its* outputs, unlike in the authors' code) after
  `full_`, and the divergences at position 0, means over records with tokens.
  `numbers`, else the batch's `counts`, are what the sums are divided by.
  """
  numbers = numbers or counts(labels)
  losses = mlm_losses.masked_lm_losses(labels, full)
  parts = mlm_losses.mean_losses(labels, full, losses, numbers)
  added = {f"full_{name}": loss for name, loss in parts.items()}
  for name, layer in _LAYERS.items():
    states = [out["encoder_outputs"][layer][:, 0] for out in (dropped, full)]
    distances = divergence(*states, detach)
    total = tf.reduce_sum(distances * mlm_losses.sentence_weights(labels))
    added[name] = tf.math.divide_no_nan(total, numbers[name])
  return added


def objective(
  config: SemanticConsistencyConfig,
  dropped_loss: tf.Tensor,
  added: dict[str, tf.Tensor],
) -> tf.Tensor:
  """Returns the loss of a step with two passes, a scalar."""
  total = config.dropped_weight * dropped_loss
  for name, value in added.items():
    total += getattr(config, f"{name}_weight", config.full_weight) * value
  return total
