# SPDX-License-Identifier: Apache-2.0
"""A run that goes on from another run's checkpoint with settings of its own.

`trainer.continue_from` names the checkpoint. A new run copies it to its folder
and goes on from it as from one of its own: weights, optimizer, step, importance
and seconds. Where it stands in its data follows from the step.
"""

import os

import tensorflow as tf
from official.core import config_definitions as cfg

from token_dropping.common import errors
from token_dropping.common import files
from token_dropping.common import plain_yaml
from token_dropping.common import vocabulary
from token_dropping.models import checkpoint_files
from token_dropping.models import checkpoints
from token_dropping.tasks import experiments
from token_dropping.training import resume
from token_dropping.training import run_dir

SOURCE = "trainer.continue_from"
_PARAMS = "params.yaml"


def is_due(params: cfg.ExperimentConfig, model_dir: str) -> bool:
  """Says whether a run that trains has this beginning still before it."""
  return bool(params.trainer.continue_from) and not resume.has_begun(model_dir)


def check(params: cfg.ExperimentConfig) -> None:
  """Reads the checkpoint in full; refuses one that does not fit the config."""
  prefix = checkpoint_files.find(params.trainer.continue_from, SOURCE)
  path = os.path.join(os.path.dirname(prefix), _PARAMS)
  rule = f"{SOURCE} must name a checkpoint in the folder of a run, beside its "
  errors.require(tf.io.gfile.exists(path), rule + _PARAMS, repr(prefix))
  there, here = plain_yaml.read_yaml(path, SOURCE), params.as_dict()
  run_dir.check_network(
    *(_part(tree, "task", "model") for tree in (there, here)),
    f"{SOURCE} must be of a run of the same network; {path} has",
  )
  old, new = map(_optimizer, (there, here))
  rule = f"{SOURCE} must hold the state of the same optimizer, {new}; "
  rule += "task.init_checkpoint takes weights alone"
  saved = old if checkpoints.holds(prefix, "optimizer") else "none"
  errors.require(saved == new, rule, f"{prefix!r} with that of {saved}")
  _check_vocabulary(params, os.path.dirname(prefix))
  step = checkpoints.read_step(prefix, SOURCE)
  steps = params.trainer.train_steps
  rule = f"{SOURCE} must be of a step below trainer.train_steps ({steps})"
  errors.require(step < steps, rule, f"{prefix!r} of step {step}")


def begin(params: cfg.ExperimentConfig, model_dir: str) -> None:
  """Copies the checkpoint into the folder of the run, under its step."""
  prefix = checkpoint_files.find(params.trainer.continue_from, SOURCE)
  step = checkpoints.read_step(prefix, SOURCE)
  checkpoint_files.copy(prefix, os.path.join(model_dir, f"ckpt-{step}"))
  print(f"goes on from step {step} of {prefix}")


def _check_vocabulary(params: cfg.ExperimentConfig, folder: str) -> None:
  """Compares what gives ids their meaning, where both are known."""
  hooks = experiments.hooks_of(params)
  own = {vocabulary.FILE: hooks.vocab_file()} | hooks.run_files()
  for name, here in own.items():
    there = os.path.join(folder, name)
    if here and tf.io.gfile.exists(there):
      rule = f"{SOURCE} must be of a run with the same vocabulary, {here}"
      errors.require(files.read(there) == files.read(here), rule, repr(there))


def source_folder(params: cfg.ExperimentConfig) -> str:
  """Returns the folder of the run that is gone on from; empty without one."""
  path = params.trainer.continue_from or ""
  return path if tf.io.gfile.isdir(path) else os.path.dirname(path)


def _part(tree, *names: str):
  """Returns a part of a tree that may lack it; then an empty one."""
  for name in names:
    tree = tree.get(name, {}) if isinstance(tree, dict) else {}
  return tree


def _optimizer(tree: dict) -> str:
  """Returns the optimizer's type, and whether it scales the loss."""
  kind = _part(tree, "trainer", "optimizer_config", "optimizer").get("type")
  half = _part(tree, "runtime").get("mixed_precision_dtype") == "float16"
  return f"{kind} with a loss scale" if half else str(kind)
