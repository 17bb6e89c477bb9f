# SPDX-License-Identifier: Apache-2.0
"""Writes SavedModels of a trained run.

    python -m token_dropping.export --model_dir=runs/base --output_dir=served

`served/ids/1` needs nothing but TensorFlow; `served/text/1` also takes text,
and needs tensorflow_text's operations, which TensorFlow Serving has. Of a
causal language model and a translation there is `text` alone. docs/serving.md
describes signatures and limits, docs/generation.md and docs/translation.md
those of such models.
"""

import os

from absl import flags

from token_dropping.common import errors
from token_dropping.common import files
from token_dropping.common import filesystems
from token_dropping.serving import heads
from token_dropping.serving import saved_model
from token_dropping.serving import signatures
from token_dropping.serving import text_signatures
from token_dropping.serving import translation_signatures
from token_dropping.training import trained_run

OUTPUTS = (heads.LOGITS, heads.SOFTMAX)
_OF_TEXT = {
  trained_run.CAUSAL_LM: text_signatures.TextSignatures,
  trained_run.TRANSLATION: translation_signatures.TranslationSignatures,
}
_Made = (
  signatures.Signatures
  | text_signatures.TextSignatures
  | translation_signatures.TranslationSignatures
)


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
  """Defines the command's flags."""
  for name, default, text in (
    ("model_dir", "", "Folder of the run."),
    ("output_dir", "", "Folder of the SavedModels, new or with versions."),
    ("head", "", f"{', '.join(heads.HEADS)}; default what the run trained."),
    ("checkpoint", trained_run.LATEST, "latest, best or a step."),
    ("output", heads.LOGITS, f"{' or '.join(OUTPUTS)}."),
  ):
    flags.DEFINE_string(name, default, text, flag_values=values)


def main(argv: list[str], values: flags.FlagValues = flags.FLAGS) -> None:
  """Runs the command."""
  _check_flags(argv, values)
  run = trained_run.TrainedRun.read(
    values.model_dir, values.checkpoint, kinds=trained_run.KINDS
  )
  paths = export(run, _make(run, values), values.output_dir)
  kind = values.head or run.kind
  print(f"Exported {kind} of {run.checkpoint}, step {run.step:,}.")
  for path in paths:
    print(f"  {path}")


def export(
  run: trained_run.TrainedRun, made: _Made, output_dir: str
) -> list[str]:
  """Writes the next version; returns its paths, in `ids` and in `text`."""
  functions = made.folders()
  folders = [os.path.join(output_dir, name) for name in functions]
  try:
    for folder, own in zip(folders, functions.values(), strict=True):
      saved_model.write(
        *(folder, own, made.requests(), made.tracked, run.tokenizer_files)
      )
    version = saved_model.next_version(folders)
    return [saved_model.publish(folder, version) for folder in folders]
  finally:
    for folder in folders:
      saved_model.discard(folder)


def _make(run: trained_run.TrainedRun, values: flags.FlagValues) -> _Made:
  head, output = values.head, values.output
  if run.kind in _OF_TEXT:
    rule = f"--head and --output must be unset for a {run.kind} run"
    is_unset = not head and output == heads.LOGITS
    errors.require(is_unset, rule, f"{head!r} and {output!r}")
    return _OF_TEXT[run.kind](run)
  return signatures.Signatures(heads.make_head(head, run, output), run)


def _check_flags(argv: list[str], values: flags.FlagValues) -> None:
  errors.check_flags(argv, values, "model_dir", "output_dir")
  filesystems.require_tensorflow(values.output_dir, "--output_dir")
  files.check_folder(values.output_dir)
  for name, choices in (("head", ("", *heads.HEADS)), ("output", OUTPUTS)):
    rule = f"--{name} must be one of {', '.join(filter(None, choices))}"
    received = values[name].value
    errors.require(received in choices, rule, repr(received))


if __name__ == "__main__":
  define_flags()
  errors.run_command(main)
