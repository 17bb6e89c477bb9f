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

import os
import tempfile

import tensorflow as tf
from absl import flags

from token_dropping.common import errors
from token_dropping.common import extras
from token_dropping.common import files
from token_dropping.common import filesystems
from token_dropping.dropping.importance import importance_table
from token_dropping.tasks.importance_tables import from_data
from token_dropping.tasks.importance_tables import from_model
from token_dropping.training import trained_run

_FLAGS = {
  "from_model": (
    ("model", "data", "output"),
    ("checkpoint", "batch_size", "max_records"),
  ),
  "from_data": (("data", "output"), ()),
}


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
  """Defines the command's flags, by default the program's own."""
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
  for name, default, least, text in (
    ("batch_size", 32, 1, "from_model: records at a time."),
    ("max_records", 0, 0, "from_model: read so many records at most; 0: all."),
  ):
    flags.DEFINE_integer(name, default, text, least, flag_values=values)


def main(argv: list[str], values: flags.FlagValues = flags.FLAGS) -> None:
  """Runs the command; `argv` has `from_model` or `from_data`."""
  command = errors.check_command(argv, values, _FLAGS)
  _check_output(values.output)
  if command == "from_data":
    table, words = from_data.make_table(values.data)
  else:
    with tempfile.TemporaryDirectory() as scratch:
      table, words = from_model.make_table(
        _read_run(values.model, values.checkpoint, scratch),
        values.model,
        values.data,
        values.batch_size,
        values.max_records,
      )
  table.write(values.output)
  print(table.summary(words, values.output))


def _read_run(
  model: str, checkpoint: str, scratch: str
) -> trained_run.TrainedRun:
  """Reads a run; a folder of Hugging Face is made one first."""
  filesystems.require_tensorflow(model, "--model")
  names = ("params.yaml", "config.json")
  ours, theirs = (tf.io.gfile.exists(os.path.join(model, n)) for n in names)
  if theirs and not ours:
    errors.require(
      checkpoint == trained_run.LATEST,
      "--checkpoint must be unset for a folder of Hugging Face",
      repr(checkpoint),
    )
    need = "a folder of Hugging Face needs safetensors and tokenizers"
    importing = extras.require(
      "token_dropping.huggingface.importing", need, "huggingface"
    )
    theirs, model = model, os.path.join(scratch, "run")
    importing.import_folder(theirs, model)
  return trained_run.TrainedRun.read(model, checkpoint, "--model")


def _check_output(path: str) -> None:
  importance_table.check_ending(path, "--output")
  files.check_output(path)
  is_new = not files.exists(path)
  errors.require(is_new, "--output must not exist", repr(path))


if __name__ == "__main__":
  define_flags()
  errors.run_command(main)
