# SPDX-License-Identifier: Apache-2.0
"""The optimizer of a step: Model Garden's, with a rate and clipping of our own.

Model Garden's AdamW clips each replica's gradients before their sum, so that N
replicas take another step than one; with a loss scale it clips nothing.
"""

import functools
from collections.abc import Callable

import tensorflow as tf
import tf_keras
from official.core import config_definitions as cfg
from official.modeling import optimization
from official.modeling import performance

from token_dropping.common import errors


def adamw_config(
  learning_rate: float, warmup_steps: int | None = None
) -> optimization.OptimizationConfig:
  """AdamW, linear warm-up, linear decay to 0 over the whole training."""
  adamw = {
    "weight_decay_rate": 0.01,
    "exclude_from_weight_decay": ["LayerNorm", "layer_norm", "bias"],
  }
  decay = {"initial_learning_rate": learning_rate, "end_learning_rate": 0.0}
  warmup = {"warmup_steps": warmup_steps}
  return optimization.OptimizationConfig(
    {
      "optimizer": {"type": "adamw", "adamw": adamw},
      "learning_rate": {"type": "polynomial", "polynomial": decay},
      "warmup": {"type": "polynomial", "polynomial": warmup},
    }
  )


def check_privacy(task: cfg.TaskConfig) -> None:
  """Refuses differential privacy, of which `create_optimizer` knows nothing."""
  rule = "task.differential_privacy_config must be null: no noise is added"
  given = task.differential_privacy_config
  errors.require(given is None, rule, errors.shorten(given))


def create_optimizer(
  config: optimization.OptimizationConfig,
  runtime: cfg.RuntimeConfig | None = None,
  wrap_rate: Callable = lambda rate: rate,
) -> tf_keras.optimizers.legacy.Optimizer:
  """Builds an optimizer that sums gradients over replicas, then clips them.

  It clips where AdamW's `gradient_clip_norm` is positive.
  """
  norm = getattr(config.optimizer.get(), "gradient_clip_norm", 0.0)
  transformers = None
  if norm > 0.0:
    off = {"gradient_clip_norm": 0.0}
    config = config.replace(optimizer={config.optimizer.type: off})
    transformers = [functools.partial(clip_by_global_norm, norm=norm)]
  factory = optimization.OptimizerFactory(config)
  optimizer = factory.build_optimizer(
    wrap_rate(factory.build_learning_rate()), gradient_transformers=transformers
  )
  if runtime is None:
    return optimizer
  return performance.configure_optimizer(
    optimizer,
    use_float16=runtime.mixed_precision_dtype == "float16",
    loss_scale=runtime.loss_scale,
  )


def clip_by_global_norm(pairs: list[tuple], norm: float) -> list[tuple]:
  """Scales gradients, in pairs with variables, to a norm; makes them dense."""
  gradients, variables = zip(*pairs, strict=True)
  # Rows that occur twice have another norm than their sum.
  dense = [tf.convert_to_tensor(gradient) for gradient in gradients]
  clipped, _ = tf.clip_by_global_norm(dense, norm)
  return list(zip(clipped, variables, strict=True))


class LayerTokenRate(tf_keras.optimizers.schedules.LearningRateSchedule):
  """Another schedule, its steps replaced by the tokens that layers computed.

  Random-LTD's LayerToken (arXiv 2211.11586): by steps that drop many tokens,
  and so train less, the rate falls less.

  Its step is the share of `train_steps` that the layer-tokens so far are of
  all, a function of the step and a `StepSchedule` alone. So it begins and ends
  as the other one does, `warmup_steps` and `decay_steps` included.

  >>> from token_dropping.dropping import drop_plan, keep_schedule
  >>> from token_dropping.dropping import step_schedule
  >>> plan = drop_plan.DropPlan(4, (drop_plan.Stage(0, 0.25),), 3)
  >>> schedule = step_schedule.StepSchedule((  # 1.75 layers, then all 4
  ...   keep_schedule.Phase(0, plan),
  ...   keep_schedule.Phase(60, keep_schedule.full_plan(plan))))
  >>> rate = LayerTokenRate(lambda step: step, schedule, 100, seq_length=8)
  >>> [round(float(rate(step)), 2) for step in (0, 30, 60, 80, 100)]
  [0.0, 19.81, 39.62, 69.81, 100.0]
  """

  def __init__(self, rate, schedule, train_steps: int, seq_length: int):
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


def accumulate(
  step: Callable, batch: dict[str, tf.Tensor], count: int
) -> tuple:
  """Runs a step on `count` equal slices of a batch, for gradient accumulation.

  `step` returns a structure to sum, and one of tensors to stack, [count, ...]
  (one slice: as it is). Variables are made in the first slice, which is
  computed on its own; the others are one loop, whatever their number, of static
  shapes.

  >>> total, rows = accumulate(
  ...   lambda part: (tf.reduce_sum(part["x"]), part["x"]),
  ...   {"x": tf.constant([1, 2, 3, 4])}, count=2)
  >>> int(total), rows.numpy().tolist()
  (10, [[1, 2], [3, 4]])
  """
  if count == 1:
    return step(batch)
  slices = {
    name: tf.reshape(tensor, [count, -1, *tensor.shape[1:]])
    for name, tensor in batch.items()
  }

  def run(index):
    return step({name: tensor[index] for name, tensor in slices.items()})

  def add(index, total, rows):
    more, row = run(index)
    total = tf.nest.map_structure(tf.add, total, more)
    pairs = zip(rows, tf.nest.flatten(row), strict=True)
    return index + 1, total, [kept.write(index, new) for kept, new in pairs]

  total, row = run(0)
  rows = [
    tf.TensorArray(t.dtype, count, element_shape=t.shape).write(0, t)
    for t in tf.nest.flatten(row)
  ]
  _, total, rows = tf.while_loop(
    lambda index, *_: index < count,
    add,
    (tf.constant(1), total, rows),
    parallel_iterations=1,
    maximum_iterations=count - 1,
  )
  return total, tf.nest.pack_sequence_as(row, [kept.stack() for kept in rows])


def scaled(optimizer, objective: tf.Tensor) -> tf.Tensor:
  """Multiplies by the loss scale, where float16 needs one."""
  if isinstance(optimizer, tf_keras.mixed_precision.LossScaleOptimizer):
    return optimizer.get_scaled_loss(objective)
  return objective


def dense(gradients: list) -> dict[int, tf.Tensor]:
  """Returns the gradients that there are, all dense, by their place.

  Without sentence head the pooler has none. Of embeddings the head's share is
  dense anyway, and TPUs add no others.
  """
  return {
    index: tf.convert_to_tensor(gradient)
    for index, gradient in enumerate(gradients)
    if gradient is not None
  }


def norm(optimizer, gradients: dict[int, tf.Tensor]) -> tf.Tensor:
  """Returns the norm of all gradients together, or 0 with a loss scale.

  Keras leaves out a step whose gradients overflow, and lowers the scale.
  """
  if isinstance(optimizer, tf_keras.mixed_precision.LossScaleOptimizer):
    return tf.constant(0.0)
  return tf.linalg.global_norm(list(gradients.values()))


def apply(optimizer, gradients: dict[int, tf.Tensor], variables) -> None:
  """Moves the variables that have a gradient, by their place."""
  values = list(gradients.values())
  if isinstance(optimizer, tf_keras.mixed_precision.LossScaleOptimizer):
    values = optimizer.get_unscaled_gradients(values)
  moved = [variables[index] for index in gradients]
  optimizer.apply_gradients(list(zip(values, moved, strict=True)))
