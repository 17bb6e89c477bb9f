# SPDX-License-Identifier: Apache-2.0
"""Makes a pretraining dataset: text -> vocabulary -> masked TFRecords.

    python -m token_dropping.data.prepare --output_dir=/tmp/enwiki \\
        --vocab_size=4096 --seq_length=128 --max_predictions_per_seq=20

takes the embedded corpus, 104 articles of English Wikipedia, and 26 s on two
CPU cores. `--input` names other text files or Wikipedia dumps. The folder then
holds `train-*.tfrecord`, `validation-*.tfrecord`, `vocab.txt` and
`dataset.json`, which says what was made and how. A second run with the same
settings leaves them as they are, one with other settings replaces them.

The text is streamed, for the vocabulary and then for the ids; fewer than 10,000
documents are read once more at first, to divide them. In memory are the counts
of different words and, as int32, the ids of the whole corpus.
"""

import collections
import dataclasses
import sys
from collections.abc import Iterable, Iterator

import numpy as np
import tensorflow as tf
import tqdm
from absl import flags

from token_dropping import errors
from token_dropping import vocabulary
from token_dropping.data import corpus_statistics
from token_dropping.data import documents
from token_dropping.data import masking
from token_dropping.data import output_folder
from token_dropping.data import packing
from token_dropping.data import pairs
from token_dropping.data import records
from token_dropping.data import split
from token_dropping.data import wordpiece
from token_dropping.data.prepare_settings import PACKINGS
from token_dropping.data.prepare_settings import PrepareSettings

VOCABULARY = "vocab.txt"
_BLOCK = 1024  # sequences masked at a time


def prepare(settings: PrepareSettings) -> dict:
  """Makes the dataset, unless it is there already.

  Args:
    settings: what to make and where.

  Returns:
    The content of `dataset.json`: `format_version`; `settings`; `vocab_size`
    (tokens there are); `train` and `validation`, each with `documents`,
    `sequences` (packed), `records` (sequences times duplicates), `tokens` (in
    the sequences, special tokens other than `[UNK]` left out), `unknown_share`
    (of `[UNK]` among them), `dropped_tokens` and `masked_tokens` (in the
    records); for training also `unigram_entropy`, for validation
    `unigram_loss`, both in nats and explained in `corpus_statistics`; `files`,
    the size of each in bytes.

  Raises:
    UserError: the input is unusable or too small, or the folder is not ours.
  """
  paths = documents.resolve_inputs(settings.input)
  recorded = _recorded_settings(settings, paths)
  ready = output_folder.find_ready(settings.output_dir, recorded)
  if ready is not None:
    _say(f"ready, made earlier: {settings.output_dir}")
    return ready
  output_folder.check_replaceable(settings.output_dir)
  vocab = _vocabulary(settings, paths)
  parts = _parts(settings, vocab, _encoded(settings, paths, vocab))
  names = [VOCABULARY, *(name for part in parts for name in part.files)]
  with output_folder.replacing(settings.output_dir, names) as temporary:
    vocabulary_path, *record_paths = temporary
    _write_vocabulary(vocabulary_path, vocab)
    for part in parts:
      own, record_paths = _divide(record_paths, len(part.files))
      part.write(settings, vocab, own)
  dataset = {
    "settings": recorded,
    "vocab_size": len(vocab),
    **_statistics(vocab, *parts),
  }
  return output_folder.finish(settings.output_dir, names, dataset)


@dataclasses.dataclass
class _Part:
  """The training or the validation data, on its way to the files.

  Attributes:
    name: "train" or "validation".
    documents: number of documents.
    packed: the sequences.
    order: [records] indices of sequences, in the order of the file.
    rng: draws the masks.
    files: names of the files, without folder.
    targets: [V] how often each id is to be predicted; filled by `write`.
  """

  name: str
  documents: int
  packed: packing.Packed
  order: np.ndarray
  rng: np.random.Generator
  files: list[str]
  targets: np.ndarray

  def write(
    self,
    settings: PrepareSettings,
    vocab: vocabulary.Vocabulary,
    paths: list[str],
  ) -> None:
    """Masks the sequences and writes them to files."""
    masker = masking.Masker(
      vocab, settings.masking_rate, settings.max_predictions_per_seq
    )
    number = records.write_shards(paths, self._blocks(masker))
    _say(f"{self.name}: wrote {number:,} records")

  def _blocks(self, masker: masking.Masker) -> Iterator[dict[str, np.ndarray]]:
    starts = range(0, len(self.order), _BLOCK)
    for start in _progress(starts, f"writing {self.name}", "blocks"):
      rows = self.order[start : start + _BLOCK]
      masked = masker.mask(self.packed.word_ids[rows], self.rng)
      np.add.at(self.targets, masked.ids[masked.weights > 0], 1)
      yield {
        "input_word_ids": masked.word_ids.astype(np.int64),
        **self.packed.features(rows),
        "masked_lm_positions": masked.positions,
        "masked_lm_ids": masked.ids,
        "masked_lm_weights": masked.weights,
      }


