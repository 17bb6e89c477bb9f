# SPDX-License-Identifier: Apache-2.0
"""Converts runs to Hugging Face's form, and back.

    python -m token_dropping.huggingface export \\
      --model_dir=runs/base --output_dir=base-hf
    python -m token_dropping.huggingface import \\
      --input=bert-base-uncased --output_dir=runs/imported

The first folder loads with `AutoModel...from_pretrained`; the second is what
`token_dropping.train` continues from.
"""

import types

from absl import flags

from token_dropping.common import errors
from token_dropping.common import extras
from token_dropping.training import trained_run

_FLAGS = {
  "export": (("model_dir", "output_dir"), ("checkpoint",)),
  "import": (("input", "output_dir"), ()),
}


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
  """Defines the command's flags."""
  for name, default, text in (
    ("model_dir", None, "export: folder of the run."),
    (
      "checkpoint",
      trained_run.LATEST,
      "export: latest, best (by the run's best_checkpoint settings) or a step.",
    ),
    ("input", None, "import: folder with config.json and model.safetensors."),
    ("output_dir", None, "Folder to make; must not exist, or be empty."),
  ):
    flags.DEFINE_string(name, default, text, flag_values=values)


def main(argv: list[str], values: flags.FlagValues = flags.FLAGS) -> None:
  """Runs the command; `argv` has `export` or `import`."""
  if errors.check_command(argv, values, _FLAGS) == "export":
    arguments = values.model_dir, values.output_dir, values.checkpoint
    print(_load("exporting").export_run(*arguments))
  else:
    print(_load("importing").import_folder(values.input, values.output_dir))


def _load(module: str) -> types.ModuleType:
  """Imports TensorFlow and the rest, once the arguments are right."""
  need = "conversion needs safetensors and transformers"
  name = f"token_dropping.huggingface.{module}"
  return extras.require(name, need, "huggingface")


if __name__ == "__main__":
  define_flags()
  errors.run_command(main)
