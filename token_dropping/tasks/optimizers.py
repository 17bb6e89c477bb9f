# SPDX-License-Identifier: Apache-2.0
"""Model Garden's optimizers, with clipping that any number of replicas share.

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


def adamw_config(
  learning_rate: float, warmup_steps: int | None = None
) -> optimization.OptimizationConfig:
  """AdamW, linear warm-up, linear decay to 0 over the whole training."""
  return optimization.OptimizationConfig(
    {
      "optimizer": {
        "type": "adamw",
        "adamw": {
          "weight_decay_rate": 0.01,
          "exclude_from_weight_decay": ["LayerNorm", "layer_norm", "bias"],
        },
      },
      "learning_rate": {
        "type": "polynomial",
        "polynomial": {
          "initial_learning_rate": learning_rate,
          "end_learning_rate": 0.0,
        },
      },
      "warmup": {
        "type": "polynomial",
        "polynomial": {"warmup_steps": warmup_steps},
      },
    }
  )


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
