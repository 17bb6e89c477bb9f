# SPDX-License-Identifier: Apache-2.0
"""Launches pretraining and fine-tuning.

    python -m token_dropping.train --experiment=bert/token_drop \\
      --config_file=experiments/pretrain/bert_base.yaml \\
      --params_override=runtime.distribution_strategy=tpu --tpu=local \\
      --model_dir=gs://bucket/run --mode=train_and_eval

    python -m token_dropping.train --experiment=bert/token_drop_glue \\
      --pretrained=gs://bucket/run --params_override=task.data_dir=data/cola \\
      --model_dir=runs/cola --mode=train_and_eval

The flags are Model Garden's, `--dry_run`, `--pretrained` and those of `sweep`.
"""

import contextlib
import functools
import os
import sys
from typing import NoReturn

import gin
import tensorflow as tf
from absl import flags
from official.common import flags as tfm_flags
from official.core import config_definitions as cfg
from official.core import train_lib
from official.core import train_utils

from token_dropping.common import errors
from token_dropping.data.batches import dataset_card
from token_dropping.data.batches import record_checks
from token_dropping.data.batches import step_files
from token_dropping.dropping.importance import importance_report
from token_dropping.explain import training_pictures
from token_dropping.models import checkpoints
from token_dropping.tasks.finetuning import finetune_config
from token_dropping.tasks.masked_lm import masked_lm
from token_dropping.training import bad_records
from token_dropping.training import config
from token_dropping.training import continuation
from token_dropping.training import controller
from token_dropping.training import dry_run
from token_dropping.training import experiment_checks
from token_dropping.training import folder_faults
from token_dropping.training import progress
from token_dropping.training import run_dir
from token_dropping.training import run_lock
from token_dropping.training import run_scores
from token_dropping.training import run_summary
from token_dropping.training import shown_outputs
from token_dropping.training import sweep
from token_dropping.training import trainer as trainer_lib
from token_dropping.training import workers

MODES = (
  "train",
  "eval",
  "train_and_eval",
  "train_and_post_eval",
  "continuous_eval",
)


def define_flags() -> None:
  """Defines Model Garden's flags and ours."""
  tfm_flags.define_flags()
  flags.DEFINE_string(
    "pretrained",
    "",
    "Fine-tuning: folder of the pretraining run, which gives the encoder, its "
    "weights and the vocabulary.",
  )
  sweep.define_flags()
  flags.DEFINE_bool(
    "dry_run",
    False,
    "Build the model, train one step on made-up records of the configured "
    "shapes, print parameters, multiply-adds against BERT and peak memory, and "
    "exit. Reads and writes no files.",
  )


def main(argv: list[str]) -> None:
  """Checks everything, then runs what the flags ask for."""
  values = flags.FLAGS
  _check_flags(values, argv)
  try:
    gin.parse_config_files_and_bindings(values.gin_file, values.gin_params)
  except (OSError, ValueError, SyntaxError) as error:
    raise errors.UserError(
      "--gin_file and --gin_params must be valid gin. "
      f"{' '.join(str(error).split())}"
    ) from error
  params = prepare(values)
  if values.dry_run:
    print(dry_run.run_dry(params))
  elif values.sweep:
    grid = sweep.Grid.from_flags(values)
    report = sweep.run(params, grid, values.model_dir, launch)
    print(sweep.format_report(report))
  else:
    launch(params, values.mode, values.model_dir)
    train_utils.save_gin_config(values.mode, values.model_dir)


def prepare(values) -> cfg.ExperimentConfig:
  """Makes the experiment that flags ask for, and checks it.

  Args:
    values: an object with the flags as attributes, see `config.parse`.

  Returns:
    The locked config.

  Raises:
    UserError: as `config.parse` and `experiment_checks.check_experiment`.
  """
  params = config.parse(values)
  if not finetune_config.is_finetuning(params.task):
    dataset_card.fill_in_vocab_file(params)
  params.lock()
  experiment_checks.check_experiment(params)
  for doubt in experiment_checks.find_doubts(params):
    print(f"warning: {doubt}", file=sys.stderr)
  return params


