# SPDX-License-Identifier: Apache-2.0
"""A run's steps and evaluation as functions of tensors, for equal time.

The trainer, its task and its masks are those of a run; the reader and the loop
are left to whoever calls the functions.
"""

import copy

import tensorflow as tf
import tf_keras
from official.core import config_definitions as cfg

from token_dropping.common import errors
from token_dropping.common import vocabulary
from token_dropping.data.batches import dynamic_masking
from token_dropping.data.batches import masking
from token_dropping.training import config
from token_dropping.training import launch
from token_dropping.training import step_calls
from token_dropping.training import trainer as trainer_lib

_EXPERIMENT = "bert/token_drop"
# What `Training` can do; the reader of a run can do more.
_NEEDED = {
  "task.train_data.masking": "dynamic",
  "task.train_data.final_masking_rate": None,
  "task.train_data.use_next_sentence_label": False,
  "task.train_data.on_bad_records": "stop",
  "task.validation_data.on_bad_records": "stop",
  "runtime.distribution_strategy": "one_device",
}


def prepare(
  config_files: list[str], override: str = ""
) -> cfg.ExperimentConfig:
  """Returns the config of `bert/token_drop` that files and override make.

  Raises `UserError` where it or its records break a rule, or `Training` cannot
  do what it asks for.
  """
  asked = config.LaunchFlags(_EXPERIMENT, config_files, override)
  params = config.parse(asked)
  config.check_experiment(params)
  for path, needed in _NEEDED.items():
    found = params
    for name in path.split("."):
      found = getattr(found, name)
    errors.require(found == needed, f"{path} must be {needed}", found)
  launch.check_records(params, "train_and_eval")
  return params


class TimedRate(tf_keras.optimizers.schedules.LearningRateSchedule):
  """Another schedule, its step replaced by `progress` of so many steps.

  >>> rate = TimedRate(lambda step: 2 * step, train_steps=100)
  >>> rate.progress.assign(0.25) and float(rate(step=7))
  50.0
  """

  def __init__(self, rate, train_steps: int):
    self.progress = tf.Variable(0.0, trainable=False, name="progress")
    self._rate = rate
    self._train_steps = train_steps

  def __call__(self, step) -> tf.Tensor:
    return self._rate(self.progress * self._train_steps)

  def get_config(self) -> dict:
    """Returns the config of the other schedule: this one is made anew."""
    return self._rate.get_config()


class Training:
  """A config's trainer on this machine's CPU, with a `TimedRate`.

  `train` makes the steps of `{"epoch": [], "tokens": [n, B, S]}` and returns
  their mean loss; `evaluate` returns `results` of batches, [m, B, ...] by name.
  Both are compiled by XLA.
  """

  def __init__(self, params: cfg.ExperimentConfig):
    params = copy.deepcopy(params)
    params.runtime.override({"attention": "auto", "num_gpus": 0})
    self._data = params.task.train_data
    self._strategy = trainer_lib.make_strategy(params.runtime)
    self.trainer = trainer_lib.make_trainer(
      *(params, self._strategy, "train", None),
      train_dataset=tf.data.Dataset.from_tensors(0),  # nothing is read
    )
    optimizer = self.trainer.optimizer
    with self._strategy.scope():
      self.rate = TimedRate(optimizer.learning_rate, params.trainer.train_steps)
      self._metrics = self.trainer.task.build_metrics(training=False)
    optimizer.learning_rate = self.rate
    self.results = [metric.name for metric in self._metrics]
    vocab = vocabulary.Vocabulary.from_file(self._data.vocab_file)
    self._masker = dynamic_masking.DynamicMasker(vocab, self._data)
    self._starts_word = masking.starts_word(vocab)
    self.train = tf.function(self._train, jit_compile=True)
    self.evaluate = tf.function(self._evaluate, jit_compile=True)

  def saved(self) -> list[tf.Variable]:
    """Returns what a run needs that is evaluated: no optimizer's slots."""
    trainer = self.trainer
    importance = trainer.model.checkpoint_items["importance"]
    variables = [*trainer.model.variables, *importance.variables]
    variables += [trainer.global_step, trainer.optimizer.iterations]
    return list({id(each.handle): each for each in variables}.values())

  def _train(self, inputs: dict[str, tf.Tensor]) -> tf.Tensor:
    count, batch, length = inputs["tokens"].shape
    rows = tf.reshape(tf.cast(inputs["tokens"], tf.int32), [-1, length])
    masked = self._masker.mask(
      rows,
      tf.gather(self._starts_word, rows),
      self._data.masking_rate,
      inputs["epoch"],
    )
    batches = {
      name: tf.reshape(value, [count, batch, *value.shape[1:]])
      for name, value in masked.items()
    }

    def steps(batches):
      _reset([*self.trainer.train_metrics, self.trainer.train_loss])
      self.trainer.run_steps(batches, tf.constant(count))

    self._strategy.run(steps, args=(batches,))
    return self.trainer.train_loss.result()

  def _evaluate(self, batches: dict[str, tf.Tensor]) -> tf.Tensor:
    task, model = self.trainer.task, self.trainer.model
    count = tf.constant(batches["input_word_ids"].shape[0])

    def steps(batches):
      _reset(self._metrics)
      step_calls.run(
        lambda batch: task.validation_step(batch, model, self._metrics),
        *(batches, count),
      )

    self._strategy.run(steps, args=(batches,))
    return tf.stack([metric.result() for metric in self._metrics])


def _reset(metrics: list[tf_keras.metrics.Metric]) -> None:
  for metric in metrics:
    metric.reset_state()
