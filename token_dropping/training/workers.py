# SPDX-License-Identifier: Apache-2.0
"""Several workers, one run: what the chief does for all, and agreements."""

from collections.abc import Callable

import tensorflow as tf

from token_dropping.common import errors


def is_chief(strategy: tf.distribute.Strategy) -> bool:
  """Whether this process writes what is there once for all workers."""
  return strategy.extended.should_checkpoint


def is_alone(strategy: tf.distribute.Strategy) -> bool:
  """Whether this process feeds all replicas."""
  replicas = strategy.num_replicas_in_sync
  return replicas == 1 or replicas == len(strategy.extended.worker_devices)


def make_counter(
  name: str, value: int = 0, dtype: tf.DType = tf.int64
) -> tf.Variable:
  """Returns a scalar variable that is the same in every replica."""
  return tf.Variable(
    value,
    dtype=dtype,
    trainable=False,
    name=name,
    aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
  )


def any_of(strategy: tf.distribute.Strategy, flag: bool) -> bool:
  """Returns whether a flag is set in any worker; waits for all of them."""
  if is_alone(strategy):
    return flag
  return float(_sum_over_replicas(strategy, tf.constant(float(flag)))) > 0


@tf.function
def _sum_over_replicas(strategy: tf.distribute.Strategy, value: tf.Tensor):
  values = strategy.run(tf.identity, args=(value,))
  return strategy.reduce(tf.distribute.ReduceOp.SUM, values, axis=None)


def chief_first(
  strategy: tf.distribute.Strategy, action: Callable[[], None]
) -> None:
  """Runs an action in the chief; the others wait, and fail where it fails.

  It waits for them first: none must still read what the action changes.
  """
  error = None
  any_of(strategy, False)
  if is_chief(strategy):
    try:
      action()
    except Exception as raised:  # whatever it is, nobody must wait for ever
      error = raised
  failed = any_of(strategy, error is not None)
  if error is not None:
    raise error
  if failed:
    raise errors.UserError(
      "the first worker must be able to use --model_dir. Received: an error, "
      "which that worker reports"
    )
