# SPDX-License-Identifier: Apache-2.0
"""Writes SavedModels of a trained run.

    python -m token_dropping.export --model_dir=runs/base --output_dir=served

`served/ids/1` needs nothing but TensorFlow; `served/text/1` also takes text,
and needs tensorflow_text's operations, which TensorFlow Serving has.
docs/serving.md describes signatures and limits.
"""

import os

import numpy as np
import tensorflow as tf
from absl import flags

from token_dropping.common import errors
from token_dropping.data.text import tokenizer_config
from token_dropping.serving import head as head_lib
from token_dropping.serving import heads
from token_dropping.serving import latency
from token_dropping.serving import saved_model
from token_dropping.serving import signatures
from token_dropping.serving import warmup
from token_dropping.training import trained_run

OUTPUTS = (head_lib.LOGITS, head_lib.SOFTMAX)


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
  """Defines the command's flags."""
  for name, default, text in (
    ("model_dir", "", "Folder of the run."),
    ("output_dir", "", "Folder of the SavedModels, new or with versions."),
    ("head", "", f"{', '.join(heads.HEADS)}; default what the run trained."),
    ("checkpoint", trained_run.LATEST, "latest, best or a step."),
    ("output", head_lib.LOGITS, f"{' or '.join(OUTPUTS)}."),
  ):
    flags.DEFINE_string(name, default, text, flag_values=values)
  flags.DEFINE_bool(
    "benchmark", False, "Then print latencies.", flag_values=values
  )
  flags.DEFINE_list(
    "batch_sizes", ["1", "8", "32"], "Of the benchmark.", flag_values=values
  )
  flags.DEFINE_integer(
    "length",
    None,
    "Tokens in a sequence of the benchmark; default the longest.",
    flag_values=values,
  )


def main(argv: list[str], values: flags.FlagValues = flags.FLAGS) -> None:
  """Exports, and measures if `--benchmark` is set."""
  _check_flags(argv, values)
  batch_sizes = _batch_sizes(values.batch_sizes)
  run = trained_run.TrainedRun.read(values.model_dir, values.checkpoint)
  length = _length(values.length, run.encoder.max_position_embeddings)
  head = heads.make_head(values.head, run, values.output)
  paths = export(run, head, values.output_dir)
  kind = values.head or run.kind
  print(f"Exported {kind} of {run.checkpoint}, step {run.step:,}.")
  for path in paths:
    print(f"  {path}")
  if values.benchmark:
    print(benchmark(paths[0], head, batch_sizes, length))


def export(
  run: trained_run.TrainedRun, head: head_lib.Head, output_dir: str
) -> list[str]:
  """Writes the next version of a model.

  Args:
    run: where the weights come from.
    head: the model, built from `run`.
    output_dir: folder of `ids` and `text`, which hold the versions.

  Returns:
    The paths of the two SavedModels, that of ids first.

  Raises:
    UserError: `output_dir` cannot be written.
  """
  made = signatures.Signatures(head, run)
  of_ids, id_requests = made.of_ids(), warmup.id_requests(head)
  of_both = of_ids | made.of_text()
  both_requests = id_requests | warmup.text_requests(head)
  extra = [
    os.path.join(run.model_dir, name)
    for name in (trained_run.VOCAB, tokenizer_config.FILE)
  ]
  folders = [os.path.join(output_dir, name) for name in ("ids", "text")]
  saved_model.write(folders[0], of_ids, id_requests, head.labels, extra)
  saved_model.write(folders[1], of_both, both_requests, head.labels, extra)
  version = saved_model.next_version(folders)
  return [saved_model.publish(folder, version) for folder in folders]


def benchmark(
  path: str, head: head_lib.Head, batch_sizes: list[int], length: int
) -> str:
  """Returns a table of latencies of a SavedModel's `serve`.

  Args:
    path: the SavedModel, as written for `head`.
    head: its model.
    batch_sizes: of the requests.
    length: tokens in each sequence.
  """
  serve = tf.saved_model.load(path).signatures[signatures.SERVE]
  times = {}
  for size in batch_sizes:
    inputs = {
      name: tf.constant(value)
      for name, value in warmup.token_inputs(head, size, length).items()
    }
    times[size] = latency.measure(lambda inputs=inputs: _wait(serve, inputs))
  return latency.format_table(times, length)


def _wait(serve, inputs: dict[str, tf.Tensor]) -> None:
  for value in serve(**inputs).values():
    np.asarray(value)


def _check_flags(argv: list[str], values: flags.FlagValues) -> None:
  if argv[1:]:
    raise errors.UserError(
      f"arguments must be flags, --name=value. Received: {argv[1]!r}"
    )
  for name in ("model_dir", "output_dir"):
    if not values[name].value:
      raise errors.UserError(f"--{name} must be set. Received: nothing")
  for name, choices in (("head", ("", *heads.HEADS)), ("output", OUTPUTS)):
    if values[name].value not in choices:
      raise errors.UserError(
        f"--{name} must be one of {', '.join(filter(None, choices))}. "
        f"Received: {values[name].value!r}"
      )


def _batch_sizes(texts: list[str]) -> list[int]:
  if not texts or not all(t.isdecimal() and int(t) > 0 for t in texts):
    raise errors.UserError(
      "--batch_sizes must be whole numbers above 0, such as 1,8,32. "
      f"Received: {','.join(texts)!r}"
    )
  return [int(text) for text in texts]


def _length(length: int | None, longest: int) -> int:
  if length is None:
    return longest
  if not 1 <= length <= longest:
    raise errors.UserError(
      f"--length must be in [1, {longest}], the run's max_position_embeddings. "
      f"Received: {length}"
    )
  return length


if __name__ == "__main__":
  define_flags()
  errors.run_command(main)
