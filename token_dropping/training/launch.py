# SPDX-License-Identifier: Apache-2.0
"""From a checked config to a finished run: what the launcher does."""

import contextlib
import functools
import os
from collections.abc import Callable, Iterator

import tensorflow as tf
from official.core import config_definitions as cfg
from official.core import task_factory
from official.core import train_lib
from official.nlp.data import pretrain_dataloader

from token_dropping.common import errors
from token_dropping.common import files
from token_dropping.data.batches import bad_records
from token_dropping.data.batches import causal_data
from token_dropping.data.batches import dataset_card
from token_dropping.data.batches import pair_data
from token_dropping.dropping.importance import importance_report
from token_dropping.models import checkpoint_files
from token_dropping.models import checkpoints
from token_dropping.tasks import experiments
from token_dropping.training import best_checkpoint
from token_dropping.training import continuation
from token_dropping.training import controller
from token_dropping.training import progress
from token_dropping.training import resume
from token_dropping.training import run_dir
from token_dropping.training import trainer as trainer_lib
from token_dropping.training import workers

# Data of which `dataset.json` tells.
_PREPARED = (
  causal_data.CausalDataConfig,
  pair_data.PairDataConfig,
  pretrain_dataloader.BertPretrainDataConfig,
)
MODES = (
  "train",
  "eval",
  "train_and_eval",
  "train_and_post_eval",
  "continuous_eval",
)


def launch(
  params: cfg.ExperimentConfig,
  mode: str,
  model_dir: str,
  strategy: tf.distribute.Strategy | None = None,
  make_eval_actions: Callable[..., list] = lambda *_: [],
) -> None:
  """Checks the files, trains and evaluates; prints progress and a summary.

  The folder's latest checkpoint is continued; where there is none, that of
  `trainer.continue_from`. Without one to evaluate, `task.init_checkpoint` is
  evaluated, and nothing is written.
  `make_eval_actions` takes config, trainer and folder; it returns Orbit actions
  that follow each evaluation.

  Raises:
    UserError: a file or the folder cannot be used, or another run uses it; a
      record that breaks a rule, found while reading, or too many that are
      skipped; numbers that are not finite.
    StoppedError: after SIGTERM or Ctrl-C, in training.
  """
  files.check_name(model_dir, "--model_dir")
  if params.runtime.distribution_strategy == "multi_worker_mirrored":
    # TensorFlow connects workers only before it has run anything.
    strategy = strategy or trainer_lib.make_strategy(params.runtime)
  check_records(params, mode)
  if mode == "continuous_eval":
    controller.wait_for_checkpoint(
      model_dir, params.trainer.continuous_eval_timeout
    )
  run_dir.check_run_dir(params, model_dir)
  check_weights(params, mode, model_dir)
  if getattr(params.task, "deterministic", False):
    tf.config.experimental.enable_op_determinism()
  strategy = strategy or trainer_lib.make_strategy(params.runtime)
  with run_dir.explained(model_dir), contextlib.ExitStack() as stack:

    def take_over() -> None:
      run_dir.make_run_dir(params, model_dir)
      stack.enter_context(run_dir.held(model_dir))
      if continuation.is_due(params, model_dir):
        continuation.begin(params, model_dir)
      resume.prepare(params, mode, model_dir)

    if "train" in mode:
      workers.chief_first(strategy, take_over)
    _run(params, mode, model_dir, strategy, make_eval_actions)


def has_checkpoint(model_dir: str) -> bool:
  """Says whether a folder is there with a checkpoint to go on from."""
  return checkpoint_files.latest(model_dir) is not None


def check_weights(
  params: cfg.ExperimentConfig, mode: str, model_dir: str
) -> None:
  """Checks that there is what a mode evaluates or begins with.

  Of a run's own checkpoint, training takes the last that is whole, and weights
  are compared as they are restored.
  """
  if "train" not in mode:
    if has_checkpoint(model_dir):
      prefix = checkpoint_files.find(model_dir, "--model_dir")
      checkpoints.read_step(prefix, "--model_dir")
    else:
      _check_evaluated(params, mode, model_dir)
  elif continuation.is_due(params, model_dir):
    continuation.check(params)
  elif not resume.has_begun(model_dir) and params.task.init_checkpoint:
    checkpoint_files.find(params.task.init_checkpoint, checkpoints.INITIAL)
    with _shapes_alone():
      task = task_factory.get_task(params.task)
      if hasattr(task, "initial_items"):
        task.initial_items(task.build_model())


@contextlib.contextmanager
def _shapes_alone() -> Iterator[None]:
  """Lets models be built, in no time and memory, without any values."""
  with tf.Graph().as_default():
    tf.random.set_seed(0)  # of this graph, which determinism asks for
    yield


def _check_evaluated(
  params: cfg.ExperimentConfig, mode: str, model_dir: str
) -> None:
  """Checks that `task.init_checkpoint` has what nothing in the folder has."""
  try:
    path = params.task.init_checkpoint
    errors.require(bool(path), "task.init_checkpoint may name one", "nothing")
    with _shapes_alone():
      task = task_factory.get_task(params.task)
      _evaluated_items(task, task.build_model())
  except errors.UserError as error:
    raise errors.UserError(
      f"--model_dir must hold a checkpoint for --mode={mode}. Received: "
      f"{model_dir!r}, {checkpoint_files.describe_folder(model_dir)}; {error}"
    ) from error


def _evaluated_items(task, model) -> tuple[dict, str]:
  """Returns what evaluating `task.init_checkpoint` restores: heads, too."""
  if hasattr(task, "initial_items"):
    return task.initial_items(model, evaluates=True)
  model(model.inputs)  # makes the weights of Model Garden's heads
  path = task.task_config.init_checkpoint
  return checkpoints.find_items(model.checkpoint_items, set(), path)


