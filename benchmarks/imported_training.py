# SPDX-License-Identifier: Apache-2.0
"""Makes the folder of a run from weights that were trained elsewhere.

    python -m benchmarks.imported_training --export=exports/dense \
      --weights=OUT/dense/weights.json --model_dir=runs/dense

`--export` is a folder of `benchmarks.exported_training`, whose records must
still be there; `--weights` is what `run_exported_training.py` left, with its
pieces beside it. The run can be evaluated, fine-tuned, exported and converted
as any other. The optimizer's moments stayed behind: to train on is to begin
with none.
"""

import hashlib
import math
import os

import numpy as np
import tensorflow as tf
from absl import flags
from official.core import config_definitions as cfg

from benchmarks import timed_training
from token_dropping.common import errors
from token_dropping.common import files
from token_dropping.common import plain_json
from token_dropping.training import launch
from token_dropping.training import run_dir

_VARIABLE = {"name": str, "saved": int, "shape": [int], "dtype": str}
_LISTED = {"sha256": {str: str}, "variables": [_VARIABLE]}


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
  """Defines what to import."""
  for name, text in (
    ("export", "Folder of the network's programs."),
    ("weights", "List of its weights."),
    ("model_dir", "Folder of the run to make."),
  ):
    flags.DEFINE_string(name, "", text, flag_values=values)


def main(argv: list[str], values: flags.FlagValues = flags.FLAGS) -> None:
  """Writes the run."""
  errors.check_flags(argv, values, "export", "weights", "model_dir")
  weights = read_weights(values.weights)
  path = os.path.join(values.export, "params.yaml")
  params = timed_training.prepare([path])
  step = import_run(params, weights, values.model_dir)
  print(f"{values.model_dir}: step {step:,}")


def read_weights(path: str) -> list[tuple[dict, np.ndarray]]:
  """Returns each variable's description and value.

  Raises `UserError` where the list or a piece is missing or not as written.
  """
  listed = files.read_json(path, "--weights must be a list of weights")
  plain_json.check(listed, _LISTED, path)
  content = b""
  for name, digest in listed["sha256"].items():
    piece = os.path.join(os.path.dirname(path), name)
    rule = f"{piece} must be there, with the SHA-256 of {path}, {digest}"
    errors.require(files.exists(piece), rule, "nothing")
    found = files.read(piece)
    errors.require(
      hashlib.sha256(found).hexdigest() == digest, rule, f"{len(found)} bytes"
    )
    content += found
  weights, place = [], 0
  for about in listed["variables"]:
    dtype, count = np.dtype(about["dtype"]), math.prod(about["shape"])
    value = np.frombuffer(content, dtype, count, place)
    weights.append((about, value.reshape(about["shape"])))
    place += value.nbytes
  return weights


def import_run(
  params: cfg.ExperimentConfig,
  weights: list[tuple[dict, np.ndarray]],
  model_dir: str,
) -> int:
  """Makes the folder of a run; returns its step."""
  run_dir.check_run_dir(params, model_dir)
  rule = "--model_dir must be a new run"
  errors.require(not launch.has_checkpoint(model_dir), rule, repr(model_dir))
  training = timed_training.Training(params)
  assign(training, weights)
  trainer = training.trainer
  run_dir.make_run_dir(params, model_dir)
  step = int(trainer.global_step.numpy())
  trainer.checkpoint.save_counter.assign(step - 1)  # as the controller does
  manager = tf.train.CheckpointManager(
    *(trainer.checkpoint, model_dir, params.trainer.max_to_keep),
    step_counter=trainer.global_step,
  )
  manager.save(step)
  return step


def assign(
  training: timed_training.Training, weights: list[tuple[dict, np.ndarray]]
) -> None:
  """Sets the variables of a network; `UserError` for those of another."""
  variables = training.saved()
  for about, value in weights:
    index = about["saved"]
    shapes = [list(each.shape) for each in variables[index : index + 1]]
    errors.require(
      shapes == [about["shape"]],
      "--weights must be of the network of --export, which has at place "
      f"{index} {shapes}",
      f"{about['name']} {about['shape']}",
    )
    variables[index].assign(value)


if __name__ == "__main__":
  define_flags()
  errors.run_command(main)
