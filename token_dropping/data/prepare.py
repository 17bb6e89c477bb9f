# SPDX-License-Identifier: Apache-2.0
"""Makes a pretraining dataset on Apache Beam: text -> vocabulary -> TFRecords.

    python -m token_dropping.data.prepare --output_dir=/tmp/enwiki \\
        --vocab_size=4096 --seq_length=128 --max_predictions_per_seq=20

takes the embedded corpus, 104 articles of English Wikipedia, and about 25 s.
`--input` names other text. The folder then holds `train-*.tfrecord`,
`validation-*.tfrecord`, `vocab.txt` (`tokenizer.model` with
`--objective=causal_lm`) and `dataset.json`, which says what was made and how.
A second run with the same settings leaves them as they are, one with other
settings replaces them, and one after a kill goes on.

Three passes of independent tasks read and write files: the input becomes pieces
of clean text (`text_pieces`), their words are counted (`word_counts`), and each
piece becomes two shards (`shards`). `objectives` says what differs between data
to predict masked tokens and data to predict the next ones. No text passes
through Beam, so memory is bounded by a piece; the dataset depends on the input
and the settings alone. Options of Beam, such as `--runner=FlinkRunner`, are
passed on to it; those for its filesystems do not change how input and output
are read and written.
"""

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np
from absl import flags

from token_dropping.common import errors
from token_dropping.common import files
from token_dropping.data import settings_flags
from token_dropping.data.pretraining import beam_tasks
from token_dropping.data.pretraining import dataset_folder
from token_dropping.data.pretraining import objectives
from token_dropping.data.pretraining import output_folder
from token_dropping.data.pretraining import prepare_settings
from token_dropping.data.pretraining import text_pieces
from token_dropping.data.pretraining import word_counts
from token_dropping.data.pretraining.corpus import documents
from token_dropping.data.pretraining.corpus import input_plan
from token_dropping.data.pretraining.corpus import tfds_text
from token_dropping.data.pretraining.prepare_settings import PrepareSettings


def prepare(
  settings: PrepareSettings, num_workers: int = 0, beam_args: Sequence[str] = ()
) -> dict:
  """Makes the dataset, unless it is there already.

  `num_workers` are processes on this machine, 0 for one per core and 64 MB of
  text; `beam_args` options for Beam, such as `--runner=FlinkRunner`. Unusable
  or too little input, and a folder that is not ours, are `UserError`s.

  Returns the content of `dataset.json`: `format_version`, `settings`,
  `masking` or `objective`, `vocab_size` (tokens there are), `text` (counters of
  `text_lines`), `train` and `validation` (see `dataset_statistics`, of
  causal_lm `causal.statistics`), and for each of `files` its `bytes`, its
  `crc32` in 8 hexadecimal digits and, of records, `records`.
  """
  of_files = not settings.tfds_name
  sizes = input_plan.resolve_inputs(settings.input) if of_files else {}
  recorded = _recorded_settings(settings, sizes)
  ready = output_folder.find_ready(settings.output_dir, recorded)
  if ready is not None:
    print(f"ready, made earlier: {settings.output_dir}", flush=True)
    return ready
  is_new = output_folder.check_replaceable(settings.output_dir)
  work = output_folder.open_work(settings.output_dir, recorded)
  runner = beam_tasks.TaskRunner(work, num_workers, tuple(beam_args))
  try:
    return _Preparation(settings, runner).make(sizes, recorded)
  except errors.UserError:  # it would fail again
    output_folder.remove_work(settings.output_dir, is_new)
    raise


def _recorded_settings(settings: PrepareSettings, sizes: dict) -> dict:
  """Returns what decides about the dataset's content, ready for JSON."""
  recorded = settings.recorded()
  recorded["input_files"] = [
    [path.rsplit("/", 1)[-1], size] for path, size in sizes.items()
  ]
  if settings.tfds_name:
    examples = tfds_text.number_of_examples(settings.tfds_name)
    recorded["input_files"] = [[settings.tfds_name, examples]]
  if settings.vocab_file:
    size = recorded["vocab_file_size"] = files.size(settings.vocab_file)
    rule = "vocab_file must be a readable file"
    errors.require(size is not None, rule, repr(settings.vocab_file))
  return recorded


