# SPDX-License-Identifier: Apache-2.0
"""A table of the losses of a trained masked LM on prepared records.

The score of an id is its mean cross-entropy where it is predicted, in nats (Liu
et al., AAAI 2021, arXiv 2004.13542).
"""

import numpy as np
import tensorflow as tf
import tqdm

from token_dropping.common import errors
from token_dropping.common import files
from token_dropping.common import vocabulary
from token_dropping.data.batches import bad_records
from token_dropping.data.batches import pretrain_data
from token_dropping.data.batches import record_rules
from token_dropping.data.pretraining import dataset_folder
from token_dropping.dropping.importance import importance_table
from token_dropping.tasks.masked_lm import losses as mlm_losses

KIND = "pretrained_mlm"
_SETTINGS = ("seq_length", "max_predictions_per_seq", "masking_rate")


def make_table(
  run, source: str, folder: str, batch_size: int, max_records: int
) -> tuple[importance_table.ImportanceTable, vocabulary.Vocabulary]:
  """Predicts masked tokens of training records; returns table and vocabulary.

  `run` is a `trained_run.TrainedRun`, `source` what the user calls it. Dynamic
  masking is that of the first epoch; `max_records` of 0 reads all. Memory is V
  numbers beside the model. Data that do not fit are a `UserError`.
  """
  card = dataset_folder.verify(folder, quick=True)
  masked_lm = dataset_folder.MASKED_LM
  dataset_folder.require_objective(card, masked_lm, folder, "--data")
  words = vocabulary.Vocabulary.from_file(files.join(folder, vocabulary.FILE))
  _check_data(run, card, words, source, folder)
  network = run.build_masked_lm()
  total = card["train"]["records"]
  total = min(total, max_records or total)
  config = _data_config(card, folder, batch_size)
  rules = record_rules.RecordRules(config, run.encoder, "--data")
  batches = pretrain_data.PretrainDataLoader(config).load()
  batches = batches.map(rules.check_batch).unbatch().take(total)
  batches = batches.batch(batch_size)
  try:
    sums, counts = _sum_losses(network, batches, len(words), total)
  except tf.errors.OpError as error:
    inputs = {rules.path: config}
    bad_records.explain(error, inputs, lambda *_: rules, range(0), {})
    raise
  rule = "--data must hold masked tokens"
  errors.require(bool(counts.any()), rule, repr(folder))
  means = sums / np.maximum(counts, 1)
  table = importance_table.ImportanceTable.of_seen(KIND, words, means, counts)
  return table, words


def _check_data(run, card: dict, words, source: str, folder: str) -> None:
  fingerprint, others = importance_table.fingerprint, run.vocabulary
  errors.require(
    fingerprint(others) == fingerprint(words),
    "--data must be made with the vocabulary of --model",
    f"{folder!r} with {len(words)} tokens, {source!r} with {len(others)}",
  )
  settings = card.get("settings", {})
  for name in _SETTINGS:
    rule = f"settings of dataset.json must have {name}"
    errors.require(name in settings, rule, f"{folder!r} without it")
  length, most = settings["seq_length"], run.encoder.max_position_embeddings
  rule = "seq_length of --data must be at most max_position_embeddings of "
  errors.require(length <= most, f"{rule}--model, {most}", length)


def _data_config(
  card: dict, folder: str, batch_size: int
) -> pretrain_data.PretrainDataConfig:
  return pretrain_data.PretrainDataConfig(
    input_path=files.join(folder, "train-*"),
    is_training=False,
    drop_remainder=False,
    global_batch_size=batch_size,
    use_next_sentence_label=False,
    use_v2_feature_names=True,
    masking=card["masking"],
    vocab_file=files.join(folder, vocabulary.FILE),
    **{name: card["settings"][name] for name in _SETTINGS},
  )


def _sum_losses(
  network, batches: tf.data.Dataset, vocab_size: int, total: int
) -> tuple[np.ndarray, np.ndarray]:
  """Returns by id the sum of losses, float64 [V], and how many, int64 [V]."""

  @tf.function(jit_compile=True)
  def losses_of(batch):
    outputs = network(batch, training=False)
    return mlm_losses.masked_lm_losses(batch, outputs)

  sums, counts = np.zeros([vocab_size]), np.zeros([vocab_size], np.int64)
  # disable=None: on a terminal only.
  with tqdm.tqdm(total=total, unit=" records", disable=None) as bar:
    for batch in batches:
      used = batch["masked_lm_weights"].numpy() > 0
      ids = batch["masked_lm_ids"].numpy()[used]
      losses = losses_of(batch).numpy()[used]
      sums += np.bincount(ids, losses, vocab_size)
      counts += np.bincount(ids, minlength=vocab_size)
      bar.update(len(used))
  return sums, counts
