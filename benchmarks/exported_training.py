# SPDX-License-Identifier: Apache-2.0
"""Writes a network's training, to be run where there is no TensorFlow.

    python -m benchmarks.exported_training --output_dir=exports/dense \
      --config_file=studies/config/card.yaml \
      --params_override=task.model.encoder.any.token_keep_ratio=1.0

The config is one of `--experiment=bert/token_drop`, on one device and with
dynamic masking. Beside the folder, for all networks that are written there:

- `tokens.npy`: the training records, [N, S], as many as fit into `--token_mb`.

In it, each in the form of `exported_program`:

- `train`: a call of `--steps` steps of the trainer. Inputs are token rows
  [n, B, S] and the epoch, on which the masks depend; the output is the mean
  loss. The learning rate is the config's, but follows the variable `progress`,
  in [0, 1], in the place of steps over `trainer.train_steps`: networks can be
  trained for equal time. Matrices of the model are told by mean and deviation
  alone, unless `--values` asks for all.
- `evaluate`: the evaluation of the config's validation records, masked once and
  for all, which are in `values.npz`. The output has the results named in
  `meta.json`.
- `params.yaml`: the config, for `benchmarks.imported_training`.

No device is asked; with `runtime.attention=fused` the programs are for a GPU.
`run_exported_training.py` trains what is written.
"""

import contextlib
import hashlib
import pathlib
from collections.abc import Callable

import numpy as np
import tensorflow as tf
from absl import flags
from official.core import config_definitions as cfg
from official.core import task_factory
from official.modeling import hyperparams

from benchmarks import case_flags
from benchmarks import exported_program
from benchmarks import timed_training
from token_dropping.common import errors
from token_dropping.models import fused_attention
from token_dropping.models import xla_calls
from token_dropping.study import text_losses
from token_dropping.training import step_calls

_READ_AT_ONCE = 4096  # records


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
  """Defines what to export."""
  for name, default, text in (
    ("output_dir", "", "Folder of the network."),
    ("params_override", "", "As for the launcher."),
  ):
    flags.DEFINE_string(name, default, text, flag_values=values)
  flags.DEFINE_multi_string(
    "config_file", [], "As for the launcher.", flag_values=values
  )
  flags.DEFINE_integer(
    *("steps", step_calls.MOST_STEPS, "Steps of a call."),
    *(1, None),
    flag_values=values,
  )
  flags.DEFINE_float(
    "token_mb", 45.0, "Of tokens.npy, at most.", 0.0, flag_values=values
  )
  flags.DEFINE_bool("values", False, "All values.", flag_values=values)


def main(argv: list[str], values: flags.FlagValues = flags.FLAGS) -> None:
  """Writes the folder of a network, and the tokens beside it."""
  errors.check_flags(argv, values, "output_dir")
  params = timed_training.prepare(values.config_file, values.params_override)
  case_flags.make_output_dir(values)
  tokens = read_tokens(params, round(values.token_mb * 1e6))
  size = values.steps * params.task.train_data.global_batch_size
  rule = f"--steps must be so many that tokens.npy, {len(tokens)} rows, has "
  rule += "their rows"
  errors.require(size <= len(tokens), rule, f"{values.steps}, {size} rows")
  folder = pathlib.Path(values.output_dir)
  export(params, folder, tokens, values.steps, values.values)
  print(f"{folder}: {len(tokens)} rows of {tokens.shape[1]} tokens", flush=True)


def read_tokens(params: cfg.ExperimentConfig, size: int) -> np.ndarray:
  """Reads training records as they were before masking, at most `size` bytes.

  Where there are more, it is a random share of them. Returns [N, S].
  """
  data = params.task.train_data.replace(
    is_training=False, drop_remainder=False, global_batch_size=_READ_AT_ONCE
  )
  batches = task_factory.get_task(params.task).build_inputs(data)
  small = params.task.model.encoder.get().vocab_size <= 2**16
  rows = np.concatenate(
    [
      text_losses.unmasked(_arrays(batch)).astype(
        np.uint16 if small else np.int32
      )
      for batch in batches
    ]
  )
  most = size // rows[0].nbytes
  chosen = np.random.default_rng(0).permutation(len(rows))[:most]
  return rows[np.sort(chosen)]


