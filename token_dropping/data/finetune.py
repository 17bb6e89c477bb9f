# SPDX-License-Identifier: Apache-2.0
"""Prepares fine-tuning data in one step: GLUE, SQuAD or tables -> TFRecords.

    python -m token_dropping.data.finetune --pretrained=runs/base --task=cola \\
        --input_dir=glue_data/CoLA --output_dir=data/cola

The folder then holds a TFRecord file for each split, `vocab.txt` and
`tokenizer_config.json` of the pretraining run, what scoring needs beside the
records, and `finetune.json`, which says what was made and how. A second run
with the same settings leaves it as it is.
"""

import dataclasses
from collections.abc import Iterator

import numpy as np
import tensorflow as tf
from absl import flags

from token_dropping.common import errors
from token_dropping.common import files
from token_dropping.common import vocabulary
from token_dropping.data import records
from token_dropping.data import settings_flags
from token_dropping.data.finetuning import finetune_folder
from token_dropping.data.finetuning import finetune_settings
from token_dropping.data.finetuning import glue_tasks
from token_dropping.data.finetuning import sentence_sources
from token_dropping.data.finetuning import squad
from token_dropping.data.finetuning import squad_records
from token_dropping.data.finetuning import text_tables
from token_dropping.data.finetuning import tfds_examples
from token_dropping.data.finetuning.finetune_settings import FinetuneSettings
from token_dropping.data.text import tokenizer as tokenizer_lib
from token_dropping.data.text import tokenizer_config

_BLOCK = 1024  # examples tokenized in one call
_SHOWN = 5  # labels in a summary
_NOT_RECORDED = (
  *("output_dir", "input_dir", "pretrained", "vocab_file"),
  *("do_lower_case", "strip_accents", *finetune_settings.FILES),
)


def prepare(settings: FinetuneSettings) -> dict:
  """Makes the data, unless there; returns `finetune.json` (docs/finetuning.md).

  Unusable input, and a folder that holds files of others, are `UserError`s.
  """
  vocab_file, tokenizer = _read_tokenizer(settings)
  source, described = _open_source(settings)
  recorded = {
    name: value
    for name, value in dataclasses.asdict(settings).items()
    if name not in _NOT_RECORDED
  }
  recorded["input"] = described
  recorded["tokenizer"] = {
    **dataclasses.asdict(tokenizer.config),
    "vocab_size": len(tokenizer.vocab),
    "vocab_crc32": files.describe(vocab_file)["crc32"],
  }
  ready = finetune_folder.find_ready(settings.output_dir, recorded)
  if ready is not None:
    print(f"ready, made earlier: {settings.output_dir}")
    return ready
  check = finetune_folder.check_replaceable
  check(settings.output_dir)
  write_splits = _write_squad if settings.is_squad else _write_sentences
  with files.new_folder(settings.output_dir, check) as folder:
    # The folder can be read without the pretraining run.
    files.copy(vocab_file, files.join(folder, vocabulary.FILE))
    tokenizer.config.write(folder)
    card = {
      "task": settings.task,
      "seq_length": settings.seq_length,
      **write_splits(settings, source, tokenizer, folder),
      "tokenizer": recorded["tokenizer"],
      "settings": recorded,
    }
    return finetune_folder.write_card(folder, card)


def _read_tokenizer(settings) -> tuple[str, tokenizer_lib.Tokenizer]:
  """Returns the vocabulary's path and the tokenizer, that of serving too."""
  folder, vocab_file = settings.pretrained, settings.vocab_file
  if folder:
    vocab_file = files.join(folder, vocabulary.FILE)
  for name in tokenizer_lib.Tokenizer.FILES if folder else ():
    errors.require(
      files.exists(files.join(folder, name)),
      "pretrained must be the folder of a pretraining run with "
      f"{vocabulary.FILE} and {tokenizer_config.FILE}; give vocab_file for "
      "another",
      f"{folder!r} without {name}",
    )
  if folder:
    return vocab_file, tokenizer_lib.Tokenizer.from_folder(folder)
  vocab = vocabulary.Vocabulary.from_file(vocab_file)
  folds = settings.do_lower_case is not False
  config = tokenizer_config.TokenizerConfig(folds, settings.strip_accents)
  return vocab_file, tokenizer_lib.Tokenizer(vocab, config)


def _open_source(settings):
  """Returns a builder, or paths by split (GLUE) or flag; and what is there."""
  if settings.tfds_name:
    builder = tfds_examples.load_builder(settings.tfds_name)
    return builder, [{"name": builder.info.full_name}]
  if settings.is_glue:
    task = glue_tasks.TASKS[settings.task]
    paths = sentence_sources.find_glue_files(task, settings.input_dir)
  else:
    given = {name: getattr(settings, name) for name in finetune_settings.FILES}
    paths = {name: path for name, path in given.items() if path}
  return paths, [
    text_tables.describe(path, "input_dir" if settings.is_glue else name)
    for name, path in paths.items()
  ]


