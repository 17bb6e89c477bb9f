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

import dataclasses
import sys
from typing import NoReturn

import gin
from absl import flags
from official.common import flags as tfm_flags
from official.core import train_utils

from token_dropping.common import errors
from token_dropping.common import filesystems
from token_dropping.explain import training_pictures
from token_dropping.training import config
from token_dropping.training import dry_run
from token_dropping.training import launch
from token_dropping.training import sweep


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
  names = [field.name for field in dataclasses.fields(config.LaunchFlags)]
  given = {name: values[name].value for name in names}
  params = config.prepare(config.LaunchFlags(**given))
  if values.dry_run:
    print(dry_run.run_dry(params))
  elif values.sweep:
    tried = sweep.Grid.from_flags(values)
    print(sweep.format_report(sweep.run(params, tried, values.model_dir)))
  else:
    launch.launch(
      params,
      values.mode,
      values.model_dir,
      make_eval_actions=training_pictures.of,
    )
    if launch.has_checkpoint(values.model_dir):
      train_utils.save_gin_config(values.mode, values.model_dir)


def _check_flags(values, argv: list[str]) -> None:
  required = ["experiment"]
  if not values.dry_run:
    required += ["model_dir"] if values.sweep else ["mode", "model_dir"]
  errors.check_flags(argv, values, *required)
  filesystems.require_tensorflow(values.model_dir or "", "--model_dir")
  times = values["params_override"].present
  rule = "--params_override must be given once, with commas between its pairs"
  errors.require(times < 2, rule, f"{times} times")
  if "mode" in required:
    errors.require_choice(values.mode, launch.MODES, "--mode")


def main_program() -> NoReturn:
  """Defines the flags and runs the launcher; for `__main__` modules."""
  define_flags()
  for module in (tfm_flags.__name__, sweep.__name__, __name__):
    for flag in flags.FLAGS.get_flags_for_module(module):
      flags.FLAGS.register_key_flag_for_module(sys.argv[0], flag)
  errors.run_command(main)


if __name__ == "__main__":
  main_program()
