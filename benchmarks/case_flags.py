# SPDX-License-Identifier: Apache-2.0
"""The flags that say which training steps are meant, for several commands."""

import itertools

from absl import flags

from benchmarks import step_case
from token_dropping.common import errors
from token_dropping.common import files

_FLAGS = {
  flags.DEFINE_list: (
    ("widths", "256,512,768", "D; feed-forward of 4 D."),
    ("seq_lengths", "128,512,1024,2048", "S."),
    ("keep_ratios", "1.0,0.75,0.5,0.25", "K / S."),
    ("batch_sizes", "8,2,1,1", "B: one, or one for each S."),
    ("xla", "on,off", "`on`, `off`, or both."),
    ("dtypes", ",".join(step_case.DTYPES), "Numeric types."),
    ("contenders", ",".join(step_case.CONTENDERS), "Whose steps."),
  ),
  flags.DEFINE_integer: (("num_layers", 12, "L."), ("vocab_size", 30522, "V.")),
  flags.DEFINE_float: (
    ("dropout", 0.1, "Of all layers."),
    ("attention_dropout", None, "Of attention, where it is another."),
  ),
  flags.DEFINE_bool: (("norm_first", False, "Normalized before each block."),),
  flags.DEFINE_string: (
    ("attention", step_case.PLAIN, "On a GPU: plain, or fused by cuDNN."),
  ),
}
_SWITCH = {"on": True, "off": False}
_HEAD, _SPECIAL = step_case.HEAD_WIDTH, step_case.FIRST_WORD
_RATE = (float, lambda n: 0 <= n < 1, "in [0, 1)")
# Of numbers: their type, what must hold, and the rule in words.
_NUMBERS = {
  "widths": (
    # ModernBERT's positions turn the numbers of a head in pairs.
    *(int, lambda n: n > 1 and n % (2 if n < _HEAD else _HEAD) == 0),
    f"multiples of {_HEAD}, or smaller even numbers",
  ),
  "seq_lengths": (int, lambda n: n > 1, "whole numbers above 1"),
  "keep_ratios": (float, lambda n: 0 < n <= 1, "numbers in (0, 1]"),
  "batch_sizes": (int, lambda n: n > 0, "positive whole numbers"),
  "num_layers": (int, lambda n: n > 1, "at least 2"),
  "vocab_size": (
    *(int, lambda n: n > _SPECIAL),
    f"above {_SPECIAL}, the special ids",
  ),
  "dropout": _RATE,
  "attention_dropout": _RATE,
}


def define(values: flags.FlagValues = flags.FLAGS) -> None:
  """Defines the flags of `read_cases` and `read_contenders`."""
  for define_flag, rows in _FLAGS.items():
    for name, default, text in rows:
      define_flag(name, default, text, flag_values=values)


def read_cases(values: flags.FlagValues) -> list[step_case.Case]:
  """Returns every combination of the flags; raises `UserError`."""
  numbers = {
    name: read_numbers(values, name, *rule) for name, rule in _NUMBERS.items()
  }
  lengths, batches = numbers["seq_lengths"], numbers["batch_sizes"]
  errors.require(
    len(batches) in (1, len(lengths)),
    f"--batch_sizes must be one, or one for each of {len(lengths)} sequence "
    "lengths",
    ",".join(values.batch_sizes),
  )
  if len(batches) == 1:
    batches *= len(lengths)
  errors.require(
    values.attention in step_case.ATTENTIONS,
    f"--attention must be one of {', '.join(step_case.ATTENTIONS)}",
    values.attention,
  )
  cases = [
    step_case.Case(
      width=width,
      num_layers=values.num_layers,
      vocab_size=values.vocab_size,
      seq_length=length,
      keep_ratio=ratio,
      batch_size=batch,
      xla=_SWITCH[switch],
      dtype=dtype,
      dropout=values.dropout,
      norm_first=values.norm_first,
      attention_dropout=values.attention_dropout,
      attention=values.attention,
    )
    for switch, dtype, width, (length, batch), ratio in itertools.product(
      _words(values, "xla", tuple(_SWITCH)),
      _words(values, "dtypes", step_case.DTYPES),
      numbers["widths"],
      zip(lengths, batches, strict=True),
      numbers["keep_ratios"],
    )
  ]
  for case in cases:
    errors.require(
      values.attention == step_case.PLAIN
      or (case.dropout_in_attention == 0 and case.dtype == "bfloat16"),
      "--attention_dropout must be 0 and --dtypes bfloat16 with "
      "--attention=fused",
      f"{case.dropout_in_attention:g} and {case.dtype}",
    )
  return cases


def read_contenders(values: flags.FlagValues) -> list[str]:
  """Returns the contenders in their one order; raises `UserError`."""
  return _words(values, "contenders", step_case.CONTENDERS)


def make_output_dir(values: flags.FlagValues) -> None:
  """Makes the folder of `--output_dir`; raises `UserError`."""
  with files.writable(values.output_dir):
    files.make_folder(values.output_dir)


def read_numbers(
  values: flags.FlagValues, name: str, kind: type, holds, rule: str
) -> list:
  """Returns the numbers of a flag, none where it has no value."""
  value = values[name].value
  if value is None:
    return []
  received = value if isinstance(value, list) else [str(value)]
  try:
    numbers = [kind(text) for text in received]
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
  received = values[name].value
  errors.require(
    received and set(received) <= set(allowed),
    f"--{name} must be some of {', '.join(allowed)}",
    ",".join(received),
  )
  return [word for word in allowed if word in received]
