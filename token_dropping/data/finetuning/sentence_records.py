# SPDX-License-Identifier: Apache-2.0
"""Sentences -> records for Model Garden's `SentencePredictionDataLoader`."""

from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from token_dropping.data import records
from token_dropping.data.finetuning import sentence_sources
from token_dropping.data.text import tokenizer as tokenizer_lib

_BLOCK = 1024  # examples tokenized in one call


def write(
  path: str,
  split: sentence_sources.Split,
  tokenizer: tokenizer_lib.Tokenizer,
  seq_length: int,
  regression: bool,
  rng: np.random.Generator | None,
) -> dict:
  """Writes the records of a split, in order without `rng`; returns counts."""
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