def check_records(params: cfg.ExperimentConfig, mode: str) -> None:
  """Checks the records that a mode reads, and what lies beside them."""
  hooks = experiments.hooks_of(params)
  for path, data in _used_data(params, mode).items():
    if isinstance(data, _PREPARED):
      dataset_card.check_files(data)
      dataset_card.check_objective(data, path)
    rules = hooks.record_rules(data, path)
    if rules is not None:
      bad_records.check_first_records(rules)
    dataset_card.check_documents(data, path)
    hooks.check_beside(data)


def _used_data(
  params: cfg.ExperimentConfig, mode: str
) -> dict[str, cfg.DataConfig]:
  """Returns the data configs that a mode reads, by dotted path."""
  used = {}
  if "train" in mode:
    used["task.train_data"] = params.task.train_data
  if "eval" in mode:
    used["task.validation_data"] = params.task.validation_data
  return used


def _run(
  params, mode: str, model_dir: str, strategy, make_eval_actions
) -> None:
  # What was not trained here is evaluated, but leaves nothing in the folder.
  is_run = "train" in mode or has_checkpoint(model_dir)
  trainer = _make_trainer(params, strategy, mode, model_dir, is_run)
  data = params.task.train_data
  reporter = progress.ProgressReporter(
    trainer.global_step,
    params.trainer.train_steps,
    data.global_batch_size * _length(data),
    experiments.hooks_of(params).shown_outputs(),
  )
  eval_actions = [trainer.skip_counter.on_eval, reporter.on_eval]
  if is_run:
    eval_actions += make_eval_actions(params, trainer, model_dir)
  # Orbit prints its own lines; they stay in the log (`--verbosity=0`).
  with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
    runner = train_lib.OrbitExperimentRunner(
      strategy,
      trainer.task,
      mode,
      params,
      model_dir,
      train_actions=_train_actions(params, mode, model_dir, trainer, reporter),
      eval_actions=eval_actions,
      trainer=trainer,
      controller_cls=functools.partial(
        controller.Controller, model_dir=model_dir
      ),
      save_summary=is_run and workers.is_chief(strategy),
    )
    if not is_run:
      with strategy.scope():
        items = _evaluated_items(trainer.task, trainer.model)
        checkpoints.restore(*items, checkpoints.INITIAL)
    _run_explained(params, mode, model_dir, runner, reporter)
  _print_summary(params, trainer, reporter, model_dir)


def _length(data: cfg.DataConfig) -> int:
  """Returns the positions of a record, of both sides if it has two."""
  return data.seq_length + getattr(data, "target_length", 0)


def _make_trainer(
  params, strategy, mode: str, model_dir: str, is_run: bool
) -> trainer_lib.Trainer:
  folder = model_dir if is_run else None
  try:
    return trainer_lib.make_trainer(params, strategy, mode, folder)
  except (
    tf.errors.DataLossError,
    tf.errors.InvalidArgumentError,
    tf.errors.NotFoundError,
  ) as error:
    # A run that goes on counts its records.
    _explain(error, params, mode, checkpoints.latest_step(model_dir), {})
    raise


def _train_actions(
  params, mode: str, model_dir: str, trainer, reporter
) -> list[Callable]:
  """Returns what follows each loop of training."""
  actions = [
    trainer.skip_counter.on_train,
    trainer.clock.on_train,
    reporter.on_train,
    lambda _: trainer.guard.look(lambda: tf.train.latest_checkpoint(model_dir)),
  ]
  if "train" in mode:
    actions += _histograms(params, trainer, model_dir)
  return actions


def _run_explained(params, mode: str, model_dir: str, runner, reporter) -> None:
  """Runs; what ends a run because of a record or the folder is explained."""
  reporter.start()
  try:
    # Before all records are read in search of a bad one.
    with run_dir.explained(model_dir):
      runner.run()
      if mode == "train_and_eval" and not reporter.eval_outputs:
        # It was complete already.
        runner.controller.evaluate(params.trainer.validation_steps)
  except tf.errors.OpError as error:
    skippers = getattr(runner.trainer.task, "skippers", {})
    _explain(error, params, mode, runner.controller.loop_start, skippers)
    raise
  finally:
    reporter.close()


def _explain(error, params, mode: str, step: int, skippers: dict) -> None:
  """Raises a `UserError` if a record of the loop that began is to blame."""
  bad_records.explain(
    error,
    _used_data(params, mode),
    experiments.hooks_of(params).record_rules,
    range(step, step + params.trainer.steps_per_loop),
    skippers,
  )


def _histograms(params: cfg.ExperimentConfig, trainer, model_dir: str) -> list:
  scorer = experiments.hooks_of(params).importance_scorer(trainer.model)
  if scorer is None or not workers.is_chief(trainer.strategy):
    return []
  folder = os.path.join(model_dir, "train")
  interval = params.trainer.summary_interval
  return [
    importance_report.ImportanceHistogram(
      scorer, trainer.global_step, folder, interval
    )
  ]


def _print_summary(params, trainer, reporter, model_dir: str) -> None:
  hooks = experiments.hooks_of(params)
  best = best_checkpoint.read_scores(params, model_dir)
  lines = hooks.summarize(reporter.train_outputs, reporter.eval_outputs, best)
  print(reporter.summarize(lines, checkpoint_files.latest(model_dir)))
  scorer = hooks.importance_scorer(trainer.model)
  if scorer is not None:
    for line in progress.format_importance(scorer, hooks.token_names()):
      print(line)