@dataclasses.dataclass
class _Preparation:
  """The three passes, in a work folder that is the runner's."""

  settings: PrepareSettings
  runner: beam_tasks.TaskRunner

  @functools.cached_property
  def objective(self) -> objectives.Objective:
    return objectives.of(self.settings)

  def make(self, sizes: dict[str, int], recorded: dict) -> dict:
    """Makes the files, publishes them and returns `dataset.json`."""
    settings, folder = self.settings, self.runner.folder
    pieces, text = self._clean(sizes)
    threshold = self._threshold(pieces)
    if settings.deduplicate:
      pieces = text_pieces.without_copies(pieces)
      text["duplicate_documents"] = sum(len(piece.skip) for piece in pieces)
      text["documents"] -= text["duplicate_documents"]
    vocab_file, vocab = self._vocabulary(pieces, threshold)
    make_shards = functools.partial(
      self.objective.make_shards, folder, settings, vocab_file, threshold
    )
    results = self._run_on_pieces("pack", make_shards, pieces)
    statistics = self.objective.collect(vocab, settings, results, folder)
    entries, sources = _name_files(results, folder)
    dataset = {
      "format_version": dataset_folder.FORMAT_VERSION,
      "settings": recorded,
      **self.objective.card,
      "vocab_size": len(vocab),
      "text": text,
      **statistics,
      "files": {self.objective.file: files.describe(vocab_file), **entries},
    }
    sources[self.objective.file] = vocab_file
    output_folder.publish(settings.output_dir, sources, dataset)
    return dataset

  def _clean(
    self, sizes: dict[str, int]
  ) -> tuple[list[text_pieces.Piece], dict[str, int]]:
    folder, tasks = self.runner.folder, input_plan.plan(sizes, self.settings)
    clean = functools.partial(text_pieces.clean, folder, self.settings)
    size = sum(part.weight for task in tasks for part in task)
    results = self.runner.run("read", clean, tasks, size)
    pieces, counts = text_pieces.collect(folder, results)
    documents.check_counts(counts, self.settings)
    return pieces, dict(counts)

  def _threshold(self, pieces: list[text_pieces.Piece]) -> float:
    # A random next sentence must come from another document of the same part.
    at_least = 2 if self.settings.packing == "pairs" else 1
    none = np.zeros([0], np.uint64)
    hashes = np.concatenate([none, *(piece.hashes() for piece in pieces)])
    return text_pieces.validation_threshold(
      text_pieces.uniform(hashes), self.settings.validation_share, at_least
    )

  def _run_on_pieces(self, label: str, function, pieces):
    size = sum(piece.bytes for piece in pieces)
    return self.runner.run(label, function, pieces, size)

  def _vocabulary(
    self, pieces: list[text_pieces.Piece], threshold: float
  ) -> tuple[str, objectives.Vocabulary]:
    """Reads or learns a vocabulary; its path is that in the work folder."""
    given, load = self.settings.vocab_file, self.objective.load
    path = files.join(self.runner.folder, self.objective.file)
    if given and not files.exists(path):
      load(given)  # a wrong one by its own name
      files.copy(given, path)
    if not files.exists(path):
      self._learn(pieces, threshold, path)
    return path, load(path)

  def _learn(self, pieces, threshold: float, path: str) -> None:
    folder, size = self.runner.folder, self.settings.vocab_size
    count = functools.partial(
      word_counts.count, folder, self.objective.count_words, threshold
    )
    self._run_on_pieces("count", count, pieces)
    words = word_counts.total(folder, len(pieces))
    files.write(path, self.objective.learn(words, size))
    learned = len(self.objective.load(path))
    few = f" of {size:,} asked: the text gives no more"
    note = few if learned < size else ""
    print(f"vocabulary: learned {learned:,} tokens{note}", flush=True)


def _name_files(
  results: list[dict], folder: str
) -> tuple[dict[str, dict], dict[str, str]]:
  """Returns the shards' entries and present paths, by their final names."""
  entries, sources = {}, {}
  for split in dataset_folder.SPLITS:
    made = [r[split]["file"] for r in results if r[split]["file"]]
    for index, file in enumerate(made):
      name = f"{split}-{index:05d}-of-{len(made):05d}.tfrecord"
      entries[name] = {key: file[key] for key in ("records", "bytes", "crc32")}
      sources[name] = files.join(folder, file["name"])
  return entries, sources


_SHOWN = {  # of a split, beside its documents and sequences
  "unknown_share": "{:.3%} [UNK]",
  "bytes_per_token": "{:.2f} bytes a token",
  "padding_share": "{:.1%} padding",
  "truncated_tokens": "{:,} tokens truncated",
}


def summary(dataset: dict, output_dir: str) -> str:
  """Returns a few lines for people on what `prepare` returned."""
  lines = [f"dataset: {output_dir} ({dataset['vocab_size']:,} tokens)"]
  for name in dataset_folder.SPLITS:
    part = dataset[name]
    shown = [f.format(part[key]) for key, f in _SHOWN.items() if key in part]
    lines.append(
      f"{name}: {part['documents']:,} documents, {part['sequences']:,} "
      f"sequences ({part['records']:,} records), {part['tokens']:,} tokens, "
      f"{', '.join(shown)}"
    )
  text = [f"{n:,} {name}" for name, n in dataset["text"].items() if n]
  lines.append(f"text: {', '.join(text).replace('_', ' ')}")
  guessed, entropy = dataset["validation"], dataset["train"]["unigram_entropy"]
  lines.append(
    f"a guess without context: {guessed['unigram_loss']:.3f} "
    f"nats on validation (training entropy {entropy:.3f})"
  )
  if "bigram_loss" in guessed:
    lines.append(
      f"a guess from the token before: {guessed['bigram_loss']:.3f} nats, "
      f"{guessed['bigram_bits_per_byte']:.3f} bits a byte (without context "
      f"{guessed['unigram_bits_per_byte']:.3f})"
    )
  return "\n".join(lines)


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
  """Defines a flag for each field of `PrepareSettings`, and `num_workers`."""
  settings_flags.define(PrepareSettings, prepare_settings.CHOICES, values)
  flags.DEFINE_integer(
    "num_workers",
    0,
    "Processes on this machine; 0: one per core and 64 MB of text. Other "
    "runners have options of their own.",
    lower_bound=0,
    flag_values=values,
  )


def parse_known_flags(argv: list[str]) -> list[str]:
  """Sets our flags; returns the name of the program and all other arguments."""
  flags.FLAGS.set_gnu_getopt()  # else our flags must come first
  return flags.FLAGS(argv, known_only=True)


def main(argv: list[str]) -> None:
  """Runs the command; `argv` has the program and options of Beam."""
  beam_tasks.check_beam_args(argv[1:])
  settings = settings_flags.read(PrepareSettings, flags.FLAGS)
  dataset = prepare(settings, flags.FLAGS["num_workers"].value, argv[1:])
  print(summary(dataset, settings.output_dir))


if __name__ == "__main__":
  define_flags()
  errors.run_command(main, parse_known_flags)