def _recorded_settings(settings: PrepareSettings, paths: list[str]) -> dict:
  """Returns what decides about the dataset's content, ready for JSON."""
  recorded = dataclasses.asdict(settings)
  del recorded["output_dir"]
  recorded["input_files"] = [_name_and_size(path) for path in paths]
  if settings.vocab_file:
    recorded["vocab_file_size"] = _name_and_size(settings.vocab_file)[1]
  return recorded


def _name_and_size(path: str) -> list:
  try:
    return [path.rsplit("/", 1)[-1], tf.io.gfile.stat(path).length]
  except tf.errors.OpError as error:
    raise errors.UserError(
      f"input and vocab_file must be readable files. Received: {path!r}"
    ) from error


def _vocabulary(
  settings: PrepareSettings, paths: list[str]
) -> vocabulary.Vocabulary:
  """Reads the given vocabulary, or learns one from the training documents."""
  if settings.vocab_file:
    return vocabulary.Vocabulary.from_file(settings.vocab_file)
  share = settings.validation_share
  counts, threshold = _count_words(settings, paths, share)
  if threshold != share:  # known only now, and text must not be learned from
    counts, _ = _count_words(settings, paths, threshold)
  vocab = wordpiece.learn_vocabulary(counts, settings.vocab_size)
  fewer = len(vocab) < settings.vocab_size
  note = f" of {settings.vocab_size:,} asked: the text gives no more"
  _say(f"vocabulary: learned {len(vocab):,} tokens{note if fewer else ''}")
  return vocab


def _count_words(
  settings: PrepareSettings, paths: list[str], threshold: float
) -> tuple[collections.Counter[str], float]:
  """Counts the words of training documents; returns the right threshold too."""
  counter = wordpiece.WordCounter(settings.do_lower_case)
  values = []
  for document in _read(settings, paths, "counting words"):
    values.append(split.document_value(document, settings.seed))
    if values[-1] >= threshold:
      counter.add(document)
  return counter.words(), _threshold(settings, values)


def _encoded(
  settings: PrepareSettings, paths: list[str], vocab: vocabulary.Vocabulary
) -> dict[str, list[wordpiece.EncodedDocument]]:
  """Returns the documents as ids, by the name of their part, without empty."""
  values: list[float] = []

  def valued_documents() -> Iterator[list[str]]:
    for document in _read(settings, paths, "encoding"):
      values.append(split.document_value(document, settings.seed))
      yield document

  encoder = wordpiece.Encoder(vocab, settings.do_lower_case)
  encoded = list(encoder.encode(valued_documents()))
  threshold = _threshold(settings, values)
  parts: dict[str, list[wordpiece.EncodedDocument]] = {
    "train": [],
    "validation": [],
  }
  for value, document in zip(values, encoded, strict=True):
    if len(document.ids):
      parts["validation" if value < threshold else "train"].append(document)
  return parts


def _read(
  settings: PrepareSettings, paths: list[str], doing: str
) -> Iterable[list[str]]:
  stream = documents.read_documents(paths, settings.document_per_file)
  return _progress(stream, doing, "documents")


def _threshold(settings: PrepareSettings, values: list[float]) -> float:
  # A random next sentence must come from another document of the same part.
  at_least = 2 if settings.packing == "pairs" else 1
  return split.validation_threshold(values, settings.validation_share, at_least)


def _parts(
  settings: PrepareSettings,
  vocab: vocabulary.Vocabulary,
  encoded: dict[str, list[wordpiece.EncodedDocument]],
) -> list[_Part]:
  """Packs both parts and decides on order and files."""
  parts = []
  for stream, (name, docs) in enumerate(encoded.items()):
    # Each part has its own stream of random numbers.
    rng = np.random.default_rng([settings.seed, stream])
    packed = _pack(settings, vocab, docs, name, rng)
    if name == "train":
      order = np.repeat(np.arange(len(packed)), settings.duplicates)
      rng.shuffle(order)
      shards = min(settings.num_shards, len(order))
    else:
      order, shards = np.arange(len(packed)), 1
    files = [f"{name}-{i:05d}-of-{shards:05d}.tfrecord" for i in range(shards)]
    targets = np.zeros([len(vocab)], np.int64)
    parts.append(_Part(name, len(docs), packed, order, rng, files, targets))
  return parts


