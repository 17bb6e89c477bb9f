# SPDX-License-Identifier: Apache-2.0
"""NaN and Inf stop a run, or skip a step, before they reach a checkpoint."""

from collections.abc import Callable

import tensorflow as tf
import tf_keras

from token_dropping import errors

POLICIES = ("stop", "skip")


class NumberGuard:
  """Watches the loss and the weights of every step.

  A gradient that is not finite makes a weight that is not; so does a step that
  overflows. `remember` and `check` run on the device, within the compiled loop;
  `look`, once a loop, on the host.

  Args:
    model: the model.
    optimizer: of the model.
    metrics: Keras metrics of training.
    global_step: the trainer's step counter.
    policy: `"stop"`, or `"skip"`: the step leaves weights, optimizer and
      importance as they were, and is counted.
    max_skipped: int, how many skipped steps a run may have.
  """

  def __init__(
    self,
    model: tf_keras.Model,
    optimizer,
    metrics: list,
    global_step: tf.Variable,
    policy: str = "stop",
    max_skipped: int = 10,
  ):
    self._model = model
    self._optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    self._metrics = metrics
    self._step = global_step
    self._skips = policy == "skip"
    if self._skips:
      model(model.inputs)  # makes the weights of the heads
    self._max_skipped = max_skipped
    self.bad_steps = _counter("bad_steps", 0)
    self._first_bad = _counter("first_bad_step", -1)

  def remember(self) -> list[tf.Tensor]:
    """Returns what a skipped step must leave alone; nothing to stop a run."""
    return [tf.identity(v) for v in self._kept()]

  def check(self, loss: tf.Tensor, before: list[tf.Tensor]) -> None:
    """Counts the step if it is bad and, to skip it, undoes it.

    Args:
      loss: scalar, of this replica.
      before: what `remember` returned before the step.
    """
    values = [loss, *self._model.trainable_variables]
    sums = [tf.cast(tf.reduce_sum(value), tf.float32) for value in values]
    bad = tf.cast(tf.reduce_any(~tf.math.is_finite(tf.stack(sums))), tf.float32)
    replica = tf.distribute.get_replica_context()
    bad = replica.all_reduce(tf.distribute.ReduceOp.SUM, bad) > 0
    self.bad_steps.assign_add(tf.cast(bad, tf.int64))
    first = tf.logical_and(bad, self._first_bad < 0)
    now = tf.cast(self._step, tf.int64) + 1
    self._first_bad.assign(tf.where(first, now, self._first_bad))
    for variable, old in zip(self._kept(), before, strict=True):
      variable.assign(tf.where(bad, old, variable))

  def look(self, last_checkpoint: Callable[[], str | None]) -> None:
    """Stops the run if it must not go on; call once a loop, before saving.

    Args:
      last_checkpoint: returns the last good one.

    Raises:
      UserError: with step and checkpoint.
    """
    count, first = (
      int(counter.numpy()) for counter in (self.bad_steps, self._first_bad)
    )
    if count and not self._skips:
      raise errors.UserError(
        "task.on_bad_numbers=stop: loss and weights must be finite; they were "
        f"not at step {first}. The last good checkpoint is {last_checkpoint()}."
        f" Received: {count} such steps of this loop"
      )
    if count > self._max_skipped:
      raise errors.UserError(
        "task.max_skipped_steps must be at least the steps whose loss or "
        f"weights were not finite ({count} in this run, the first of this "
        f"process at step {first}); the last good checkpoint is "
        f"{last_checkpoint()}. Received: {self._max_skipped}"
      )
    for variable in [*self._model.variables, *self._slots()]:
      if not _all_finite(variable):
        raise errors.UserError(
          f"{variable.name} must be finite. The last good checkpoint is "
          f"{last_checkpoint()}. Received: NaN or Inf at step "
          f"{int(self._step.numpy())}"
        )

  def _kept(self) -> list[tf.Variable]:
    if not self._skips:
      return []
    if not self._slots():
      self._optimizer._create_all_weights(self._model.trainable_variables)
    metrics = [v for metric in self._metrics for v in metric.variables]
    return [*self._model.variables, *self._slots(), *metrics]

  def _slots(self) -> list[tf.Variable]:
    """Returns the optimizer's variables but for its steps, which go on."""
    steps = self._optimizer.iterations
    return [v for v in self._optimizer.variables() if v is not steps]


def _counter(name: str, value: int) -> tf.Variable:
  return tf.Variable(
    value,
    dtype=tf.int64,
    trainable=False,
    name=name,
    aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
  )


@tf.function
def _sum(value: tf.Tensor) -> tf.Tensor:
  return tf.reduce_sum(tf.cast(value, tf.float32))


def _all_finite(variable: tf.Variable) -> bool:
  if not variable.dtype.is_floating:
    return True
  return bool(tf.math.is_finite(_sum(tf.convert_to_tensor(variable))))
