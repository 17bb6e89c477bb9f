# SPDX-License-Identifier: Apache-2.0
"""Shows which words of a text a run drops: of a translation, of its source.

    python -m token_dropping.explain --model_dir=runs/base \\
      --text='The committee met on Tuesday.' --output=page.html

prints the text and figures on it, and writes them as a page that needs nothing
but a browser. docs/explain.md says what is shown.
"""

import os
import sys

from absl import flags

from token_dropping.common import errors
from token_dropping.common import files
from token_dropping.explain import dropping
from token_dropping.explain import findings as findings_lib
from token_dropping.explain import page
from token_dropping.explain import source_text
from token_dropping.explain import terminal
from token_dropping.training import trained_run

MAX_SEQUENCES = 1000
KINDS = (trained_run.MASKED_LM, trained_run.CAUSAL_LM, trained_run.TRANSLATION)


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
  """Defines the command's flags."""
  for name, default, text in (
    ("model_dir", "", "Folder of the run."),
    ("checkpoint", trained_run.LATEST, "latest, best or a step."),
    ("text", None, "What to show; default the run's validation records."),
    ("input", None, "A text file, instead of --text."),
    ("output", "explain.html", "The page to write."),
  ):
    flags.DEFINE_string(name, default, text, flag_values=values)
  text = "Use no more than so many sequences of the run's length."
  flags.DEFINE_integer("max_sequences", 16, text, flag_values=values)


def main(argv: list[str], values: flags.FlagValues = flags.FLAGS) -> None:
  """Prints the findings and writes the page."""
  _check_flags(argv, values)
  run = trained_run.TrainedRun.read(
    values.model_dir, values.checkpoint, kinds=KINDS
  )
  dropping.check_run(run)
  findings = findings_lib.collect(run, _source(run, values))
  coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
  for paragraph in terminal.paragraphs(findings, coloured):
    print(f"{paragraph}\n")
  page.write(findings, values.output)
  print(f"page  {values.output}")


def _source(run: trained_run.TrainedRun, values) -> source_text.SourceText:
  count = values.max_sequences
  if values.text is not None:
    return source_text.from_string(run, values.text, "--text", count)
  if values.input is not None:
    return source_text.from_file(run, values.input, count)
  return source_text.from_validation(run, count)


def _check_flags(argv: list[str], values: flags.FlagValues) -> None:
  errors.check_flags(argv, values, "model_dir", "output")
  errors.require(
    values.text is None or values.input is None,
    "--text and --input must not both be set",
    f"--text={errors.shorten(values.text)}, --input={values.input!r}",
  )
  count = values.max_sequences
  rule = f"--max_sequences must be in [1, {MAX_SEQUENCES}]"
  errors.require(1 <= count <= MAX_SEQUENCES, rule, count)
  path = values.output
  is_page = path.endswith(".html")
  errors.require(is_page, "--output must end in .html", repr(path))
  files.check_output(path)


if __name__ == "__main__":
  define_flags()
  errors.run_command(main)