def read_validation(params: cfg.ExperimentConfig) -> dict[str, np.ndarray]:
  """Returns the batches of an evaluation, [m, B, ...] by name.

  The last one is filled up with rows that do not count.
  """
  data = params.task.validation_data
  batches = task_factory.get_task(params.task).build_inputs(data)
  parts = list(map(_arrays, batches.take(params.trainer.validation_steps)))
  rows = {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}
  size = data.global_batch_size
  missing = -len(rows["masked_lm_weights"]) % size
  weights = rows["masked_lm_weights"]
  rows = {
    name: np.concatenate([value, np.repeat(value[:1], missing, 0)])
    for name, value in rows.items()
  }
  rows["masked_lm_weights"][len(weights) :] = 0.0
  return {
    name: value.reshape(-1, size, *value.shape[1:])
    for name, value in rows.items()
  }


def _arrays(batch: dict[str, tf.Tensor]) -> dict[str, np.ndarray]:
  return {name: value.numpy() for name, value in batch.items()}


def export(
  params: cfg.ExperimentConfig,
  folder: pathlib.Path,
  tokens: np.ndarray,
  steps: int,
  with_values: bool = False,
) -> timed_training.Training:
  """Writes the folder of a network, and the tokens beside it.

  Returns what the programs were made of.
  """
  folder.mkdir(parents=True, exist_ok=True)
  np.save(folder.parent / "tokens.npy", tokens)
  hyperparams.save_params_dict_to_yaml(params, str(folder / "params.yaml"))
  training = timed_training.Training(params)
  fuses = params.runtime.attention == "fused"
  if fuses:
    fused_attention.fuse(training.trainer.model)
  data = params.task.train_data
  shape = [steps, data.global_batch_size, data.seq_length]
  inputs = {
    "epoch": tf.constant(0, tf.int64),
    "tokens": tf.zeros(shape, tokens.dtype),
  }
  validation = {
    name: tf.constant(value) for name, value in read_validation(params).items()
  }
  with xla_calls.as_on_gpu() if fuses else contextlib.nullcontext():
    train = exported_program.Program(training.train, inputs)
    evaluate = exported_program.Program(training.evaluate, validation)
    contents = train.lower(), evaluate.lower()
  saved = {id(each.handle): i for i, each in enumerate(training.saved())}
  _write(
    *(folder / "train", contents[0], train, "saved", saved),
    # What is no matrix is not random.
    lambda _, value: with_values or value.ndim < 2,
    {"tokens_sha256": hashlib.sha256(tokens.tobytes()).hexdigest()},
  )
  trained = {id(each): i for i, each in enumerate(train.parameters)}
  _write(
    *(folder / "evaluate", contents[1], evaluate, "trained", trained),
    lambda index, _: index < len(validation),
    {"results": training.results},
  )
  return training


def _write(
  folder: pathlib.Path,
  content: bytes,
  program: exported_program.Program,
  link: str,
  numbers: dict[int, int],
  keeps: Callable[[int, np.ndarray], bool],
  about: dict,
) -> None:
  """Writes a program; `link` gets the number of a parameter, by its `id`."""
  values = program.read()
  kept = {
    f"before_{index}": value
    for index, value in enumerate(values)
    if exported_program.is_small(value) or keeps(index, value)
  }
  parameters = []
  for name, value, each in zip(
    program.names(), values, program.parameters, strict=True
  ):
    parameters.append(exported_program.describe(name, value))
    if id(each) in numbers:
      parameters[-1][link] = numbers[id(each)]
  exported_program.write(
    *(folder, content, kept), about | {"parameters": parameters}
  )


if __name__ == "__main__":
  define_flags()
  errors.run_command(main)
