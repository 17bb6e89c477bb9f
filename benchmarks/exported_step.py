# SPDX-License-Identifier: Apache-2.0
"""Writes compiled training steps, to be run where there is no TensorFlow.

    python -m benchmarks.exported_step --output_dir=runs/exported \
      --contenders=ours_dense,recommended --widths=768 --seq_lengths=512 \
      --batch_sizes=32 --keep_ratios=0.5 --dtypes=bfloat16 --xla=on

The flags are those of `benchmarks.step_time`. A contender gets a folder:

- `program.hlo.gz`: the whole step as `step_time` times it, forward, backward,
  clipping, AdamW and metrics, before XLA fits it to a device, as an
  `HloModuleProto`, which later versions of XLA read too.
- `meta.json`: the case, its multiply-adds, and the program's parameters in
  their order. The first output is the loss.
- `values.npz`: `before_I` for a parameter I that is small or of whole numbers:
  batch, counters, seeds. The others have a mean and a deviation in `meta.json`.
  With `--values` it holds all, and from TensorFlow here the `losses` of four
  steps and what they leave, `after_I`.

No device is asked, and nothing is compiled or run without `--values`. With
`--attention=fused` the program is one for a GPU, while the values come from the
plain attention that the step has on a CPU.
`run_exported_step.py` runs what is written, `benchmarks.compiled_step` compiles
it for a GPU that need not be there.
"""

import dataclasses
import gzip
import json
import pathlib

import numpy as np
import tensorflow as tf
from absl import flags

from benchmarks import case_flags
from benchmarks import step_case
from benchmarks import step_jobs
from benchmarks import step_variants
from token_dropping.common import errors
from token_dropping.models import xla_calls

STEPS = 4  # whose values are compared
_SMALL = 4096  # values


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
  """Defines what to export."""
  case_flags.define(values)
  flags.DEFINE_bool(
    "values", False, "All values, and TensorFlow's results.", flag_values=values
  )
  flags.DEFINE_string(
    "output_dir", "runs/exported", "Where to write.", flag_values=values
  )


def main(argv: list[str], values: flags.FlagValues = flags.FLAGS) -> None:
  """Writes a folder for each contender."""
  errors.check_flags(argv, values)
  cases = case_flags.read_cases(values)
  errors.require(
    len(cases) == 1,
    "--widths, --seq_lengths, --keep_ratios, --xla and --dtypes must have one "
    "value each",
    f"{len(cases)} cases",
  )
  (case,) = cases
  names = case_flags.read_contenders(values)
  errors.require(
    case.xla and set(names).isdisjoint(step_case.OF_TORCH),
    "--xla must be on and --contenders those on TensorFlow",
    f"{case}, of {', '.join(names)}",
  )
  case_flags.make_output_dir(values)
  for name in names:
    folder = pathlib.Path(values.output_dir, name)
    export(case, name, folder, values.values)
    print(f"{folder}: {case}", flush=True)


def export(
  case: step_case.Case, contender: str, folder: pathlib.Path, with_values: bool
) -> None:
  """Writes one step into a folder, which is made."""
  with xla_calls.as_on_gpu():
    whole, batch, concrete = _trace(case, contender)
    lower = whole.experimental_get_compiler_ir(batch)
    program = gzip.compress(lower(stage="hlo_serialized"), 6)
  before = _read(batch, concrete)
  kept = {
    f"before_{index}": value
    for index, value in enumerate(before)
    if with_values or _is_small(value)
  }
  if with_values:  # by the same step, traced for this machine
    here, _, concrete_here = _trace(case, contender)
    kept["losses"] = [float(here(batch)) for _ in range(STEPS)]
    after = _read(batch, concrete_here)
    kept |= {f"after_{index}": value for index, value in enumerate(after)}
  folder.mkdir(parents=True, exist_ok=True)
  (folder / "program.hlo.gz").write_bytes(program)
  np.savez_compressed(folder / "values.npz", **kept)
  names = [*sorted(batch), *_names(concrete)]
  parameters = list(map(_describe, names, before))
  meta = _about(case, contender) | {"parameters": parameters}
  (folder / "meta.json").write_text(json.dumps(meta, indent=1) + "\n")


def _trace(case: step_case.Case, contender: str):
  """Returns a new step as one function, a batch, and what is made for it."""
  strategy = step_jobs.make_strategy(case.dtype)
  step = step_variants.Step(case, contender, strategy)
  whole = tf.function(step.run, jit_compile=True)
  return whole, step.batch, whole.get_concrete_function(step.batch)


def _read(batch: dict[str, tf.Tensor], concrete) -> list[np.ndarray]:
  """Returns the values of all parameters now."""
  tensors = [tensor.numpy() for tensor in tf.nest.flatten(batch)]
  return tensors + [_value(each) for each in concrete.captured_inputs]


def _about(case: step_case.Case, contender: str) -> dict:
  keeps_all = contender not in step_case.DROPPING
  return dataclasses.asdict(case) | {
    "contender": contender,
    "heads": case.heads,
    "predictions": case.predictions,
    "keep": case.seq_length if keeps_all else case.keep,
    "macs": case.macs(contender),
    "dense_macs": case.macs(step_case.DENSE),
  }


def _value(captured: tf.Tensor) -> np.ndarray:
  """Returns what a variable holds, or a constant."""
  if captured.dtype != tf.resource:
    return captured.numpy()
  dtype = tf.dtypes.as_dtype(captured._handle_data.shape_and_type[0].dtype)
  return tf.raw_ops.ReadVariableOp(resource=captured, dtype=dtype).numpy()


def _names(concrete) -> list[str]:
  names = {id(each.handle): each.name for each in concrete.graph.variables}
  return [names.get(id(each), "unnamed") for each in concrete.captured_inputs]


def _is_small(value: np.ndarray) -> bool:
  return value.size < _SMALL or value.dtype.kind in "iub"


def _describe(name: str, value: np.ndarray) -> dict:
  about = {"name": name, "shape": value.shape, "dtype": value.dtype.name}
  if not _is_small(value):
    about["mean"] = float(np.mean(value, dtype=np.float64))
    about["deviation"] = float(np.std(value, dtype=np.float64))
  return about


if __name__ == "__main__":
  define_flags()
  errors.run_command(main)
