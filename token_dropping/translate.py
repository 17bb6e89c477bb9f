# SPDX-License-Identifier: Apache-2.0
"""Translates a text file, a sentence a line, by a run of translation.

    python -m token_dropping.translate --model_dir=runs/wmt --input=news.txt

prints a line for each line. docs/translation.md says more.
"""

import sys

from absl import flags

from token_dropping.common import errors
from token_dropping.common import files
from token_dropping.serving import translation_signatures
from token_dropping.training import trained_run


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
  """Defines the command's flags."""
  for name, default, text in (
    ("model_dir", "", "Folder of the run."),
    ("checkpoint", trained_run.LATEST, "latest, best or a step."),
    ("input", "", "Text file, UTF-8, a sentence a line."),
  ):
    flags.DEFINE_string(name, default, text, flag_values=values)
  text = "Translations that are followed at the same time; 1: greedy."
  flags.DEFINE_integer("beam_size", 4, text, flag_values=values)
  text = "Length penalty of Wu et al., arXiv 1609.08144: 0 likes short ones."
  flags.DEFINE_float("alpha", 0.6, text, flag_values=values)


def main(argv: list[str], values: flags.FlagValues = flags.FLAGS) -> None:
  """Runs the command."""
  _check_flags(argv, values)
  run = trained_run.TrainedRun.read(
    values.model_dir, values.checkpoint, kinds=(trained_run.TRANSLATION,)
  )
  lines = files.read_lines(values.input, "--input")
  translator = translation_signatures.make_translator(
    run, beam_size=values.beam_size, alpha=values.alpha
  )
  count = translator.count_cut(lines)
  if count:
    print(
      f"warning: {count:,} of {len(lines):,} lines have more than "
      f"{translator.longest} tokens and are cut off there",
      file=sys.stderr,
    )
  for line in translator.translate_all(lines):
    print(line)


def _check_flags(argv: list[str], values: flags.FlagValues) -> None:
  errors.check_flags(argv, values, "model_dir", "input")
  for name, holds, rule in (
    ("beam_size", 1 <= values.beam_size <= 100, "in [1, 100]"),
    ("alpha", 0 <= values.alpha <= 100, "in [0, 100]"),
  ):
    errors.require(holds, f"--{name} must be {rule}", values[name].value)


if __name__ == "__main__":
  define_flags()
  errors.run_command(main)
