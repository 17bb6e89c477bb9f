# SPDX-License-Identifier: Apache-2.0
"""Makes a table of importance for `importance.table_file`.

    python -m token_dropping.importance from_model \\
      --model=runs/base --data=data --output=losses.npz

    python -m token_dropping.importance from_data \\
      --data=data --output=information.npz

The first is for `importance.type: pretrained_mlm`: the mean loss of a masked LM
by id; `--model` is a run folder or one of Hugging Face. The second is for
`mutual_information`: what an id tells of the label, with data of
`token_dropping.data.finetune`, or of the record that it is in, with data of
`token_dropping.data.prepare`. docs/importance.md has the formulas.
"""

import importlib

import tensorflow as tf
from absl import flags

from token_dropping.common import errors
from token_dropping.dropping.importance import importance_table
from token_dropping.training import trained_run

_FLAGS = {
  "from_model": ("model", "data", "output"),
  "from_data": ("data", "output"),
}
_ONLY_MODEL = ("model", "checkpoint", "batch_size", "max_records")


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
  """Defines the command's flags.

  Args:
    values: where; default the program's own flags.
  """
  for name, default, text in (
    ("model", None, "from_model: folder of a run, or of Hugging Face."),
    (
      "checkpoint",
      trained_run.LATEST,
      "from_model: of a run folder: latest, best or a step.",
    ),
    ("data", None, "Folder of prepared records; those of training are read."),
    ("output", None, "File to write: .npz or .json; must not exist."),
  ):
    flags.DEFINE_string(name, default, text, flag_values=values)
  flags.DEFINE_integer(
    "batch_size", 32, "from_model: records at a time.", 1, flag_values=values
  )
  flags.DEFINE_integer(
    "max_records",
    0,
    "from_model: read so many records at most; 0: all.",
    0,
    flag_values=values,
  )


def main(argv: list[str], values: flags.FlagValues = flags.FLAGS) -> None:
  """Runs the command; `argv` has `from_model` or `from_data`."""
  if len(argv) != 2 or argv[1] not in _FLAGS:
    raise errors.UserError(
      "arguments must be from_model or from_data, and flags (--name=value). "
      f"Received: {' '.join(argv[1:]) or 'nothing'}"
    )
  _check_flags(argv[1], values)
  module = importlib.import_module(
    f"token_dropping.tasks.importance_tables.{argv[1]}"
  )
  if argv[1] == "from_model":
    table, words = module.make_table(
      values.model,
      values.checkpoint,
      values.data,
      values.batch_size,
      values.max_records,
    )
  else:
    table, words = module.make_table(values.data)
  table.write(values.output)
  print(table.summary(words, values.output))


def _check_flags(command: str, values: flags.FlagValues) -> None:
  """Refuses missing flags, those of the other command, an existing file."""
  for name in _FLAGS[command]:
    if not values[name].value:
      raise errors.UserError(f"--{name} must be set. Received: nothing")
  for name in _ONLY_MODEL:
    if command != "from_model" and values[name].present:
      raise errors.UserError(
        f"--{name} must be unset for {command}. "
        f"Received: {values[name].value!r}"
      )
  importance_table.check_ending(values.output, "--output")
  errors.require(
    not tf.io.gfile.exists(values.output),
    "--output must not exist",
    repr(values.output),
  )


if __name__ == "__main__":
  define_flags()
  errors.run_command(main)
