# SPDX-License-Identifier: Apache-2.0
"""What guesses without a network cost on the validation tokens.

To judge a loss: the token given nothing, and given its left neighbour, from
counts c of the training text, with N tokens and a vocabulary of V,

    p(w) = (c(w) + 1) / (N + V)

and p(w | left) as `dataset_statistics.neighbour_share` has it. They are scored
on the masked tokens of the batches that the evaluations read, of a causal
language model on all that follow another, of a translation on its tokens, the
first of which follows the end of another. The left neighbour is the true one,
also where the network sees a mask.
"""

from collections.abc import Iterator

import numpy as np
import tensorflow as tf
from official.core import config_definitions as cfg
from official.core import task_factory
from scipy import sparse

from token_dropping.data import records as records_lib
from token_dropping.data.batches import bad_records
from token_dropping.data.batches import pair_data
from token_dropping.data.batches import record_rules
from token_dropping.data.pretraining import dataset_statistics
from token_dropping.data.text import byte_tokenizer
from token_dropping.models.transformer import packed_pairs
from token_dropping.tasks import experiments

_BATCH = 4096
_TRAIN, _VALIDATION = "task.train_data", "task.validation_data"


def measure(params: cfg.ExperimentConfig) -> dict:
  """Reads the training records once, and the evaluated batches; in nats.

  Records that cannot be read or break a rule are a `UserError`.
  """
  data, rules = (
    params.task.train_data,
    experiments.hooks_of(params).record_rules,
  )
  try:
    pairs = _count_pairs(rules(data, _TRAIN))
    left, tokens = map(np.concatenate, zip(*_evaluated(params), strict=True))
  except tf.errors.OpError as error:
    whole = data.replace(is_training=False)  # once, in order
    inputs = {_TRAIN: whole, _VALIDATION: params.task.validation_data}
    bad_records.explain(error, inputs, rules, range(0), {})
    raise
  before, after = (np.asarray(pairs.sum(axis)).ravel() for axis in (1, 0))
  unigram = (after + 1) / (after.sum() + len(after))
  seen = np.asarray(pairs[left, tokens]).ravel()
  bigram = dataset_statistics.neighbour_share(
    seen, before[left], unigram[tokens]
  )
  prior = dataset_statistics.PRIOR
  return {
    "unigram_loss": float(-np.log(unigram[tokens]).mean()),
    "bigram_loss": float(-np.log(bigram).mean()),
    "note": f"left neighbour, smoothed towards single tokens, a = {prior:g}",
  }


def _count_pairs(rules: record_rules.BatchRules) -> sparse.csr_matrix:
  """Counts what follows what in the training records, [V, V]."""
  shape = rules.vocab_size, rules.vocab_size
  pairs = sparse.csr_matrix(shape, dtype=np.int64)
  for index in map(_neighbours, _training_batches(rules)):
    counts = np.ones_like(index[0], np.int64)
    pairs += sparse.csr_matrix((counts, index), shape=shape)
  return pairs


def _evaluated(
  params: cfg.ExperimentConfig,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
  """Yields left neighbours and the tokens of each batch that have a loss."""
  task = task_factory.get_task(params.task)
  batches = task.build_inputs(params.task.validation_data)
  for batch in batches.take(params.trainer.validation_steps):
    yield _predicted({name: value.numpy() for name, value in batch.items()})


def _predicted(batch: dict) -> tuple[np.ndarray, np.ndarray]:
  """Returns what has a loss, and what is left of it."""
  if "input_word_ids" not in batch:
    return _neighbours(batch)
  ids = unmasked(batch)
  if "masked_lm_positions" not in batch:
    follows = ids[:, 1:] != byte_tokenizer.PAD_ID
    return ids[:, :-1][follows], ids[:, 1:][follows]
  # The first position has no left neighbour; prepared records do not mask it.
  counts = batch["masked_lm_weights"] > 0
  rows, slots = np.nonzero(counts & (batch["masked_lm_positions"] > 0))
  places = batch["masked_lm_positions"][rows, slots]
  return ids[rows, places - 1], ids[rows, places]


def _neighbours(batch: dict) -> tuple[np.ndarray, np.ndarray]:
  """Returns all tokens of a text, each behind its left neighbour."""
  if "input_word_ids" in batch:
    ids = unmasked(batch)
    return ids[:, :-1].reshape(-1), ids[:, 1:].reshape(-1)
  ids, pairs = batch["targets"], batch[pair_data.segmentation("targets")]
  left = packed_pairs.keys(tf.constant(ids), tf.constant(pairs)).numpy()
  return left[pairs != 0], ids[pairs != 0]


def _training_batches(rules: record_rules.BatchRules) -> Iterator[dict]:
  """Yields the features of training records, of arrays [N, ...]."""
  data = rules.data
  files = tf.data.Dataset.list_files(data.input_path, shuffle=False)
  records = files.flat_map(records_lib.read_serialized).batch(_BATCH)
  features = _features(data)
  for batch in records:
    parsed = rules.check_batch(tf.io.parse_example(batch, features))
    yield {name: value.numpy() for name, value in parsed.items()}


def _features(data: cfg.DataConfig) -> dict:
  if isinstance(data, pair_data.PairDataConfig):
    return pair_data.record_features(data)
  features = {
    "input_word_ids": tf.io.FixedLenFeature([data.seq_length], tf.int64)
  }
  slots = getattr(data, "max_predictions_per_seq", 0)
  if slots:
    optional = tf.io.FixedLenFeature([slots], tf.int64, [0] * slots)
    weights = tf.io.FixedLenFeature([slots], tf.float32, [0.0] * slots)
    features |= {
      "masked_lm_positions": optional,
      "masked_lm_ids": optional,
      "masked_lm_weights": weights,
    }
  return features


def unmasked(batch: dict[str, np.ndarray]) -> np.ndarray:
  """Returns the ids [B, S] with the true ones where tokens are masked."""
  ids = batch["input_word_ids"].copy()
  if "masked_lm_weights" not in batch:
    return ids
  rows, slots = np.nonzero(batch["masked_lm_weights"] > 0)
  places = batch["masked_lm_positions"][rows, slots]
  ids[rows, places] = batch["masked_lm_ids"][rows, slots]
  return ids