def launch(
  params: cfg.ExperimentConfig,
  mode: str,
  model_dir: str,
  strategy: tf.distribute.Strategy | None = None,
) -> None:
  """Checks the files, then trains and evaluates.

  Args:
    params: what `prepare` returned.
    mode: one of `MODES`.
    model_dir: folder of the run; its latest checkpoint is continued.
    strategy: where to run; default: as `params.runtime` says.

  Raises:
    UserError: a file or the folder cannot be used.
  """
  if params.runtime.distribution_strategy == "multi_worker_mirrored":
    # TensorFlow connects workers only before it has run anything.
    strategy = strategy or trainer_lib.make_strategy(params.runtime)
  _check_files(params, mode, model_dir)
  run(params, mode, model_dir, strategy)


def run(
  params: cfg.ExperimentConfig,
  mode: str,
  model_dir: str,
  strategy: tf.distribute.Strategy | None = None,
) -> None:
  """Makes the folder, trains and evaluates; prints progress and a summary.

  Args:
    params: a checked experiment.
    mode: one of `MODES`.
    model_dir: folder of the run; its latest checkpoint is continued.
    strategy: where to run; default: as `params.runtime` says.

  Raises:
    UserError: a record that breaks a rule or a file that cannot be read, found
      while reading, or too many that are skipped; numbers that are not finite;
      a folder that another run uses or that cannot be written.
    StoppedError: after SIGTERM.
  """
  if getattr(params.task, "deterministic", False):
    tf.config.experimental.enable_op_determinism()
  strategy = strategy or trainer_lib.make_strategy(params.runtime)
  with folder_faults.explained(model_dir), contextlib.ExitStack() as stack:

    def take_over() -> None:
      run_dir.make_run_dir(params, model_dir)
      stack.enter_context(run_lock.held(model_dir))
      continuation.prepare(params, mode, model_dir)

    if "train" in mode:
      workers.chief_first(strategy, take_over)
    _run(params, mode, model_dir, strategy)


def _run(params, mode: str, model_dir: str, strategy) -> None:
  try:
    trainer = trainer_lib.make_trainer(params, strategy, mode, model_dir)
  except (tf.errors.DataLossError, tf.errors.NotFoundError) as error:
    # A run that goes on counts its records.
    bad_records.explain(error, params, mode, checkpoints.latest_step(model_dir))
    raise
  data = params.task.train_data
  reporter = progress.ProgressReporter(
    trainer.global_step,
    params.trainer.train_steps,
    data.global_batch_size * data.seq_length,
    shown_outputs.of(params.task),
  )
  # Orbit prints its own lines; they stay in the log (`--verbosity=0`).
  with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
    runner = train_lib.OrbitExperimentRunner(
      strategy,
      trainer.task,
      mode,
      params,
      model_dir,
      train_actions=[
        trainer.skip_counter.on_train,
        trainer.clock.on_train,
        reporter.on_train,
        lambda _: trainer.guard.look(
          lambda: tf.train.latest_checkpoint(model_dir),
          lambda step: step_files.describe(
            step_files.find(params, strategy, step)
          ),
        ),
        *_histograms(params, trainer, model_dir),
      ],
      eval_actions=[
        trainer.skip_counter.on_eval,
        reporter.on_eval,
        *training_pictures.of(params, trainer, model_dir),
      ],
      trainer=trainer,
      controller_cls=functools.partial(
        controller.Controller, model_dir=model_dir
      ),
      save_summary=workers.is_chief(strategy),
    )
    reporter.start()
    try:
      # Before all records are read in search of a bad one.
      with folder_faults.explained(model_dir):
        _run_to_the_end(runner, mode, reporter)
    except tf.errors.OpError as error:
      skippers = getattr(trainer.task, "skippers", {})
      step = runner.controller.loop_start
      bad_records.explain(error, params, mode, step, skippers)
      raise
    finally:
      reporter.close()
  _print_summary(params, trainer, reporter, model_dir)


