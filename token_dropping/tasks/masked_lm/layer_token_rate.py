# SPDX-License-Identifier: Apache-2.0
"""A learning rate that follows the tokens that the layers have computed.

Random-LTD's LayerToken (arXiv 2211.11586): by steps that drop many tokens, and
so train less, the rate falls less.
"""

import tensorflow as tf
import tf_keras

from token_dropping.dropping import step_schedule


class LayerTokenRate(tf_keras.optimizers.schedules.LearningRateSchedule):
  """Another schedule, its steps replaced by layer-tokens.

  Its step is the share of `train_steps` that the layer-tokens so far are of
  all, a function of the step alone. So it begins and ends as the other one
  does, `warmup_steps` and `decay_steps` included.

  >>> from token_dropping.dropping import drop_plan, keep_schedule
  >>> plan = drop_plan.DropPlan(4, (drop_plan.Stage(0, 0.25),), 3)
  >>> schedule = step_schedule.StepSchedule((  # 1.75 layers, then all 4
  ...   keep_schedule.Phase(0, plan),
  ...   keep_schedule.Phase(60, keep_schedule.full_plan(plan))))
  >>> rate = LayerTokenRate(lambda step: step, schedule, 100, seq_length=8)
  >>> [round(float(rate(step)), 2) for step in (0, 30, 60, 80, 100)]
  [0.0, 19.81, 39.62, 69.81, 100.0]
  """

  def __init__(
    self,
    rate,
    schedule: step_schedule.StepSchedule,
    train_steps: int,
    seq_length: int,
  ):
    self._rate = rate
    self._schedule = schedule
    self._train_steps = train_steps
    self._seq_length = seq_length

  def __call__(self, step) -> tf.Tensor:
    done = self._layer_tokens(tf.cast(step, tf.int64))
    scale = self._train_steps / self._layer_tokens(self._train_steps)
    return self._rate(tf.cast(done, tf.float32) * scale)

  def _layer_tokens(self, steps):
    """Returns those of the first steps, of one sequence."""
    return sum(
      count * kind.layer_tokens(self._seq_length)
      for kind, count in self._schedule.counts(steps).items()
    )

  def get_config(self) -> dict:
    """Returns the config of the other schedule: this one is made anew."""
    return self._rate.get_config()
