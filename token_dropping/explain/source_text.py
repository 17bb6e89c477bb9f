# SPDX-License-Identifier: Apache-2.0
"""The text to explain: given, in a file, or the run's validation records."""

import dataclasses
import os

import numpy as np
import tensorflow as tf
from official.core import config_definitions as cfg
from official.nlp.data import data_loader_factory

from token_dropping.common import errors
from token_dropping.common import files
from token_dropping.common import plain_text
from token_dropping.common import vocabulary
from token_dropping.data.batches import causal_data
from token_dropping.data.batches import pair_data
from token_dropping.data.batches import pretrain_data
from token_dropping.data.batches import record_rules
from token_dropping.explain import sequences as sequences_lib
from token_dropping.training import trained_run

# A file is read no further than this for every token that is shown; English
# has 4 to 5 bytes a token.
_BYTES_PER_TOKEN = 16
# Records may hold the same text several times, with other masks.
_COPIES = 4
# What a sequence has: one, or two of a pair.
_SEGMENTS = 2
_DATA = {
  trained_run.MASKED_LM: pretrain_data.PretrainDataConfig,
  trained_run.CAUSAL_LM: causal_data.CausalDataConfig,
  trained_run.TRANSLATION: pair_data.PairDataConfig,
}
# Where records of pieces have ids, and numbers of what is kept apart.
_FEATURES = {
  trained_run.CAUSAL_LM: ("input_word_ids", "document_ids"),
  trained_run.TRANSLATION: ("inputs", pair_data.segmentation("inputs")),
}


@dataclasses.dataclass(frozen=True)
class SourceText:
  """What is explained: at least one ordinary token; `cut`: there was more."""

  name: str
  sequences: list[sequences_lib.TextSequence]
  cut: bool


def from_string(
  run: trained_run.TrainedRun, text: str, name: str, max_sequences: int
) -> SourceText:
  """Cuts a text into sequences of the run's length; refuses one of no token."""
  text, length = plain_text.replace_surrogates(text), _seq_length(run)
  if run.kind == trained_run.CAUSAL_LM:
    found = run.tokenizer.tokenize(tf.constant([text]))
    sequences = _cut(run, found.flat_values, None, length)
  elif run.kind == trained_run.TRANSLATION:
    lines = [*filter(str.strip, text.splitlines())]
    found = run.tokenizer.tokenize(tf.constant(lines, tf.string))
    sequences = _cut(run, found.flat_values, found.value_rowids() + 1, length)
  else:
    sequences = sequences_lib.from_text(text, run.tokenizer, length)
  rule = f"{name} must hold at least one token of the vocabulary"
  there = sequences_lib.count_tokens(sequences) > 0
  errors.require(there, rule, errors.shorten(text))
  cut = len(sequences) > max_sequences
  return SourceText(name, sequences[:max_sequences], cut)


def _cut(
  run: trained_run.TrainedRun, ids, numbers, length: int
) -> list[sequences_lib.TextSequence]:
  """Cuts ids [n] into sequences; `numbers`, or `None`, of what is apart."""
  parts = [slice(i, i + length) for i in range(0, len(ids), length)]
  return [
    sequences_lib.from_spaced_pieces(
      ids[part].numpy(),
      run.tokenizer.names,
      None if numbers is None else numbers[part].numpy(),
    )
    for part in parts
  ]


def from_file(
  run: trained_run.TrainedRun, path: str, max_sequences: int
) -> SourceText:
  """Reads the beginning of a UTF-8 file, as much as is used."""
  limit = _BYTES_PER_TOKEN * max_sequences * _seq_length(run)
  rule = "--input must be a readable file"
  with (
    errors.refusing(rule, repr(path), OSError, with_reason=True),
    files.open_binary(path) as file,
  ):
    content = file.read(limit + 1)
  whole = len(content) <= limit
  text = plain_text.decode(content[:limit], "--input", path, whole)
  source = from_string(run, text, f"--input={path}", max_sequences)
  return dataclasses.replace(source, cut=source.cut or not whole)


