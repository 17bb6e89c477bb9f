# SPDX-License-Identifier: Apache-2.0
"""NaN and Inf stop a run, or skip a step, before they reach a checkpoint."""

from collections.abc import Callable

import tensorflow as tf
import tf_keras

from token_dropping.common import errors
from token_dropping.models import checkpoints
from token_dropping.training import workers


class NumberGuard:
  """Watches the loss and the gradients of every step, the weights of a loop.

  `remember` and `watch` run on the device, within the compiled loop; `look`,
  once a loop and before anything is saved, on the host. A step that overflows,
  with a loss and gradients that were finite, is found by `look`, and by the
  loss of the next step. With `policy="skip"` a bad step leaves weights,
  optimizer and importance as they were; a run may have `max_skipped` of them.
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
      if model.inputs:  # those of the heads are made by a call
        model(model.inputs)
      self._optimizer._create_all_weights(model.trainable_variables)
    self._max_skipped = max_skipped
    self.bad_steps = workers.make_counter("bad_steps")
    self._first_bad = workers.make_counter("first_bad_step", -1)

  def remember(self) -> list[tf.Tensor]:
    """Returns what a skipped step must leave alone; nothing to stop a run."""
    return [tf.identity(v) for v in self._kept()]

  def watch(self, values: list[tf.Tensor], before: list[tf.Tensor]) -> None:
    """Counts the step if it is bad and, to skip it, undoes it.

    `values` are scalars of this replica that are finite in a good step.
    """
    bad = tf.cast(tf.reduce_any(~tf.math.is_finite(values)), tf.float32)
    replica = tf.distribute.get_replica_context()
    bad = replica.all_reduce(tf.distribute.ReduceOp.SUM, bad) > 0
    self.bad_steps.assign_add(tf.cast(bad, tf.int64))
    first = tf.logical_and(bad, self._first_bad < 0)
    now = tf.cast(self._step, tf.int64) + 1
    self._first_bad.assign(tf.where(first, now, self._first_bad))
    if self._skips:
      # Not `tf.where`, which would read and write all of it in every step.
      tf.cond(bad, lambda: self._undo(before), lambda: None)

  def _undo(self, before: list[tf.Tensor]) -> None:
    for variable, old in zip(self._kept(), before, strict=True):
      variable.assign(old)

  def look(self, last_checkpoint: Callable[[], str | None]) -> None:
    """Stops the run if it must not go on; call once a loop, before saving."""
    # `int` does not take the variable of several replicas.
    count, first = self.bad_steps.numpy(), self._first_bad.numpy()
    if count and not self._skips:
      rule = "task.on_bad_numbers=stop: loss and gradients must be finite; "
      rule += f"they were not at step {first}. The"
      received = f"{count} such steps of this loop"
    elif count > self._max_skipped:
      rule = "task.max_skipped_steps must be at least the steps whose loss or "
      rule += f"gradients were not finite ({count} in this run, the first of "
      rule += f"this process at step {first}); the"
      received = self._max_skipped
    elif (bad := self._find_bad_variable()) is not None:
      rule = f"{bad} must be finite. The"
      received = f"NaN or Inf at step {self._step.numpy()}"
    else:
      return
    raise errors.UserError(
      f"{rule} last good checkpoint is {last_checkpoint()}. "
      f"Received: {received}"
    )

  def _find_bad_variable(self) -> str | None:
    variables = [*self._weights(), *self._slots()]
    variables = [v for v in variables if v.dtype.is_floating]
    finite = _are_finite([tf.convert_to_tensor(v) for v in variables])
    named = zip(variables, finite.numpy(), strict=True)
    return next((v.name for v, is_finite in named if not is_finite), None)

  def _kept(self) -> list[tf.Variable]:
    if not self._skips:
      return []
    metrics = [v for metric in self._metrics for v in metric.variables]
    return [*self._weights(), *self._slots(), *metrics]

  def _weights(self) -> list[tf.Variable]:
    items = getattr(self._model, "checkpoint_items", {})
    names = checkpoints.IMPORTANCE & items.keys()
    importance = [v for name in sorted(names) for v in items[name].variables]
    return [*self._model.variables, *importance]

  def _slots(self) -> list[tf.Variable]:
    """Returns the optimizer's variables but for its steps, which go on."""
    # A moving average of the weights lists its own and not the optimizer's.
    variables = [*self._optimizer.variables(), *self._optimizer.weights]
    by_id = {id(variable): variable for variable in variables}
    by_id.pop(id(self._optimizer.iterations), None)
    return list(by_id.values())


@tf.function
def _are_finite(values: list[tf.Tensor]) -> tf.Tensor:
  sums = [tf.reduce_sum(tf.cast(value, tf.float32)) for value in values]
  return tf.math.is_finite(tf.stack(sums))
