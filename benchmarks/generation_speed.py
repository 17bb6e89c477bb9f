# SPDX-License-Identifier: Apache-2.0
"""How fast does a run write, beside `transformers` with the same weights?

    python -m benchmarks.generation_speed --model_dir=runs/gpt/model

Exports the run twice, as a SavedModel and for `transformers`, and lets both go
on with the same prompts, from text to text, in turns on the same cores. Each
token is the most probable one, so that they must write the same. Prints a table
of medians: tokens a second by the number of prompts at once.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Callable

import tensorflow as tf
import tensorflow_text  # noqa: F401  operations of the SavedModel
import torch
import transformers
from absl import flags

from token_dropping import export as export_command
from token_dropping.common import errors
from token_dropping.common import provenance
from token_dropping.huggingface import exporting
from token_dropping.serving import text_signatures
from token_dropping.study import tables
from token_dropping.training import trained_run

_PACKAGES = ("tensorflow", "torch", "transformers")
_TEXT = (
  "In the fall of the year the committee met in the old city hall and the "
  "members of both houses of the congress were there to hear the report of"
)

# From texts and the number of new tokens to texts.
Writer = Callable[[list[str], int], list[str]]


def prompts(count: int) -> list[str]:
  """Returns texts of different lengths.

  >>> prompts(2)
  ['In the fall of', 'In the fall of the']
  """
  words = _TEXT.split()
  return [" ".join(words[: 4 + index]) for index in range(count)]


def write_by_saved_model(path: str) -> Writer:
  """Returns what writes with the signature of a SavedModel."""
  model = tf.saved_model.load(path)

  def write(texts: list[str], count: int) -> list[str]:
    found = model.signatures[text_signatures.SERVE_GENERATE](
      text=tf.constant(texts),
      max_new_tokens=tf.constant(count),
      temperature=tf.constant(1.0),
      top_k=tf.constant(1),
      top_p=tf.constant(1.0),
      seed=tf.constant(0, tf.int64),
    )
    return [text.decode(errors="replace") for text in found["text"].numpy()]

  return write


def write_by_transformers(folder: str) -> Writer:
  """Returns what writes with `generate` of `transformers`."""
  model = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
  tokenizer = transformers.AutoTokenizer.from_pretrained(
    folder, padding_side="left"
  )

  def write(texts: list[str], count: int) -> list[str]:
    inputs = tokenizer(texts, padding=True, return_tensors="pt")
    found = model.generate(**inputs, max_new_tokens=count, do_sample=False)
    new = found[:, inputs["input_ids"].shape[1] :]
    errors.require(
      not (new == model.generation_config.eos_token_id).any(),
      "--model_dir must hold a model that does not end a text before it has "
      f"{count} tokens",
      repr(tokenizer.batch_decode(new)),
    )
    return tokenizer.batch_decode(new)

  return write


def measure(
  writers: dict[str, Writer], batch: int, count: int, rounds: int
) -> dict[str, list[float]]:
  """Returns the tokens a second of each round, by writer."""
  texts, rates = prompts(batch), {name: [] for name in writers}
  wanted = None
  for turn in range(rounds + 1):
    for name, write in writers.items():
      start = time.perf_counter()
      written = write(texts, count)
      seconds = time.perf_counter() - start
      wanted = wanted or written
      rule = "all must write the same text"
      errors.require(written == wanted, rule, f"{written}, not {wanted}")
      if turn:  # the first one warms up
        rates[name].append(batch * count / seconds)
  return rates


def main(argv: list[str]) -> None:
  """Prints the table."""
  del argv
  values = flags.FLAGS
  kinds = (trained_run.CAUSAL_LM,)
  run = trained_run.TrainedRun.read(values.model_dir, kinds=kinds)
  torch.set_num_threads(len(os.sched_getaffinity(0)))
  with tempfile.TemporaryDirectory() as folder:
    theirs = os.path.join(folder, "theirs")
    exporting.export_run(values.model_dir, theirs, trained_run.LATEST)
    signatures = text_signatures.TextSignatures(run)
    (ours,) = export_command.export(run, signatures, folder)
    writers = {
      "SavedModel": write_by_saved_model(ours),
      "transformers": write_by_transformers(theirs),
    }
  rows = [["prompts", *(f"{name}, tokens/s" for name in writers), "ratio"]]
  for batch in map(int, values.batch_sizes):
    rates = measure(writers, batch, values.new_tokens, values.rounds)
    medians = [statistics.median(rate) for rate in rates.values()]
    shown = (f"{median:,.0f}" for median in medians)
    rows.append([str(batch), *shown, f"{medians[0] / medians[1]:.2f}"])
  machine = provenance.describe(provenance.this_machine(_PACKAGES))
  print(f"{machine}, commit {provenance.commit()}\n\n{tables.markdown(rows)}")


if __name__ == "__main__":
  flags.DEFINE_string("model_dir", None, "Folder of the run.", required=True)
  flags.DEFINE_list("batch_sizes", ["1", "4", "16"], "Prompts at once.")
  flags.DEFINE_integer("new_tokens", 64, "Tokens that follow each prompt.")
  flags.DEFINE_integer("rounds", 5, "Timed turns of each.")
  errors.run_command(main)