def from_validation(
  run: trained_run.TrainedRun, max_sequences: int
) -> SourceText:
  """Takes the run's first validation records, where they were in training."""
  data = _DATA[run.kind]()
  data.override(run.task.get("validation_data") or {}, is_strict=False)
  in_run = os.path.join(run.model_dir, vocabulary.FILE)
  with errors.named(
    "--text or --input must be set where the run's validation records are not "
    "within reach: "
  ):
    if run.kind in _FEATURES:
      sequences = _read_pieces(data, run, max_sequences)
    else:
      data.vocab_file = data.vocab_file or in_run
      sequences = read_records(data, run.vocabulary, max_sequences)
    rule = "task.validation_data must have records of the run's vocabulary"
    errors.require(bool(sequences), rule, errors.shorten(data.input_path))
  name = f"validation records, {errors.shorten(data.input_path)}"
  return SourceText(name, sequences, True)


def _seq_length(run: trained_run.TrainedRun) -> int:
  data = run.task.get("train_data") or {}
  return data.get("seq_length") or run.encoder.max_position_embeddings


def read_records(
  data: pretrain_data.PretrainDataConfig,
  vocab: vocabulary.Vocabulary,
  count: int,
) -> list[sequences_lib.TextSequence]:
  """Returns the first `count` different, valid sequences, with masks undone."""
  batch = _first_batch(data, count * _COPIES)
  length = batch["input_word_ids"].shape[1]
  rules = record_rules.range_rules(len(vocab), _SEGMENTS, length)
  originals = {}
  for values in zip(*batch.values(), strict=True):
    record = dict(zip(batch, values, strict=True))
    real = np.flatnonzero(record["input_mask"])
    broken = [
      np.any(rule.is_broken(record[rule.feature]))
      for rule in rules
      if rule.feature in record
    ]
    if any(broken) or not len(real):
      continue
    ids = record["input_word_ids"].copy()
    masked = record["masked_lm_weights"] > 0
    ids[record["masked_lm_positions"][masked]] = record["masked_lm_ids"][masked]
    types, documents = record["input_type_ids"][real], None
    if "document_ids" in record:
      documents = record["document_ids"][real]
    padding = length - len(real)
    original = sequences_lib.from_ids(
      ids[real], types, vocab, documents, padding
    )
    originals.setdefault(original.ids.tobytes(), original)
  return list(originals.values())[:count]


def _read_pieces(
  data: cfg.DataConfig, run: trained_run.TrainedRun, count: int
) -> list[sequences_lib.TextSequence]:
  """Returns the first sequences of known ids."""
  batch, (feature, numbers) = _first_batch(data, count), _FEATURES[run.kind]
  documents = batch.get(numbers, [None] * count)
  sequences, names = [], run.tokenizer.names
  for ids, own in zip(batch[feature], documents, strict=False):
    real = np.flatnonzero(ids)
    if len(real) and ids.max() < len(names):
      own, padding = None if own is None else own[real], len(ids) - len(real)
      sequences.append(
        sequences_lib.from_spaced_pieces(ids[real], names, own, padding)
      )
  return sequences


def _first_batch(data: cfg.DataConfig, size: int) -> dict:
  """Reads in one thread: the order of records must not depend on timing."""
  config = dataclasses.replace(
    data,
    is_training=False,
    global_batch_size=size,
    drop_remainder=False,
    cycle_length=1,
    deterministic=True,
  )
  rule = "task.validation_data.input_path must name records"
  named = data.input_path and data.input_path != "dummy"
  errors.require(named, rule, repr(data.input_path))
  rule = "task.validation_data.input_path must be readable records"
  received = errors.shorten(data.input_path)
  damage = (tf.errors.OpError, ValueError, StopIteration)
  with errors.refusing(rule, received, *damage, with_reason=True):
    batches = data_loader_factory.get_data_loader(config).load()
    return next(batches.take(1).as_numpy_iterator())
