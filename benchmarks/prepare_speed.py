# SPDX-License-Identifier: Apache-2.0
"""Text to records: Model Garden's `create_pretraining_data` against ours.

    python -m benchmarks.prepare_speed --folder=/tmp/corpus

Both read the same text with the same vocabulary, sequence length and number of
predictions, and write records that are masked once. Each runs in a process of
its own that may use the cores it is given; ours once more on two. Each tool
reads two lengths of the text: the *rate* is what the longer one adds in MB over
what it adds in seconds, so that start-up counts for nothing. The peak memory is
that of the largest single process.
"""

import dataclasses
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from absl import flags

from benchmarks import corpus
from token_dropping import errors

MB = 1_000_000


@dataclasses.dataclass(frozen=True)
class Contestant:
  """A tool and the number of cores that it may use."""

  name: str
  cores: int


MODEL_GARDEN = Contestant("Model Garden's create_pretraining_data", 1)
OURS = Contestant("token_dropping.data.prepare", 1)
OURS_TWO = Contestant("token_dropping.data.prepare", 2)


@dataclasses.dataclass(frozen=True)
class Run:
  """One measured process: seconds, and bytes of memory at the peak."""

  seconds: float
  peak: int


def define_flags() -> None:
  """Defines the benchmark's flags."""
  flags.DEFINE_string("folder", "runs/corpus", "Where to keep the corpus.")
  flags.DEFINE_enum("corpus", "linux-doc", list(corpus.READERS), "What text.")
  flags.DEFINE_integer("small_mb", 2, "MB of the shorter text.")
  flags.DEFINE_integer("large_mb", 12, "MB of the longer text.")
  flags.DEFINE_integer("repeats", 3, "Interleaved repeats; medians are shown.")
  flags.DEFINE_integer("seq_length", 128, "Sequence length.")
  flags.DEFINE_integer("max_predictions_per_seq", 20, "Predictions a sequence.")


def main(argv: list[str]) -> None:
  """Fetches the corpus, measures, prints a Markdown table."""
  del argv
  values = flags.FLAGS
  text = corpus.fetch(values.corpus, values.folder)
  with tempfile.TemporaryDirectory(dir=values.folder) as scratch:
    texts = [
      _head(text, size, scratch) for size in (values.small_mb, values.large_mb)
    ]
    vocab_file = _learn_vocabulary(texts[1], scratch)
    runs = _measure(texts, vocab_file, scratch, values)
  print(_table(runs, values))


def _head(path: str, megabytes: int, folder: str) -> str:
  """Copies the first documents of a text, `megabytes` of them at most."""
  head = os.path.join(folder, f"text-{megabytes}.txt")
  with open(path, "rb") as source, open(head, "wb") as target:
    data = source.read(megabytes * MB)
    if len(data) < megabytes * MB:
      raise errors.UserError(
        f"--large_mb must be at most the corpus, {len(data) / MB:.1f} MB. "
        f"Received: {megabytes}"
      )
    target.write(data[: data.rindex(b"\n\n") + 2])
  return head


def _learn_vocabulary(text: str, scratch: str) -> str:
  folder = os.path.join(scratch, "vocabulary")
  command = [*_ours(text, folder, OURS), "--vocab_size=30522"]
  _run(command, OURS.cores, os.path.join(scratch, "log"))
  path = os.path.join(scratch, "vocab.txt")
  shutil.copy(os.path.join(folder, "vocab.txt"), path)
  return path


def _measure(texts, vocab_file: str, scratch: str, values) -> dict:
  """Returns the runs by contestant and text, interleaved in time."""
  contestants = (MODEL_GARDEN, OURS, OURS_TWO)
  runs = {(c, text): [] for c in contestants for text in texts}
  sizes = [
    f"--max_predictions_per_seq={values.max_predictions_per_seq}",
    f"--vocab_file={vocab_file}",
  ]
  for _ in range(values.repeats):
    for contestant, text in runs:
      out = os.path.join(scratch, "out")
      if contestant is MODEL_GARDEN:
        command = _model_garden(text, out)
        command += [f"--max_seq_length={values.seq_length}"]
      else:
        command = _ours(text, out, contestant)
        command += [f"--seq_length={values.seq_length}"]
      log = os.path.join(scratch, "log")
      run = _run([*command, *sizes], contestant.cores, log)
      runs[contestant, text].append(run)
      shutil.rmtree(out)
  return {
    contestant: [runs[contestant, text] for text in texts]
    for contestant in contestants
  }


def _model_garden(text: str, out: str) -> list[str]:
  os.makedirs(out)
  return [
    *(sys.executable, "-m", "official.nlp.data.create_pretraining_data"),
    f"--input_file={text}",
    f"--output_file={out}/records",
    "--use_v2_feature_names",
    "--dupe_factor=1",
  ]


def _ours(text: str, out: str, contestant: Contestant) -> list[str]:
  return [
    *(sys.executable, "-m", "token_dropping.data.prepare"),
    f"--input={text}",
    f"--output_dir={out}",
    f"--num_workers={contestant.cores}",
  ]


def _run(command: list[str], cores: int, log: str) -> Run:
  """Runs a command on the first `cores` cores, its output going to a file."""
  start = time.monotonic()
  with open(log, "wb") as output:
    process = subprocess.Popen(
      command,
      stdout=output,
      stderr=subprocess.STDOUT,
      preexec_fn=lambda: os.sched_setaffinity(0, range(cores)),
      env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    _, status, usage = os.wait4(process.pid, 0)
  seconds = time.monotonic() - start
  if status:
    with open(log, encoding="utf-8", errors="replace") as output:
      last = output.read().strip().rsplit("\n", 1)[-1]
    raise errors.UserError(f"{command[2]} must succeed. Received: {last}")
  return Run(seconds, usage.ru_maxrss * 1024)


def _table(runs: dict, values) -> str:
  """Returns the results as Markdown."""
  lines = [
    f"{values.corpus}, {values.small_mb} and {values.large_mb} MB, S = "
    f"{values.seq_length}, medians of {values.repeats} interleaved runs, "
    f"{os.cpu_count()} cores, {platform.machine()}, "
    f"Python {platform.python_version()}",
    "",
    "| tool | cores | short | long | rate | per core / Model Garden | memory |",
    "| --- | --- | --- | --- | --- | --- | --- |",
  ]
  base = None
  for contestant, both in runs.items():
    short, long = (statistics.median(r.seconds for r in each) for each in both)
    rate = (values.large_mb - values.small_mb) / (long - short)
    base = base or rate
    peak = max(run.peak for run in both[1]) / 2**30
    lines.append(
      f"| {contestant.name} | {contestant.cores} | {short:.1f} s | "
      f"{long:.1f} s | {rate:.2f} MB/s | {rate / contestant.cores / base:.1f} "
      f"| {peak:.2f} GiB |"
    )
  return "\n".join(lines)


if __name__ == "__main__":
  define_flags()
  errors.run_command(main)
