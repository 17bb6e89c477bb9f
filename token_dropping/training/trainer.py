# SPDX-License-Identifier: Apache-2.0
"""Devices and Model Garden's trainer for an experiment."""

import functools
import os
import signal

import tensorflow as tf
import tf_keras
from official.common import distribute_utils
from official.core import base_trainer
from official.core import config_definitions as cfg
from official.core import task_factory
from official.core import train_utils
from official.modeling import performance

from token_dropping.common import errors
from token_dropping.common import signals
from token_dropping.models import checkpoints
from token_dropping.models import fused_attention
from token_dropping.training import attention
from token_dropping.training import best_checkpoint
from token_dropping.training import cluster
from token_dropping.training import config
from token_dropping.training import controller
from token_dropping.training import number_guard
from token_dropping.training import run_counters
from token_dropping.training import step_calls
from token_dropping.training import step_random
from token_dropping.training import workers


class _Checkpoint(tf.train.Checkpoint):
  """Restores all of the model, or raises a `UserError`.

  Other values it may lack without a warning: evaluation has no use for them.
  One of another run, which a new one goes on from, may lack importance, too.
  """

  is_of_another_run = False

  def restore(self, save_path, *args, **kwargs):
    items = getattr(self.model, "checkpoint_items", {})
    items = items | getattr(self.model, "head_items", {})
    # Model Garden's heads make their weights, and restore them, when called.
    made = {name: item for name, item in items.items() if item.built}
    optional = checkpoints.IMPORTANCE if self.is_of_another_run else set()
    checkpoints.check(made, save_path, "--model_dir", optional)
    return super().restore(save_path, *args, **kwargs).expect_partial()


class Trainer(base_trainer.Trainer):
  """Model Garden's trainer, with `runtime.enable_xla` obeyed on every device.

  Model Garden compiles only where `num_gpus` is positive, and on TPUs; here one
  CPU compiles too. `stop` ends a loop of steps early.
  """

  def __init__(self, *args, stop: controller.StopRequest, **kwargs):
    super().__init__(*args, **kwargs)
    self.stop = stop
    task = self.task.task_config
    self.guard = number_guard.NumberGuard(
      self.model,
      self.optimizer,
      self._loop_metrics(),
      self.global_step,
      getattr(task, "on_bad_numbers", "stop"),
      getattr(task, "max_skipped_steps", 0),
    )
    self.skip_counter = run_counters.SkipCounter(self.task)
    self.clock = run_counters.TrainClock(self.global_step)
    self._checkpoint = _Checkpoint(
      global_step=self.global_step,
      model=self.model,
      optimizer=self.optimizer,
      skipped_steps=self.guard.bad_steps,
      skipped_records=self.skip_counter.trained,
      loop_metrics=self._loop_metrics(),
      train_clock=self.clock,
      **getattr(self.model, "checkpoint_items", {}),
    )
    elsewhere = bool(self.config.trainer.continue_from)
    self._checkpoint.is_of_another_run = elsewhere
    # Makes the counter. Workers must make their variables in the same order,
    # and on restoring the chief would make this one earlier than the others.
    self._checkpoint.save_counter.assign(0)
    if getattr(task, "seed", None) is not None:
      step_random.follow_step(self.model, self.global_step, task.seed)

  def _loop_metrics(self) -> list:
    return [*getattr(self, "_train_metrics", []), self._train_loss]

  def create_train_loop_fn(self):
    """Orbit's loop, timed; a stop request ends it where the host runs it."""
    options = self._train_options
    if not options.use_tf_while_loop or not host_runs_loop(self.strategy):
      # It takes no notice of a stop request.
      return self.clock.timed(super().create_train_loop_fn(), lambda: False)
    loop = tf.function(self._train_loop)
    return self.clock.timed(
      lambda *args: loop(*args, tf.constant(self._steps_per_call())),
      lambda: bool(self.stop.flag),
    )

  def _train_loop(self, iterator, num_steps, steps_per_call) -> None:
    done = 0
    while done < num_steps:
      count = tf.minimum(num_steps - done, steps_per_call)
      with tf.name_scope(""):  # as Orbit does: no "while/" before names
        self._call(iterator, count)
      done += count
      if self.stop.flag:
        break

  def _steps_per_call(self) -> int:
    if not self._compiles_calls:
      return 1
    asked = self.config.trainer.steps_per_call
    return asked or step_calls.choose(self.clock.step_seconds)

  @property
  def _compiles_steps(self) -> bool:
    return self.config.runtime.enable_xla and compiles_step(self.strategy)

  @property
  def _compiles_calls(self) -> bool:
    """Whether a call of the loop is a program of its own, of several steps."""
    return self._compiles_steps and self.strategy.num_replicas_in_sync == 1

  # Both are kept: what was collected in between would be compiled anew.

  @functools.cached_property
  def _compiled_task_step(self):
    return tf.function(self.task.train_step, jit_compile=True)

  @functools.cached_property
  def _compiled_steps(self):
    return tf.function(self.run_steps, jit_compile=True)

  def run_steps(self, batches, count: tf.Tensor) -> None:
    """Makes one replica's steps of the first `count` of stacked batches."""
    step = functools.partial(self._step, self.task.train_step)
    step_calls.run(step, batches, count)

  def _call(self, iterator, count: tf.Tensor) -> None:
    """Makes so many steps; more than one only where that is one program."""
    if not self._compiles_calls:
      self.train_step(iterator)
      return
    size = self.config.trainer.steps_per_call or step_calls.MOST_STEPS
    batches = step_calls.take(
      lambda: self.next_train_inputs(iterator), count, size
    )
    arguments = (batches, count)
    options = self._runtime_options
    self.strategy.run(self._compiled_steps, args=arguments, options=options)

  def train(self, num_steps: tf.Tensor) -> dict:
    """Runs so many steps, or fewer; returns the means since the last full loop.

    After one that was not full they stay, to be saved and gone on with.
    """
    self._loop_end = int(self.global_step.numpy()) + int(num_steps)
    return super().train(num_steps)

  def train_loop_end(self) -> dict:
    if int(self.global_step.numpy()) == self._loop_end:
      return super().train_loop_end()
    return {metric.name: metric.result() for metric in self._loop_metrics()}

  def train_step(self, iterator) -> None:
    """Runs one step on every replica; called by Orbit in a graph."""
    task_step = self.task.train_step
    if self._compiles_steps:
      task_step = self._compiled_task_step
    step = functools.partial(self._step, task_step)
    inputs = self.next_train_inputs(iterator)
    self.strategy.run(step, args=(inputs,), options=self._runtime_options)

  def _step(self, task_step, inputs) -> None:
    """Makes one replica's step: the task's, and what is counted beside it."""
    before = self.guard.remember()
    logs = task_step(
      inputs,
      model=self.model,
      optimizer=self.optimizer,
      metrics=self.train_metrics,
    )
    self._train_loss.update_state(logs[self.task.loss])
    # Model Garden's tasks return the loss alone.
    names = ("objective", "gradient_norm")
    values = [logs[self.task.loss], *(logs.get(n, 0.0) for n in names)]
    self.guard.watch(values, before)
    self.global_step.assign_add(1)