def _write_sentences(settings, source, tokenizer, folder: str) -> dict:
  if settings.is_glue:
    task = glue_tasks.TASKS[settings.task]
    splits = sentence_sources.read_glue(task, source)
  else:
    task, splits = sentence_sources.read_tables(settings)
  counts = {}
  for name, split in splits.items():
    train = name == "train"
    counts[name] = write_sentences(
      files.join(folder, f"{name}.tfrecord"),
      split,
      tokenizer,
      settings.seq_length,
      regression=not task.labels,
      rng=np.random.default_rng(settings.seed) if train else None,
    )
  return {
    "kind": "classification" if task.labels else "regression",
    "labels": list(task.labels),
    "label_range": list(task.label_range) if task.label_range else None,
    "num_classes": len(task.labels) or 1,
    "metrics": list(task.metrics),
    "submissions": {s: n for s, n in task.submissions.items() if s in splits},
    "submission_labels": list(task.values),
    "splits": counts,
  }


def write_sentences(
  path: str,
  split: sentence_sources.Split,
  tokenizer: tokenizer_lib.Tokenizer,
  seq_length: int,
  regression: bool,
  rng: np.random.Generator | None,
) -> dict:
  """Writes a split for `SentencePredictionDataLoader`; returns counts.

  Without `rng` the records are in the order of the examples.
  """
  order = np.arange(len(split.examples))
  if rng is not None:
    rng.shuffle(order)
  label_type = np.float32 if regression else np.int64
  truncated = 0

  def blocks() -> Iterator[dict[str, np.ndarray]]:
    nonlocal truncated
    for start in range(0, len(order), _BLOCK):
      numbers = order[start : start + _BLOCK]
      examples = [split.examples[number] for number in numbers]
      columns = zip(*(example.texts for example in examples), strict=True)
      segments = [tf.constant(column) for column in columns]
      lengths = sum(tokenizer.tokenize(s).row_lengths() for s in segments)
      # [CLS], and a [SEP] after each text.
      room = seq_length - 1 - len(segments)
      truncated += int(np.sum(lengths > room))
      inputs = tokenizer.encode(segments, seq_length)
      inputs = {k: v.numpy().astype(np.int64) for k, v in inputs.items()}
      yield {
        "input_ids": inputs["input_word_ids"],
        "input_mask": inputs["input_mask"],
        "segment_ids": inputs["input_type_ids"],
        "label_ids": np.array([[e.label] for e in examples], label_type),
        "example_id": np.array([[e.id] for e in examples], np.int64),
      }

  number = records.write_records(path, blocks())
  return {
    "examples": len(split.examples),
    "records": number,
    "labelled": split.labelled,
    "truncated": truncated,
    "short_rows": split.short_rows,
  }


def _write_squad(settings, source, tokenizer, folder: str) -> dict:
  impossible = settings.task == "squad_v2.0"
  train = _read_squad(source, "train", impossible)
  validation = _read_squad(source, "validation", impossible)
  writer = squad_records.SquadWriter(
    tokenizer, settings.seq_length, settings.query_length, settings.doc_stride
  )
  path = files.join(folder, "train.tfrecord")
  rng = np.random.default_rng(settings.seed)
  stem = files.join(folder, "validation")
  return {
    "kind": "span",
    "version_2_with_negative": impossible,
    "metrics": ["exact_match", "f1"],
    "splits": {
      "train": writer.write_train(path, train, rng),
      "validation": writer.write_validation(stem, validation),
    },
  }


def _read_squad(source, split: str, impossible: bool) -> list[dict]:
  if isinstance(source, dict):
    name = f"{split}_file"
    return squad.read_json(source[name], name, impossible)
  return squad.read_tfds(source, split, impossible)


def summary(card: dict, output_dir: str) -> str:
  """Returns a few lines for people about what `prepare` made."""
  labels = card.get("labels") or []
  shown = ", ".join([*labels[:_SHOWN], *["..."] * (len(labels) > _SHOWN)])
  lines = [
    f"{card['task']}: {output_dir}",
    f"{card['kind']}{': ' if labels else ''}{shown}",
    f"metrics: {', '.join(card['metrics'])}",
  ]
  for name, split in card["splits"].items():
    counts = ", ".join(
      f"{count:,} {key.replace('_', ' ')}"
      for key, count in split.items()
      if key != "labelled" and count
    )
    lines.append(
      f"{name}: {counts}{'' if split['labelled'] else ', without labels'}"
    )
  return "\n".join(lines)


def main(argv: list[str]) -> None:
  """Runs the command."""
  errors.check_flags(argv, flags.FLAGS)
  settings = settings_flags.read(FinetuneSettings, flags.FLAGS)
  print(summary(prepare(settings), settings.output_dir))


if __name__ == "__main__":
  settings_flags.define(
    FinetuneSettings, finetune_settings.CHOICES, flags.FLAGS
  )
  errors.run_command(main)
