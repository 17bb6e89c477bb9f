# SPDX-License-Identifier: Apache-2.0
"""Text to records: Model Garden's `create_pretraining_data` against ours.

    python -m benchmarks.prepare_speed --folder=/tmp/corpus

Both read the same text with the same vocabulary, sequence length and number of
predictions, and write records that are masked once. Each runs in a process of
its own that may use the cores it is given; ours once more on two, with two
workers. Each reads two lengths of the text: the *rate* is what the longer one
adds in MB over what it adds in seconds, so that start-up counts for nothing.
Model Garden's lengths are smaller; a corpus shorter than a length is repeated.
The peak memory is that of the largest single process.
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
from token_dropping.common import errors

MB = 1_000_000


@dataclasses.dataclass(frozen=True)
class Contestant:
  """A tool, the cores that it may use, and the flag with its lengths."""

  name: str
  cores: int
  lengths: str


MODEL_GARDEN = Contestant(
  "Model Garden's create_pretraining_data", 1, "model_garden_mb"
)
OURS = Contestant("token_dropping.data.prepare", 1, "mb")
OURS_TWO = Contestant("token_dropping.data.prepare", 2, "mb")


@dataclasses.dataclass(frozen=True)
class Run:
  """One measured process: seconds, and bytes of memory at the peak."""

  seconds: float
  peak: int


def define_flags() -> None:
  """Defines the benchmark's flags."""
  flags.DEFINE_string("folder", "runs/corpus", "Where to keep the corpus.")
  flags.DEFINE_enum("corpus", "linux-doc", list(corpus.READERS), "What text.")
  flags.DEFINE_list("model_garden_mb", "2,8", "Its two lengths of text, MB.")
  flags.DEFINE_list("mb", "64,192", "Our two lengths of text, MB.")
  flags.DEFINE_integer("repeats", 3, "Interleaved repeats; medians are shown.")
  flags.DEFINE_integer("seq_length", 128, "Sequence length.")
  flags.DEFINE_integer("max_predictions_per_seq", 20, "Predictions a sequence.")


def main(argv: list[str]) -> None:
  """Fetches the corpus, measures, prints a Markdown table."""
  del argv
  values = flags.FLAGS
  text = corpus.fetch(values.corpus, values.folder)
  with tempfile.TemporaryDirectory(dir=values.folder) as scratch:
    vocab_file = _learn_vocabulary(text, scratch)
    texts = {
      name: [_cut(text, int(size), scratch) for size in values[name].value]
      for name in ("model_garden_mb", "mb")
    }
    runs = _measure(texts, vocab_file, scratch, values)
  print(_table(runs, values))


def _cut(path: str, megabytes: int, folder: str) -> str:
  """Writes the first documents of a text, repeated if it is shorter."""
  cut = os.path.join(folder, f"text-{megabytes}.txt")
  size = megabytes * MB
  with open(path, "rb") as source, open(cut, "wb") as target:
    while size >= os.path.getsize(path):
      shutil.copyfileobj(source, target)
      source.seek(0)
      size -= os.path.getsize(path)
    rest = source.read(size)
    target.write(rest[: rest.rindex(b"\n\n") + 2])
  return cut


def _learn_vocabulary(text: str, scratch: str) -> str:
  folder = os.path.join(scratch, "vocabulary")
  _run(_ours(text, folder, OURS), OURS.cores, os.path.join(scratch, "log"))
  path = os.path.join(scratch, "vocab.txt")
  shutil.copy(os.path.join(folder, "vocab.txt"), path)
  return path


def _measure(texts: dict, vocab_file: str, scratch: str, values) -> dict:
  """Returns two lists of runs for each contestant, interleaved in time."""
  contestants = (MODEL_GARDEN, OURS, OURS_TWO)
  runs = {contestant: ([], []) for contestant in contestants}
  sizes = [
    f"--max_predictions_per_seq={values.max_predictions_per_seq}",
    f"--vocab_file={vocab_file}",
  ]
  out, log = os.path.join(scratch, "out"), os.path.join(scratch, "log")
  for _ in range(values.repeats):
    for contestant in contestants:
      for text, done in zip(
        texts[contestant.lengths], runs[contestant], strict=True
      ):
        command = _command(contestant, text, out, values.seq_length)
        done.append(_run([*command, *sizes], contestant.cores, log))
        shutil.rmtree(out)
        print(f"{contestant}: {done[-1]}", file=sys.stderr, flush=True)
  return runs


def _command(
  contestant: Contestant, text: str, out: str, seq_length: int
) -> list[str]:
  if contestant is MODEL_GARDEN:
    return [*_model_garden(text, out), f"--max_seq_length={seq_length}"]
  return [*_ours(text, out, contestant), f"--seq_length={seq_length}"]


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
    f"{values.corpus}, S = {values.seq_length}, medians of {values.repeats} "
    f"interleaved runs, {os.cpu_count()} cores, {platform.machine()}, "
    f"Python {platform.python_version()}",
    "",
    "| tool | cores | MB | seconds | rate | per core / Model Garden | memory |",
    "| --- | --- | --- | --- | --- | --- | --- |",
  ]
  base = None
  for contestant, both in runs.items():
    short, long = (statistics.median(r.seconds for r in each) for each in both)
    small, large = map(int, values[contestant.lengths].value)
    rate = (large - small) / (long - short)
    base = base or rate
    peak = max(run.peak for run in both[1]) / 2**30
    lines.append(
      f"| {contestant.name} | {contestant.cores} | {small}, {large} | "
      f"{short:.1f}, {long:.1f} | {rate:.2f} MB/s | "
      f"{rate / contestant.cores / base:.1f} | {peak:.2f} GiB |"
    )
  return "\n".join(lines)


if __name__ == "__main__":
  define_flags()
  errors.run_command(main)