def compiles_step(strategy: tf.distribute.Strategy) -> bool:
  """Whether a step of one replica can be compiled on its own.

  Several CPU replicas cannot: their all-reduce leaves the compiled function. A
  TPU compiles the whole replica anyway.
  """
  kinds = _kinds_of_devices(strategy)
  return set(kinds) == {"GPU"} or kinds == ["CPU"]


def host_runs_loop(strategy: tf.distribute.Strategy) -> bool:
  """Whether each step of a loop starts from this host, and from it alone.

  A TPU runs a loop on its own. Several workers must end theirs together.
  """
  known = set(_kinds_of_devices(strategy)) <= {"CPU", "GPU"}
  return known and workers.is_alone(strategy)


def _kinds_of_devices(strategy: tf.distribute.Strategy) -> list[str]:
  devices = map(tf.DeviceSpec.from_string, strategy.extended.worker_devices)
  return [device.device_type for device in devices]


def check_devices(runtime: cfg.RuntimeConfig) -> None:
  """Raises `UserError` where this machine has fewer GPUs than asked for."""
  gpus = len(tf.config.list_physical_devices("GPU"))
  errors.require(
    runtime.num_gpus <= gpus,
    f"runtime.num_gpus must be at most the {gpus} GPUs that TensorFlow finds",
    runtime.num_gpus,
  )


def make_strategy(runtime: cfg.RuntimeConfig) -> tf.distribute.Strategy:
  """Returns the `tf.distribute` strategy that the config names.

  Mirrored, one device is made a one-device strategy: the same numbers without
  the mirroring. Raises `UserError` where GPUs or the TPU are missing, or
  workers have no cluster.
  """
  check_devices(runtime)
  if runtime.mixed_precision_dtype:
    performance.set_mixed_precision_policy(runtime.mixed_precision_dtype)
  name = runtime.distribution_strategy
  if name == "mirrored" and runtime.num_gpus <= 1:
    name = "one_device"
  if name == "multi_worker_mirrored":
    cluster.announce()
  else:
    cluster.doubt(name)
  try:
    # Python's own handler would run only when TensorFlow, which may wait for
    # other workers, has come back.
    with signals.handling({signal.SIGINT: signal.SIG_DFL}):
      return distribute_utils.get_distribution_strategy(
        distribution_strategy=name,
        all_reduce_alg=runtime.all_reduce_alg,
        num_gpus=runtime.num_gpus,
        tpu_address=runtime.tpu,
        **runtime.model_parallelism(),
      )
  except (ImportError, OSError, ValueError, tf.errors.OpError) as error:
    if name == "tpu":
      rule = "--tpu must name a TPU that TensorFlow finds"
      received = repr(runtime.tpu)
    elif name == "multi_worker_mirrored":
      rule = f"{cluster.VARIABLE} must name a free port here and workers that "
      rule += "answer"
      received = errors.shorten(os.environ.get(cluster.VARIABLE))
    else:
      raise
    reason = errors.first_line(error)
    raise errors.UserError(f"{rule}. Received: {received}: {reason}") from error


def make_trainer(
  params: cfg.ExperimentConfig,
  strategy: tf.distribute.Strategy,
  mode: str,
  model_dir: str | None,
  **datasets,
) -> Trainer:
  """Builds all that training needs; without `model_dir` it writes nothing.

  Training, it prints how attention is computed.
  """
  seed = getattr(params.task, "seed", None)
  if seed is not None:
    tf_keras.utils.set_random_seed(seed)
  config.check_replicas(params, strategy.num_replicas_in_sync)
  fuses = "train" in mode and attention.is_fused(params, strategy)
  stop = controller.StopRequest()
  with strategy.scope():
    task = task_factory.get_task(params.task, logging_dir=model_dir)
    model = task.build_model()
    if fuses:
      fused_attention.fuse(model)
    return Trainer(
      params,
      task,
      model=model,
      optimizer=train_utils.create_optimizer(task, params),
      train="train" in mode,
      evaluate="eval" in mode,
      checkpoint_exporter=best_checkpoint.make_exporter(params, model_dir),
      stop=stop,
      **datasets,
    )
