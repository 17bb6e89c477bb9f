# SPDX-License-Identifier: Apache-2.0
"""Goes on with texts, by a causal language model.

    python -m token_dropping.generate --model_dir=runs/gpt \\
      --prompt='The committee met' --prompt='On Tuesday'

prints each prompt and what follows it. Tokens are drawn; with `--top_k=1` each
is the most probable one. docs/generation.md says more.
"""

import math

import tensorflow as tf
from absl import flags

from token_dropping.common import errors
from token_dropping.models.causal import sampling
from token_dropping.serving import text_generator
from token_dropping.training import trained_run


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
  """Defines the command's flags."""
  for name, default, text in (
    ("model_dir", "", "Folder of the run."),
    ("checkpoint", trained_run.LATEST, "latest, best or a step."),
  ):
    flags.DEFINE_string(name, default, text, flag_values=values)
  text = "Text to go on with; may be given several times."
  flags.DEFINE_multi_string("prompt", [], text, flag_values=values)
  for name, default, text in (
    ("max_new_tokens", 64, "Stop after so many tokens at the latest."),
    ("top_k", 0, "Draw from so many of the most probable tokens; 0: all."),
    ("seed", 0, "Another seed draws other tokens."),
  ):
    flags.DEFINE_integer(name, default, text, flag_values=values)
  for name, text in (
    ("temperature", "Below 1: probable tokens are drawn more often."),
    ("top_p", "Draw from the most probable tokens that reach this share."),
  ):
    flags.DEFINE_float(name, 1.0, text, flag_values=values)


def main(argv: list[str], values: flags.FlagValues = flags.FLAGS) -> None:
  """Runs the command."""
  _check_flags(argv, values)
  kinds = (trained_run.CAUSAL_LM,)
  run = trained_run.TrainedRun.read(
    values.model_dir, values.checkpoint, kinds=kinds
  )
  prompts, count = values.prompt, values.max_new_tokens
  text_generator.check_prompts(run, prompts, count)
  how = sampling.Sampling(
    values.temperature, values.top_k, values.top_p, values.seed
  )
  generator = text_generator.TextGenerator(run)
  texts = tf.constant([prompt.encode() for prompt in prompts])
  found = generator.generate(texts, count, how)
  for prompt, text in zip(prompts, found.numpy(), strict=True):
    print(f"{prompt}{text.decode(errors='replace')}\n")


def _check_flags(argv: list[str], values: flags.FlagValues) -> None:
  errors.check_flags(argv, values, "model_dir", "prompt")
  for name, holds, rule in (
    ("max_new_tokens", values.max_new_tokens >= 1, "at least 1"),
    ("top_k", values.top_k >= 0, "0 or more"),
    ("top_p", 0 < values.top_p <= 1, "in (0, 1]"),
    ("temperature", 0 < values.temperature < math.inf, "above 0 and finite"),
    ("seed", abs(values.seed) < 2**63, "an integer of 64 bits"),
  ):
    errors.require(holds, f"--{name} must be {rule}", values[name].value)


if __name__ == "__main__":
  define_flags()
  errors.run_command(main)
