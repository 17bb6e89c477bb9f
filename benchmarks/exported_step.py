# SPDX-License-Identifier: Apache-2.0
"""Writes compiled training steps, to be run where there is no TensorFlow.

    python -m benchmarks.exported_step --output_dir=runs/exported \
      --contenders=ours_dense,recommended --widths=768 --seq_lengths=512 \
      --batch_sizes=32 --keep_ratios=0.5 --dtypes=bfloat16 --xla=on

The flags are those of `benchmarks.step_time`. A contender gets a folder:

- `program.hlo.gz`: the whole step as `step_time` times it, forward, backward,
  clipping, AdamW and metrics.
- `meta.json`: the case, its multiply-adds, and the program's parameters. The
  first output is the loss.
- `values.npz`: what is small or of whole numbers: batch, counters, seeds. With
  `--values` it holds all, and from TensorFlow here the `losses` of four steps
  and what they leave, `after_I`.

`exported_program` says more of these files. No device is asked, and nothing is
compiled or run without `--values`. With `--attention=fused` the program is one
for a GPU, while the values come from the plain attention that the step has on a
CPU.
`run_exported_step.py` runs what is written, `benchmarks.compiled_step` compiles
it for a GPU that need not be there.
"""

import dataclasses
import pathlib

import tensorflow as tf
from absl import flags

from benchmarks import case_flags
from benchmarks import exported_program
from benchmarks import step_case
from benchmarks import step_jobs
from benchmarks import step_variants
from token_dropping.common import errors
from token_dropping.models import xla_calls

STEPS = 4  # whose values are compared


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
    program = exported_program.Program(*_make_step(case, contender))
    content = program.lower()
  before = program.read()
  kept = {
    f"before_{index}": value
    for index, value in enumerate(before)
    if with_values or exported_program.is_small(value)
  }
  if with_values:  # by the same step, traced for this machine
    step, batch = _make_step(case, contender)
    here = exported_program.Program(step, batch)
    kept["losses"] = [float(step(batch)) for _ in range(STEPS)]
    kept |= {f"after_{index}": each for index, each in enumerate(here.read())}
  parameters = list(map(exported_program.describe, program.names(), before))
  about = _about(case, contender) | {"parameters": parameters}
  exported_program.write(folder, content, kept, about)


def _make_step(case: step_case.Case, contender: str):
  """Returns a new step as one function, and its batch."""
  strategy = step_jobs.make_strategy(case.dtype)
  step = step_variants.Step(case, contender, strategy)
  return tf.function(step.run, jit_compile=True), step.batch


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


if __name__ == "__main__":
  define_flags()
  errors.run_command(main)
