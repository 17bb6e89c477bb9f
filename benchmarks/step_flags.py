# SPDX-License-Identifier: Apache-2.0
"""The flags of `step_time`: what to measure, and what is refused."""

import importlib.util
import itertools
import sys
from collections.abc import Callable

import tensorflow as tf
from absl import flags

from benchmarks import step_case
from token_dropping.common import errors

_SWITCH = {"on": True, "off": False}


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
  """Defines what to measure."""

  def several(name: str, default: str, help_text: str) -> None:
    flags.DEFINE_list(name, default, help_text, flag_values=values)

  several("widths", "256,512,768", "D; heads are of 64, feed-forward of 4 D.")
  several("seq_lengths", "128,512,1024,2048", "S.")
  several("keep_ratios", "1.0,0.75,0.5,0.25", "K / S.")
  several("batch_sizes", "8,2,1,1", "B: one, or one for each sequence length.")
  several("xla", "on,off", "`on`, `off`, or both.")
  several("dtypes", ",".join(step_case.DTYPES), "Numeric types.")
  several("contenders", ",".join(step_case.CONTENDERS), "Who is measured.")
  for name, default, help_text in (
    ("num_layers", 12, "L."),
    ("vocab_size", 30522, "V."),
    ("steps", 15, "Rounds in which each contender makes a step."),
  ):
    flags.DEFINE_integer(name, default, help_text, flag_values=values)
  flags.DEFINE_float("dropout", 0.1, "Of all layers.", flag_values=values)
  flags.DEFINE_float(
    "max_spread",
    0.1,
    "Times of which the interquartile range over the median is larger are "
    "called too noisy.",
    flag_values=values,
  )
  flags.DEFINE_bool(
    "alone", True, "Also measure memory and profile.", flag_values=values
  )
  flags.DEFINE_string("tpu", "", "Name of a TPU, or local.", flag_values=values)
  flags.DEFINE_string(
    "output_dir", "runs/step_time", "Where to write.", flag_values=values
  )
  flags.DEFINE_bool(
    "report_only", False, "Measure nothing.", flag_values=values
  )


def read_cases(values: flags.FlagValues) -> list[step_case.Case]:
  """Returns every combination of the flags; raises `UserError`."""
  heads = step_case.HEAD_WIDTH
  widths = _numbers(
    values,
    "widths",
    int,
    lambda n: 0 < n < heads or (n > 0 and n % heads == 0),
    f"whole numbers, multiples of {heads} or smaller ones",
  )
  lengths = _numbers(
    values, "seq_lengths", int, lambda n: n > 1, "whole numbers above 1"
  )
  ratios = _numbers(
    values, "keep_ratios", float, lambda n: 0 < n <= 1, "numbers in (0, 1]"
  )
  batches = _numbers(
    values, "batch_sizes", int, lambda n: n > 0, "positive whole numbers"
  )
  errors.require(
    len(batches) in (1, len(lengths)),
    f"--batch_sizes must be one, or one for each of {len(lengths)} sequence "
    "lengths",
    ",".join(values.batch_sizes),
  )
  switches = [_SWITCH[each] for each in _words(values, "xla", tuple(_SWITCH))]
  dtypes = _words(values, "dtypes", step_case.DTYPES)
  _check_network(values)
  if len(batches) == 1:
    batches *= len(lengths)
  return [
    step_case.Case(
      width=width,
      num_layers=values.num_layers,
      vocab_size=values.vocab_size,
      seq_length=length,
      keep_ratio=ratio,
      batch_size=batch,
      xla=xla,
      dtype=dtype,
      dropout=values.dropout,
    )
    for xla, dtype, width, (length, batch), ratio in itertools.product(
      switches, dtypes, widths, zip(lengths, batches, strict=True), ratios
    )
  ]


def read_contenders(values: flags.FlagValues) -> tuple[str, ...]:
  """Returns who is measured, without those that cannot be; says who not."""
  names = _words(values, "contenders", step_case.CONTENDERS)
  errors.require(
    step_case.DENSE in names,
    f"--contenders must name {step_case.DENSE}, which the others are compared "
    "with",
    ",".join(names),
  )
  reason = None
  if not all(map(importlib.util.find_spec, ("torch", "transformers"))):
    reason = "torch and transformers are not installed"
  elif values.tpu or tf.config.list_physical_devices("GPU"):
    reason = "it would run on the CPU"
  if step_case.TORCH in names and reason:
    print(f"{step_case.TORCH} is left out: {reason}", file=sys.stderr)
    names.remove(step_case.TORCH)
  return tuple(names)


def _check_network(values: flags.FlagValues) -> None:
  errors.require(
    values.num_layers > 1, "--num_layers must be at least 2", values.num_layers
  )
  errors.require(
    values.vocab_size > step_case.FIRST_WORD,
    f"--vocab_size must be above {step_case.FIRST_WORD}, the special ids",
    values.vocab_size,
  )
  errors.require(
    0 <= values.dropout < 1, "--dropout must be in [0, 1)", values.dropout
  )
  errors.require(values.steps > 0, "--steps must be positive", values.steps)


def _numbers(
  values: flags.FlagValues,
  name: str,
  kind: type,
  holds: Callable[[float], bool],
  rule: str,
) -> list:
  """Returns the numbers of a flag; raises `UserError`."""
  received = values[name].value
  try:
    numbers = [kind(each) for each in received]
  except ValueError:
    numbers = []
  errors.require(
    numbers and all(map(holds, numbers)),
    f"--{name} must be {rule}",
    ",".join(received),
  )
  return numbers


def _words(
  values: flags.FlagValues, name: str, allowed: tuple[str, ...]
) -> list[str]:
  """Returns the words of a flag, in the order of `allowed`."""
  received = values[name].value
  errors.require(
    received and set(received) <= set(allowed),
    f"--{name} must be some of {', '.join(allowed)}",
    ",".join(received),
  )
  return [word for word in allowed if word in received]