def _pack(
  settings: PrepareSettings,
  vocab: vocabulary.Vocabulary,
  docs: list[wordpiece.EncodedDocument],
  name: str,
  rng: np.random.Generator,
) -> packing.Packed:
  special = vocab.special_ids
  length = settings.seq_length
  packed = None
  if settings.packing == "pairs" and len(docs) > 1:
    packed = pairs.pack_pairs(docs, length, special, rng)
  elif settings.packing == "full" and docs:
    packed = packing.pack_full(
      docs, length, special[vocabulary.CLS], special[vocabulary.SEP]
    )
  if not packed:
    tokens = sum(len(document.ids) for document in docs)
    raise errors.UserError(
      f"input must fill at least one {name} sequence of seq_length {length}. "
      f"Received: {tokens} tokens in {len(docs)} {name} documents"
    )
  return packed


def _write_vocabulary(path: str, vocab: vocabulary.Vocabulary) -> None:
  with tf.io.gfile.GFile(path, "w") as file:
    file.write("".join(f"{token}\n" for token in vocab.tokens))


def _statistics(
  vocab: vocabulary.Vocabulary, train: _Part, validation: _Part
) -> dict[str, dict]:
  counts = {
    part.name: corpus_statistics.TokenCounts(vocab, part.packed.word_ids)
    for part in (train, validation)
  }
  statistics = {
    part.name: {
      "documents": part.documents,
      "sequences": len(part.packed),
      "records": len(part.order),
      "tokens": counts[part.name].tokens,
      "unknown_share": counts[part.name].unknown_share,
      "dropped_tokens": part.packed.dropped_tokens,
      "masked_tokens": int(part.targets.sum()),
    }
    for part in (train, validation)
  }
  statistics["train"]["unigram_entropy"] = counts["train"].entropy()
  statistics["validation"]["unigram_loss"] = corpus_statistics.unigram_loss(
    counts["train"].counts, validation.targets
  )
  return statistics


def _divide(items: list[str], number: int) -> tuple[list[str], list[str]]:
  return items[:number], items[number:]


def _say(text: str) -> None:
  print(text, flush=True)


def _progress(iterable: Iterable, doing: str, unit: str) -> Iterable:
  """Shows a bar on a terminal, and one line elsewhere."""
  terminal = sys.stderr.isatty()
  if not terminal:
    _say(doing)
  return tqdm.tqdm(iterable, desc=doing, unit=f" {unit}", disable=not terminal)


def summary(dataset: dict, output_dir: str) -> str:
  """Returns a few lines for people.

  Args:
    dataset: what `prepare` returned.
    output_dir: the folder.
  """
  lines = [f"dataset: {output_dir} ({dataset['vocab_size']:,} tokens)"]
  for name in ("train", "validation"):
    part = dataset[name]
    lines.append(
      f"{name}: {part['documents']:,} documents, {part['sequences']:,} "
      f"sequences ({part['records']:,} records), {part['tokens']:,} tokens, "
      f"{part['unknown_share']:.3%} [UNK]"
    )
  lines.append(
    f"a guess without context: {dataset['validation']['unigram_loss']:.3f} "
    "nats on validation (training entropy "
    f"{dataset['train']['unigram_entropy']:.3f})"
  )
  return "\n".join(lines)


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
  """Defines a flag for each field of `PrepareSettings`.

  Args:
    values: where; default the program's own flags.
  """
  define = {
    bool: flags.DEFINE_boolean,
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    str: flags.DEFINE_string,
  }
  for field in dataclasses.fields(PrepareSettings):
    text = field.metadata["help"]
    if field.name == "packing":
      flags.DEFINE_enum(
        field.name, field.default, PACKINGS, text, flag_values=values
      )
    else:
      define[field.type](field.name, field.default, text, flag_values=values)


def settings_from_flags(
  values: flags.FlagValues = flags.FLAGS,
) -> PrepareSettings:
  """Returns the settings that the flags give; raises `UserError`."""
  names = [field.name for field in dataclasses.fields(PrepareSettings)]
  return PrepareSettings(**{name: values[name].value for name in names})


def main(argv: list[str]) -> None:
  """Runs the command."""
  if len(argv) > 1:
    raise errors.UserError(
      f"arguments must be flags (--name=value). Received: {argv[1]!r}"
    )
  settings = settings_from_flags()
  print(summary(prepare(settings), settings.output_dir))


if __name__ == "__main__":
  define_flags()
  errors.run_command(main)
