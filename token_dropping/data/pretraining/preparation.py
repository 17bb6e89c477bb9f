# SPDX-License-Identifier: Apache-2.0
"""What preparing any dataset has in common: passes, folder and flags."""

import collections
import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from absl import flags

from token_dropping.common import errors
from token_dropping.common import files
from token_dropping.data import settings_flags
from token_dropping.data.pretraining import beam_tasks
from token_dropping.data.pretraining import dataset_folder
from token_dropping.data.pretraining import objectives
from token_dropping.data.pretraining import output_folder
from token_dropping.data.pretraining import shards
from token_dropping.data.pretraining import text_pieces
from token_dropping.data.pretraining import word_counts
from token_dropping.data.pretraining.corpus import tfds_text

flags.disclaim_key_flags()  # they are shown as those of the command


def run(
  settings,
  objective: objectives.Objective,
  recorded: dict,
  make: Callable[["Passes"], dict],
  num_workers: int,
  beam_args: Sequence[str],
) -> dict:
  """Makes a dataset of recorded settings, unless it is there already.

  `make` publishes it, by passes in a work folder, which is kept if it fails
  otherwise than by a `UserError`. Returns the content of `dataset.json`.
  """
  _record_vocab_file(recorded, settings.vocab_file, objective.load)
  output_dir = settings.output_dir
  ready = output_folder.find_ready(output_dir, recorded)
  if ready is not None:
    print(f"ready, made earlier: {output_dir}", flush=True)
    return ready
  is_new = output_folder.check_replaceable(output_dir)
  work = output_folder.open_work(output_dir, recorded)
  runner = beam_tasks.TaskRunner(work, num_workers, tuple(beam_args))
  try:
    return make(Passes(settings, objective, recorded, runner))
  except errors.UserError:  # it would fail again
    output_folder.remove_work(output_dir, is_new)
    raise


@dataclasses.dataclass(frozen=True)
class Passes:
  """The passes over input and pieces, in a work folder that is the runner's.

  `settings` are those of the command, `recorded` what is recorded of them;
  `objective` says what is made.
  """

  settings: object
  objective: objectives.Objective
  recorded: dict
  runner: beam_tasks.TaskRunner

  def read(
    self, clean: Callable[..., dict], tasks: list[tuple]
  ) -> tuple[list[text_pieces.Piece], collections.Counter]:
    """Makes pieces of the input: each task is parts of it; counts the text."""
    folder = self.runner.folder
    clean = functools.partial(clean, folder, self.settings)
    size = sum(part.weight for task in tasks for part in task)
    results = self.runner.run("read", clean, tasks, size)
    return text_pieces.collect(folder, results)

  def threshold(
    self, pieces: Sequence[text_pieces.Piece], at_least: int, what: str
  ) -> float:
    """Divides the documents; see `text_pieces.validation_threshold`."""
    none = np.zeros([0], np.uint64)
    hashes = np.concatenate([none, *(piece.hashes() for piece in pieces)])
    return text_pieces.validation_threshold(
      text_pieces.uniform(hashes),
      self.settings.validation_share,
      at_least,
      what,
    )

  def run_on_pieces(self, label: str, function: Callable, pieces) -> list[dict]:
    """Runs a function of number and piece on each; see `TaskRunner.run`."""
    size = sum(piece.bytes for piece in pieces)
    return self.runner.run(label, function, pieces, size)

  def finish(self, pieces, threshold: float, text: dict[str, int]) -> dict:
    """Makes vocabulary and shards, publishes them, returns `dataset.json`."""
    settings, folder, objective = (
      self.settings,
      self.runner.folder,
      self.objective,
    )
    vocab_file, vocab = self._vocabulary(pieces, threshold)
    make_shards = functools.partial(
      *(shards.make_shards, objective.tools, folder, settings),
      *(vocab_file, threshold),
    )
    results = self.run_on_pieces("pack", make_shards, pieces)
    statistics = objective.collect(vocab, settings, results, folder)
    entries, sources = _name_files(results, folder)
    beside = {objective.file: vocab_file, **objective.beside(results, folder)}
    described = {name: files.describe(path) for name, path in beside.items()}
    dataset = {
      "format_version": dataset_folder.FORMAT_VERSION,
      "settings": self.recorded,
      **objective.card,
      "vocab_size": len(vocab),
      "text": dict(text),
      **statistics,
      "files": described | entries,
    }
    output_folder.publish(settings.output_dir, sources | beside, dataset)
    return dataset

  def _vocabulary(
    self, pieces, threshold: float
  ) -> tuple[str, objectives.Vocabulary]:
    """Reads or learns a vocabulary; its path is that in the work folder.

    Unless an earlier run put it there, it is `settings.vocab_file`, or learnt.
    """
    path = files.join(self.runner.folder, self.objective.file)
    given, load = self.settings.vocab_file, self.objective.load
    if given and not files.exists(path):
      files.copy(given, path)
    if not files.exists(path):
      files.write(path, self._learn(pieces, threshold))
      learned, size = len(load(path)), self.settings.vocab_size
      few = f" of {size:,} asked: the text gives no more"
      note = few if learned < size else ""
      print(f"vocabulary: learned {learned:,} tokens{note}", flush=True)
    return path, load(path)

  def _learn(self, pieces, threshold: float) -> str | bytes:
    folder, size = self.runner.folder, self.settings.vocab_size
    count = functools.partial(
      word_counts.count, folder, self.objective.count_words, threshold
    )
    self.run_on_pieces("count", count, pieces)
    return self.objective.learn(word_counts.total(folder, len(pieces)), size)


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


