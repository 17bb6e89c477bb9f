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

import numpy as np
from absl import flags

from token_dropping.common import errors
from token_dropping.common import files
from token_dropping.data import settings_flags
from token_dropping.data.finetuning import finetune_folder
from token_dropping.data.finetuning import finetune_settings
from token_dropping.data.finetuning import finetune_tokenizer
from token_dropping.data.finetuning import glue_tasks
from token_dropping.data.finetuning import sentence_records
from token_dropping.data.finetuning import sentence_sources
from token_dropping.data.finetuning import squad
from token_dropping.data.finetuning import squad_records
from token_dropping.data.finetuning import text_tables
from token_dropping.data.finetuning import tfds_examples
from token_dropping.data.finetuning.finetune_settings import FinetuneSettings

_FILES = ("train_file", "validation_file", "test_file")
_SHOWN = 5  # labels in a summary
_NOT_RECORDED = (
  *("output_dir", "input_dir", "pretrained", "vocab_file"),
  *("do_lower_case", "strip_accents", *_FILES),
)


def prepare(settings: FinetuneSettings) -> dict:
  """Makes the data, unless there; returns `finetune.json` (docs/finetuning.md).

  Unusable input, and a folder that holds files of others, are `UserError`s.
  """
  tokenizer = finetune_tokenizer.read(settings)
  source = _Source.open(settings)
  recorded = _recorded(settings, source, tokenizer)
  ready = finetune_folder.find_ready(settings.output_dir, recorded)
  if ready is not None:
    print(f"ready, made earlier: {settings.output_dir}")
    return ready
  check = finetune_folder.check_replaceable
  check(settings.output_dir)
  write_splits = _write_squad if settings.is_squad else _write_sentences
  with files.new_folder(settings.output_dir, check) as folder:
    finetune_tokenizer.save(tokenizer, settings, folder)
    card = {
      "task": settings.task,
      "seq_length": settings.seq_length,
      **write_splits(settings, source, tokenizer, folder),
      "tokenizer": recorded["tokenizer"],
      "settings": recorded,
    }
    return finetune_folder.write_card(folder, card)


@dataclasses.dataclass(frozen=True)
class _Source:
  """The examples' builder, or their files by split (GLUE) or by flag."""

  builder: object
  paths: dict[str, str]
  description: list[dict]

  @classmethod
  def open(cls, settings: FinetuneSettings) -> "_Source":
    if settings.tfds_name:
      builder = tfds_examples.load_builder(settings.tfds_name)
      return cls(builder, {}, [{"name": builder.info.full_name}])
    if settings.is_glue:
      task = glue_tasks.TASKS[settings.task]
      paths = sentence_sources.find_glue_files(task, settings.input_dir)
    else:
      given = {name: getattr(settings, name) for name in _FILES}
      paths = {name: path for name, path in given.items() if path}
    content = [
      text_tables.describe(path, "input_dir" if settings.is_glue else name)
      for name, path in paths.items()
    ]
    return cls(None, paths, content)


def _recorded(settings, source, tokenizer) -> dict:
  """Returns what decides about the data, ready for JSON."""
  recorded = {
    name: value
    for name, value in dataclasses.asdict(settings).items()
    if name not in _NOT_RECORDED
  }
  return recorded | {
    "input": source.description,
    "tokenizer": finetune_tokenizer.describe(tokenizer, settings),
  }


def _write_sentences(settings, source, tokenizer, folder: str) -> dict:
  task, splits = _read_sentences(settings, source)
  counts = {}
  for name, split in splits.items():
    train = name == "train"
    counts[name] = sentence_records.write(
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


def _read_sentences(settings, source) -> tuple[glue_tasks.SentenceTask, dict]:
  if not settings.is_glue:
    return sentence_sources.read_tables(settings)
  task = glue_tasks.TASKS[settings.task]
  if source.builder is not None:
    return task, sentence_sources.read_glue_tfds(task, source.builder)
  return task, sentence_sources.read_glue_files(task, source.paths)


def _write_squad(settings, source, tokenizer, folder: str) -> dict:
  impossible = settings.task == "squad_v2.0"
  train = _read_squad(source, "train", impossible)
  validation = _read_squad(source, "validation", impossible)
  writer = squad_records.SquadWriter(
    tokenizer, settings.seq_length, settings.query_length, settings.doc_stride
  )
  path = files.join(folder, "train.tfrecord")
  rng = np.random.default_rng(settings.seed)
  splits = {
    "train": writer.write_train(path, train, rng),
    "validation": writer.write_validation(
      files.join(folder, "validation"), validation
    ),
  }
  return {
    "kind": "span",
    "version_2_with_negative": impossible,
    "metrics": ["exact_match", "f1"],
    "splits": splits,
  }


def _read_squad(source, split: str, impossible: bool) -> list[dict]:
  if source.builder is not None:
    return squad.read_tfds(source.builder, split, impossible)
  name = f"{split}_file"
  return squad.read_json(source.paths[name], name, impossible)


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


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
  """Defines a flag for each field of `FinetuneSettings`."""
  settings_flags.define(FinetuneSettings, finetune_settings.CHOICES, values)


def settings_from_flags(
  values: flags.FlagValues = flags.FLAGS,
) -> FinetuneSettings:
  """Returns the settings that the flags give; raises `UserError`."""
  return settings_flags.read(FinetuneSettings, values)


def main(argv: list[str]) -> None:
  """Runs the command."""
  if argv[1:]:
    raise errors.UserError(
      f"the command takes flags only. Received: {argv[1]!r}"
    )
  settings = settings_from_flags()
  print(summary(prepare(settings), settings.output_dir))


if __name__ == "__main__":
  define_flags()
  errors.run_command(main)
