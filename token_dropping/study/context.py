# SPDX-License-Identifier: Apache-2.0
"""Measures whether a pretraining run uses a long context. No labels are needed.

    python -m token_dropping.study.context --model_dir=runs/long/model \\
      --contexts=256,512 --output=context.json

The run's masked validation tokens are predicted from windows of each of the
`contexts` and from the whole sequence: the same tokens under the same masks. Of
some the id stands just once more in the sequence, and farther away than
`--distance`: who does not look that far cannot know it. docs/long_context.md
says how to read the table.
"""

import json
import os
import sys

import numpy as np
import tensorflow as tf
from absl import flags

from token_dropping.common import errors
from token_dropping.common import files
from token_dropping.common import provenance
from token_dropping.common import vocabulary
from token_dropping.data.batches import bad_records
from token_dropping.data.batches import dataset_card
from token_dropping.data.batches import pretrain_data
from token_dropping.data.batches import record_rules
from token_dropping.study import context_losses
from token_dropping.training import trained_run

PACKAGES = ("tensorflow", "tf-models-official")
_LEAST_CONTEXT = 8
_DATA = "task.validation_data"
_ROW = "{:>10s}{:>10s}{:>10s}{:>10s}{:>10s}"


def report(
  run: trained_run.TrainedRun,
  data: pretrain_data.PretrainDataConfig,
  contexts: list[int],
  distance: int,
  sequences: int,
) -> dict:
  """Measures the first sequences of the validation data; means by context."""
  attends_within = pretrain_data.attends_within_documents(data)
  network = context_losses.Network(run, attends_within)
  contexts = [*contexts, data.seq_length]
  found, count = [], 0
  for batch in batches(run, data, sequences):
    found.append(context_losses.of_batch(network, batch, contexts, distance))
    count += len(batch["input_word_ids"])
    print(f"\r{count} sequences", end="", file=sys.stderr, flush=True)
  print(file=sys.stderr)
  far, *rows = np.concatenate(found, axis=1)
  tokens = {"": slice(None), "far_": far > 0}
  measured = {
    "model_dir": run.model_dir,
    "step": run.step,
    "input_path": data.input_path,
    "sequences": count,
    "distance": distance,
    "tokens": len(far),
    "far_tokens": int(far.sum()),
    "contexts": [
      {"context": context}
      | {
        f"{kind}{name}": _mean(row[which])
        for kind, which in tokens.items()
        for name, row in (("loss", losses), ("accuracy", hits))
      }
      for context, losses, hits in zip(
        contexts, rows[::2], rows[1::2], strict=True
      )
    ],
  }
  return measured | {
    "machine": provenance.this_machine(PACKAGES),
    "commit": provenance.commit(),
  }


def _mean(values: np.ndarray) -> float | None:
  return float(values.mean()) if len(values) else None


def table(measured: dict) -> str:
  """Returns the measures as a table, and over how many tokens they are."""
  names = ("loss", "accuracy", "far_loss", "far_accuracy")
  titles = ("loss", "accuracy", "far loss", "far acc.")
  lines = [_ROW.format("context", *titles)]
  for row in measured["contexts"]:
    shown = (f"{row[n]:.3f}" if row[n] is not None else "-" for n in names)
    lines.append(_ROW.format(f"{row['context']:,}", *shown))
  lines.append(
    f"{measured['tokens']:,} masked tokens of {measured['sequences']:,} "
    f"sequences; far: {measured['far_tokens']:,}, whose id stands once more, "
    f"over {measured['distance']:,} positions away"
  )
  return "\n".join(lines)


def batches(run, data: pretrain_data.PretrainDataConfig, sequences: int):
  """Yields batches of the first sequences, in one thread: always the same."""
  size = min(sequences, max(1, context_losses.TOKENS // data.seq_length))
  config = data.replace(
    is_training=False,
    global_batch_size=size,
    drop_remainder=False,
    cycle_length=1,
    deterministic=True,
  )
  rules = _rules(run, data)
  try:
    batches = pretrain_data.PretrainDataLoader(config).load()
    batches = batches.map(rules.check_batch).take(-(-sequences // size))
    for batch in batches.as_numpy_iterator():
      left = {name: values[:sequences] for name, values in batch.items()}
      sequences -= size
      yield left
  except tf.errors.OpError as error:
    raise errors.UserError(
      f"{_DATA}.input_path must be readable records. Received: "
      f"{errors.shorten(data.input_path)} "
      f"({record_rules.broken_rule(error) or errors.first_line(error)})"
    ) from error


def _rules(run, data) -> record_rules.RecordRules:
  return record_rules.RecordRules(data, run.encoder, _DATA)


def validation_data(
  run: trained_run.TrainedRun, input_path: str = ""
) -> pretrain_data.PretrainDataConfig:
  """Returns the run's validation data, or such records at another path."""
  run.check_kind(trained_run.MASKED_LM)
  data = pretrain_data.PretrainDataConfig()
  data.override(run.task.get("validation_data") or {}, is_strict=False)
  in_run = os.path.join(run.model_dir, vocabulary.FILE)
  data.vocab_file = data.vocab_file or in_run
  data.input_path = input_path or data.input_path
  named = data.input_path and data.input_path != "dummy"
  rule = f"--input_path or {_DATA}.input_path of the run must name records"
  errors.require(named and not data.tfds_name, rule, repr(data.input_path))
  dataset_card.check_objective(data, _DATA)
  bad_records.check_first_records(_rules(run, data))
  dataset_card.check_documents(data, _DATA)
  return data


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
  """Defines the command's flags."""
  for name, default, text in (
    ("model_dir", "", "Folder of the run."),
    ("checkpoint", trained_run.LATEST, "latest, best or a step."),
    ("input_path", "", "Records of the same settings instead of the run's."),
    ("output", "", "A JSON file for the results."),
  ):
    flags.DEFINE_string(name, default, text, flag_values=values)
  text = "Lengths of the windows to compare with the whole sequence."
  flags.DEFINE_list("contexts", ["512"], text, flag_values=values)
  for name, default, text in (
    ("distance", 512, "How far away the only other occurrence must be."),
    ("sequences", 256, "How many of the first validation sequences to use."),
  ):
    flags.DEFINE_integer(name, default, text, flag_values=values)


def main(argv: list[str], values: flags.FlagValues = flags.FLAGS) -> None:
  """Prints the table and writes the results."""
  errors.check_flags(argv, values, "model_dir")
  run = trained_run.TrainedRun.read(values.model_dir, values.checkpoint)
  data = validation_data(run, values.input_path)
  contexts = _contexts(values.contexts, data.seq_length)
  for name, end in (("distance", data.seq_length), ("sequences", 10_000_000)):
    rule = f"--{name} must be in [1, {end})"
    errors.require(1 <= values[name].value < end, rule, values[name].value)
  if values.output:
    files.check_output(values.output)
  measured = report(run, data, contexts, values.distance, values.sequences)
  print(table(measured))
  if values.output:
    files.write_output(values.output, json.dumps(measured, indent=2) + "\n")


def _contexts(texts: list[str], seq_length: int) -> list[int]:
  rule = (
    f"--contexts must be lengths in [{_LEAST_CONTEXT}, {seq_length}), of "
    f"windows shorter than {_DATA}.seq_length of the run"
  )
  numbers = [int(text) if text.strip().isdecimal() else 0 for text in texts]
  fits = texts and all(_LEAST_CONTEXT <= n < seq_length for n in numbers)
  errors.require(fits, rule, ",".join(texts) or "none")
  return sorted(set(numbers))


if __name__ == "__main__":
  define_flags()
  errors.run_command(main)
