# SPDX-License-Identifier: Apache-2.0
"""What guesses without a network cost on the validation tokens.

Two lines that a reader needs to judge a loss: the token given nothing, and the
token given its left neighbour, both from counts of the training text. With c
counts, N tokens and V the size of the vocabulary,

    p(w) = (c(w) + 1) / (N + V)
    p(w | left) = (c(left, w) + a p(w)) / (c(left) + a),  a = 10

(MacKay & Peto, 1995, "A hierarchical Dirichlet language model", `a` fixed).
They are scored on the masked tokens of the batches that the evaluations read.
The left neighbour is the true one, also where the network sees a mask.
"""

from collections.abc import Iterator

import numpy as np
import tensorflow as tf
from official.core import config_definitions as cfg
from official.core import task_factory

PRIOR = 10.0
MAX_VOCAB = 4096  # pairs are counted in an array [V, V] of 8 bytes each
_BATCH = 4096


def measure(params: cfg.ExperimentConfig) -> dict:
  """Reads the training records once and the evaluated batches.

  Args:
    params: a checked pretraining experiment with records of its own.

  Returns:
    `unigram_loss` and `bigram_loss`, in nats, and `note`: how they are
    smoothed, or why there is no `bigram_loss` (`None`).
  """
  vocab_size = params.task.model.encoder.get().vocab_size
  training = _training_ids(params.task.train_data)
  evaluated = list(_evaluated(params))
  if vocab_size > MAX_VOCAB:
    tokens = np.zeros([vocab_size], np.int64)
    for ids in training:
      tokens += np.bincount(ids[:, 1:].reshape(-1), minlength=vocab_size)
    unigram, bigram_loss = _unigram(tokens), None
    note = f"no pairs are counted above {MAX_VOCAB} tokens"
  else:
    pairs = np.zeros([vocab_size**2], np.int64)
    for ids in training:
      index = ids[:, :-1].astype(np.int64) * vocab_size + ids[:, 1:]
      pairs += np.bincount(index.reshape(-1), minlength=vocab_size**2)
    unigram, bigram = probabilities(pairs.reshape([vocab_size, vocab_size]))
    bigram_loss = score(bigram, evaluated)
    note = f"left neighbour, smoothed towards single tokens, a = {PRIOR:g}"
  return {
    "unigram_loss": score(unigram[None], evaluated),
    "bigram_loss": bigram_loss,
    "note": note,
  }


def probabilities(pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """Returns the probabilities of tokens, and of tokens after others.

  Args:
    pairs: int array [V, V]: how often the second follows the first.

  >>> one, two = probabilities(np.array([[0, 6], [0, 0]]))
  >>> one.tolist(), two[0].round(3).tolist(), two[1].tolist()
  ([0.125, 0.875], [0.078, 0.922], [0.125, 0.875])
  """
  unigram = _unigram(pairs.sum(0))
  left = pairs.sum(1, keepdims=True)
  return unigram, (pairs + PRIOR * unigram) / (left + PRIOR)


def _unigram(counts: np.ndarray) -> np.ndarray:
  return (counts + 1) / (counts.sum() + len(counts))


def score(table: np.ndarray, evaluated: list) -> float:
  """Returns the mean loss of masked tokens.

  Args:
    table: probabilities [V, V] by left neighbour, or [1, V] for all.
    evaluated: pairs of int arrays: left neighbours and tokens.
  """
  left, tokens = map(np.concatenate, zip(*evaluated, strict=True))
  if len(table) == 1:
    left = np.zeros_like(left)
  return float(-np.log(table[left, tokens]).mean())


def _evaluated(
  params: cfg.ExperimentConfig,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
  """Yields left neighbours and tokens at the masked places of each batch."""
  task = task_factory.get_task(params.task)
  batches = task.build_inputs(params.task.validation_data)
  for batch in batches.take(params.trainer.validation_steps):
    batch = {name: value.numpy() for name, value in batch.items()}
    ids = unmasked(batch)
    # The first position has no left neighbour; prepared records do not mask it.
    counts = batch["masked_lm_weights"] > 0
    rows, slots = np.nonzero(counts & (batch["masked_lm_positions"] > 0))
    places = batch["masked_lm_positions"][rows, slots]
    yield ids[rows, places - 1], ids[rows, places]


def _training_ids(data: cfg.DataConfig) -> Iterator[np.ndarray]:
  """Yields the ids of training records without masks, [N, S]."""
  files = tf.data.Dataset.list_files(data.input_path, shuffle=False)
  records = tf.data.TFRecordDataset(files).batch(_BATCH)
  length, slots = data.seq_length, data.max_predictions_per_seq
  optional = tf.io.FixedLenFeature([slots], tf.int64, [0] * slots)
  weights = tf.io.FixedLenFeature([slots], tf.float32, [0.0] * slots)
  features = {
    "input_word_ids": tf.io.FixedLenFeature([length], tf.int64),
    "masked_lm_positions": optional,
    "masked_lm_ids": optional,
    "masked_lm_weights": weights,
  }
  for batch in records:
    parsed = tf.io.parse_example(batch, features)
    yield unmasked({name: value.numpy() for name, value in parsed.items()})


def unmasked(batch: dict[str, np.ndarray]) -> np.ndarray:
  """Returns the ids [B, S] with the true ones where tokens are masked."""
  ids = batch["input_word_ids"].copy()
  rows, slots = np.nonzero(batch["masked_lm_weights"] > 0)
  places = batch["masked_lm_positions"][rows, slots]
  ids[rows, places] = batch["masked_lm_ids"][rows, slots]
  return ids