def _run_to_the_end(runner, mode: str, reporter) -> None:
  """Runs; a run that was complete already is evaluated all the same."""
  runner.run()
  if mode == "train_and_eval" and not reporter.eval_outputs:
    runner.controller.evaluate(runner.params.trainer.validation_steps)


def _histograms(params: cfg.ExperimentConfig, trainer, model_dir: str) -> list:
  if not isinstance(trainer.task, masked_lm.TokenDropMaskedLMTask):
    return []
  if not workers.is_chief(trainer.strategy):
    return []
  return [
    importance_report.ImportanceHistogram(
      trainer.model.encoder_network.importance_scorer,
      trainer.global_step,
      os.path.join(model_dir, "train"),
      params.trainer.summary_interval,
    )
  ]


def _print_summary(params, trainer, reporter, model_dir: str) -> None:
  step = int(trainer.global_step.numpy())
  checkpoint = tf.train.latest_checkpoint(model_dir)
  if finetune_config.is_finetuning(params.task):
    shown = shown_outputs.of(params.task)
    best = run_scores.read_best(params, model_dir)
    print(
      run_summary.format_finetuning(reporter, step, checkpoint, shown, best)
    )
    return
  unigram_loss = dataset_card.unigram_loss(params.task.validation_data)
  print(run_summary.format_summary(reporter, step, checkpoint, unigram_loss))
  if isinstance(trainer.task, masked_lm.TokenDropMaskedLMTask):
    for line in run_summary.format_importance(
      trainer.model.encoder_network.importance_scorer,
      params.task.model.encoder.any.vocab_file,
    ):
      print(line)


def _check_flags(values, argv: list[str]) -> None:
  if argv[1:]:
    raise errors.UserError(
      f"arguments must be flags, --name=value. Received: {argv[1]!r}"
    )
  required = ["experiment"]
  if not values.dry_run:
    required += ["model_dir"] if values.sweep else ["mode", "model_dir"]
  for name in required:
    if not values[name].value:
      raise errors.UserError(f"--{name} must be set. Received: nothing")
  if not (values.dry_run or values.sweep) and values.mode not in MODES:
    raise errors.UserError(
      f"--mode must be one of {', '.join(MODES)}. Received: {values.mode!r}"
    )


def _check_files(
  params: cfg.ExperimentConfig, mode: str, model_dir: str
) -> None:
  """Checks the records that the mode reads and the folder of the run."""
  run_dir.check_run_dir(params, model_dir)
  if finetune_config.is_finetuning(params.task):
    return  # `finetune_config.fill_in` has checked them
  check_records(params, mode)


def check_records(params: cfg.ExperimentConfig, mode: str) -> None:
  """Checks the records that pretraining in a mode reads.

  Args:
    params: of a pretraining experiment.
    mode: one of `MODES`.

  Raises:
    UserError: as `record_checks.check_records`.
  """
  vocab_size = params.task.model.encoder.get().vocab_size
  for path, data in experiment_checks.used_data(params, mode).items():
    dataset_card.check_files(data)
    record_checks.check_records(data, vocab_size, path)


def main_program() -> NoReturn:
  """Defines the flags and runs the launcher; for `__main__` modules."""
  define_flags()
  for flag in flags.FLAGS.get_flags_for_module(tfm_flags.__name__):
    flags.FLAGS.register_key_flag_for_module(sys.argv[0], flag)
  for name in ("dry_run", "pretrained", *sweep.FLAGS):
    flags.FLAGS.register_key_flag_for_module(sys.argv[0], flags.FLAGS[name])
  errors.run_command(main)


if __name__ == "__main__":
  main_program()
