# SPDX-License-Identifier: Apache-2.0
"""Fine-tuning configs from what is there: the pretraining run and the data.

`--pretrained` gives encoder, vocabulary and weights; `task.data_dir` gives
input paths, sequence length, classes and metrics; the number of records gives
the steps. So none of it is typed, and none can disagree.
"""

import dataclasses
import math
import os

import tensorflow as tf
from official.core import config_definitions as cfg

from token_dropping.common import errors
from token_dropping.data.finetuning import finetune_folder
from token_dropping.data.finetuning import glue_tasks
from token_dropping.dropping import config as dropping_config
from token_dropping.dropping.importance import importance_types
from token_dropping.models import encoder_config
from token_dropping.tasks.finetuning import task as finetune_task
from token_dropping.tasks.sentences import task as sentence_task
from token_dropping.tasks.spans import task as span_task
from token_dropping.training import trained_run

PRETRAINED = "--pretrained"
MOST_STEPS_PER_LOOP = 100
# Of the pretraining run's encoder; fine-tuning computes the whole sequence
# unless its own config says otherwise.
_WHOLE_SEQUENCE = {
  "token_keep_ratio": None,
  "token_keep_k": None,
  "drop_layer": None,
  "restore_layer": None,
  "stages": [],
  "drop": dropping_config.DropConfig().as_dict(),
  "drop_at_inference": False,
}


def is_finetuning(task: cfg.TaskConfig) -> bool:
  """Whether a task config is one of fine-tuning."""
  return isinstance(task, finetune_task.FinetuneConfig)


def use_pretrained(params: cfg.ExperimentConfig, model_dir: str) -> None:
  """Takes encoder, vocabulary and weights from a run.

  Args:
    params: a fine-tuning experiment, to be changed.
    model_dir: folder of the run; its latest checkpoint is used.

  Raises:
    UserError: no run there, or one that cannot be used.
  """
  run = trained_run.TrainedRun.read(model_dir, source=PRETRAINED)
  encoder = encoder_config.TokenDropEncoderConfig(**run.encoder.as_dict())
  encoder.importance.type = encoder.importance_type
  encoder.override(_WHOLE_SEQUENCE)
  encoder.vocab_file = os.path.join(model_dir, trained_run.VOCAB)
  params.task.model.encoder.any = encoder
  params.task.init_checkpoint = run.checkpoint


def fill_in(params: cfg.ExperimentConfig) -> None:
  """Sets what the data decide.

  Args:
    params: a fine-tuning experiment after all overrides, to be changed.

  Raises:
    UserError: no prepared data, data of another kind or vocabulary, or a field
      that was set to another value than the data's.
  """
  encoder = params.task.model.encoder.any
  given = (encoder.token_keep_ratio, encoder.token_keep_k, *encoder.stages)
  if given == (None, None):
    encoder.token_keep_ratio = 1.0
    encoder.importance = importance_types.ImportanceConfig()  # not asked
  task = params.task
  errors.require(
    bool(task.data_dir),
    "task.data_dir must be a folder that token_dropping.data.finetune made",
    repr(task.data_dir),
  )
  card = finetune_folder.read_card(task.data_dir)
  if isinstance(task, span_task.SpanTaskConfig):
    _fill_in_spans(task, card)
  else:
    _fill_in_sentences(task, card)
  if not encoder.vocab_file:  # without --pretrained
    encoder.vocab_file = os.path.join(task.data_dir, trained_run.VOCAB)
  _check_vocabulary(encoder.vocab_file, card, task.data_dir)
  _set(task, "task", "metrics", tuple(card["metrics"]))
  if task.train_data.seed is None:
    task.train_data.seed = task.seed
  _fill_in_steps(params, card["splits"]["train"]["records"])
  if not params.trainer.best_checkpoint_eval_metric:
    params.trainer.best_checkpoint_eval_metric = score_names(task)[0]


def score_names(task: finetune_task.FinetuneConfig) -> list[str]:
  """Returns the names of the validation scores, the leading one first."""
  if isinstance(task, span_task.SpanTaskConfig):
    return list(task.metrics)[::-1]  # F1 leads, as on SQuAD's board
  return sentence_task.score_names(task)