def _record_vocab_file(
  recorded: dict, vocab_file: str, load: Callable[[str], object]
) -> None:
  """Adds the size of a given vocabulary to recorded settings.

  `load` refuses what is of no use, before any text is read.
  """
  if vocab_file:
    size = recorded["vocab_file_size"] = files.size(vocab_file)
    rule = "vocab_file must be a readable file"
    errors.require(size is not None, rule, repr(vocab_file))
    load(vocab_file)


def named_inputs(sizes: Mapping[str, int], tfds_name: str = "") -> list[list]:
  """Returns name and size of each input file, wherever it is, or of a set."""
  if tfds_name:
    return [[tfds_name, tfds_text.number_of_examples(tfds_name)]]
  return [[path.rsplit("/", 1)[-1], size] for path, size in sizes.items()]


def summarize(
  dataset: dict,
  output_dir: str,
  tokens: str,
  describe: Callable[[dict], str],
  target: str = "",
) -> list[str]:
  """Returns lines for people on what `run` returned.

  `tokens` is what the vocabulary has, `describe` says what a split has, and
  `target` what a guess is of.
  """
  text = [f"{n:,} {name}" for name, n in dataset["text"].items() if n]
  return [
    f"dataset: {output_dir} ({dataset['vocab_size']:,} {tokens})",
    *(f"{s}: {describe(dataset[s])}" for s in dataset_folder.SPLITS),
    f"text: {', '.join(text).replace('_', ' ')}",
    "a guess without context: "
    f"{dataset['validation']['unigram_loss']:.3f} nats{target} on validation "
    f"(training entropy {dataset['train']['unigram_entropy']:.3f})",
  ]


def define_flags(
  settings: type,
  choices: Mapping[str, Sequence[str]],
  values: flags.FlagValues = flags.FLAGS,
) -> None:
  """Defines a flag for each field of the settings, and `num_workers`."""
  settings_flags.define(settings, choices, values)
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


def main(
  settings_class: type,
  prepare: Callable[..., dict],
  summary: Callable[[dict, str], str],
  argv: list[str],
) -> None:
  """Runs a command; `argv` has the program and options of Beam."""
  beam_tasks.check_beam_args(argv[1:])
  settings = settings_flags.read(settings_class, flags.FLAGS)
  dataset = prepare(settings, flags.FLAGS["num_workers"].value, argv[1:])
  print(summary(dataset, settings.output_dir))