def _fill_in_sentences(task: sentence_task.SentenceTaskConfig, card) -> None:
  _check_kind(card, ("classification", "regression"), task.data_dir)
  _set(task, "task", "labels", tuple(card["labels"]))
  _set(task.model, "task.model", "num_classes", card["num_classes"])
  kind = "float" if card["kind"] == "regression" else "int"
  validation = [n for n in card["splits"] if n.startswith("validation")]
  for name, splits in (
    ("train_data", ["train"]),
    ("validation_data", validation),
  ):
    data, path = getattr(task, name), f"task.{name}"
    _set(data, path, "input_path", _record_paths(task.data_dir, splits))
    _set(data, path, "seq_length", card["seq_length"])
    _set(data, path, "label_type", kind)
    _set(data, path, "text_fields", _text_fields(card))


def _fill_in_spans(task: span_task.SpanTaskConfig, card) -> None:
  _check_kind(card, ("span",), task.data_dir)
  settings = card["settings"]
  for name in ("train_data", "validation_data"):
    data, path = getattr(task, name), f"task.{name}"
    split = name.removesuffix("_data")
    _set(data, path, "input_path", _record_paths(task.data_dir, [split]))
    _set(data, path, "seq_length", card["seq_length"])
    for field in ("doc_stride", "query_length"):
      _set(data, path, field, settings[field])
    negative = card["version_2_with_negative"]
    _set(data, path, "version_2_with_negative", negative)


def _record_paths(folder: str, splits: list[str]) -> str | tuple[str, ...]:
  paths = tuple(tf.io.gfile.join(folder, f"{s}.tfrecord") for s in splits)
  return paths[0] if len(paths) == 1 else paths


def _text_fields(card: dict) -> tuple[str, ...]:
  """Returns the names of the texts: those of GLUE, or of the tables."""
  if card["task"] in glue_tasks.TASKS:
    task = glue_tasks.TASKS[card["task"]]
    return task.tfds_texts or task.texts
  names = ("text_column", "second_text_column")
  return tuple(filter(None, (card["settings"][name] for name in names)))


def _check_kind(card: dict, kinds: tuple[str, ...], folder: str) -> None:
  name = "bert/token_drop_squad"
  if card["kind"] != "span":
    name = "bert/token_drop_glue"
  errors.require(
    card["kind"] in kinds and "train" in card["splits"],
    f"task.data_dir must hold {' or '.join(kinds)} data to train on",
    f"{folder!r} of {card['task']} ({card['kind']}, --experiment={name})",
  )


def _check_vocabulary(vocab_file: str, card: dict, folder: str) -> None:
  made = card["tokenizer"]["vocab_crc32"]
  errors.require(
    finetune_folder.describe(vocab_file)["crc32"] == made,
    f"task.data_dir must be made with the vocabulary of the run, {vocab_file}",
    f"{folder!r}, made with another one",
  )


def _set(config, path: str, name: str, value) -> None:
  """Sets a field that is unset, or has the same value already."""
  unset = {
    field.name: field.default
    if field.default is not dataclasses.MISSING
    else None
    for field in dataclasses.fields(config)
  }[name]
  current = getattr(config, name)
  if isinstance(value, tuple) and isinstance(current, list):
    current = tuple(current)
  errors.require(
    current in (unset, value),
    f"{path}.{name} must be unset or that of task.data_dir, {value!r}",
    repr(current),
  )
  setattr(config, name, value)


def _fill_in_steps(params: cfg.ExperimentConfig, records: int) -> None:
  """Turns epochs into steps, where steps are unset."""
  task, trainer = params.task, params.trainer
  batch = task.train_data.global_batch_size
  errors.require(
    task.epochs > 0, "task.epochs must be greater than 0", task.epochs
  )
  errors.require(
    batch >= 1, "task.train_data.global_batch_size must be at least 1", batch
  )
  if not trainer.train_steps:
    trainer.train_steps = math.ceil(task.epochs * records / batch)
  epoch = finetune_task.steps_per_epoch(records, batch)
  epoch = max(1, min(epoch, trainer.train_steps))
  loop = min(MOST_STEPS_PER_LOOP, epoch)
  for name, value in (
    ("validation_interval", epoch),
    ("checkpoint_interval", epoch),
    ("steps_per_loop", loop),
  ):
    if not getattr(trainer, name):
      setattr(trainer, name, value)
  if not trainer.summary_interval:
    trainer.summary_interval = trainer.steps_per_loop
  warmup = trainer.optimizer_config.warmup.get()
  if warmup is not None and warmup.warmup_steps is None:
    warmup.warmup_steps = round(task.warmup_share * trainer.train_steps)
