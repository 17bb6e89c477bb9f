# SPDX-License-Identifier: Apache-2.0
"""A tiny Transformer, packed pairs for it, and its task."""

import functools
import io
import pathlib

import numpy as np
import sentencepiece
import tensorflow as tf
import yaml

from tests import pair_testing
from tests import replica_testing
from tests import run_testing
from tests import testing
from token_dropping.data.batches import pair_data
from token_dropping.data.text import subword_tokenizer
from token_dropping.dropping.importance import step_seed
from token_dropping.models.transformer import config as config_lib
from token_dropping.models.transformer import network as network_lib
from token_dropping.tasks import experiments
from token_dropping.tasks.translation import task as task_lib

EXPERIMENT = "wmt_transformer/token_drop"
IMPORTANCE = {"importance": {"type": "cross_attention"}}
# Of the network that drops on both sides, and of the task that trains it.
DROPS = {
  **IMPORTANCE,
  "decoder_drop": {
    "token_keep_ratio": 0.5,
    "importance": {"type": "next_token_loss"},
  },
}
_RATES = ("dropout_rate", "attention_dropout_rate", "intermediate_dropout_rate")
_MORE = dict.fromkeys(_RATES, 0.1) | {"norm_epsilon": 1e-5}
SHORT = {
  "task": {
    "dropped_validation": True,
    "label_smoothing": 0.2,
    "translated_sentences": 3,
    "model": {"encoder": {"any": DROPS | _MORE}},
  }
}
TEXTS = ["ein alter hund", "eine katze", "", "der hund und die katze"]
TRANSLATIONS = ["an old dog", "a cat", "nothing", "the dog and the cat"]
V, S, T = 40, 14, 12
SIZES = testing.TINY_PAIRS["task"]["model"]["encoder"]["any"]
SIZES = SIZES | {"vocab_size": V, "num_layers": 4}
SENTENCES = [
  ([5, 6, 7, 8], [9, 10]),
  ([11, 12], [13, 14, 15, 16]),
  ([17, 18, 19], [20]),
]


def packed(pairs=None) -> dict[str, tf.Tensor]:
  """Returns a batch of one sequence of pairs, padded at its end."""
  pairs = SENTENCES if pairs is None else pairs
  record = pair_testing.packed(pairs, S, T)
  return {n: tf.constant([row], tf.int32) for n, row in record.items()}


def make_config(**fields) -> config_lib.TransformerConfig:
  """Returns the tiny config with changes to its fields."""
  config = config_lib.TransformerConfig()
  config.override(SIZES | fields)
  return config


def make_random(network: tf.Module) -> None:
  """Makes all weights random, biases and norms too."""
  rng = np.random.default_rng(2)
  for weight in network.weights:
    weight.assign(rng.normal(0, 0.5, weight.shape))


def make_network(**fields) -> network_lib.Transformer:
  """Returns a network of the same weights, whatever drops in it.

  Its choices are those of step 3 of a run.
  """
  network = make_config(**fields).build()
  make_random(network)
  for number, side in enumerate((network.encoder_layer, network.decoder_layer)):
    seeds = step_seed.StepSeed(tf.Variable(3), seed=number)
    side.importance_scorer.seeds = seeds
  return network


def records(count: int = 4) -> dict[str, np.ndarray]:
  """Returns so many records of pairs, int32 [count, ...]."""
  rows = [pair_testing.random_features(seed) for seed in range(count)]
  return {n: np.array([row[n] for row in rows], np.int32) for n in rows[0]}


def make_batch(count: int = 4) -> dict[str, tf.Tensor]:
  """Returns them as one batch."""
  return {name: tf.constant(rows) for name, rows in records(count).items()}


def make_task(
  changes: dict | None = None, network: dict | None = None
) -> task_lib.TranslationTask:
  """Returns the tiny task, with changes to its fields and its network's."""
  task = {"model": {"encoder": {"any": network or {}}}} | (changes or {})
  params = replica_testing.make_params({"task": task}, EXPERIMENT)
  return task_lib.TranslationTask(params.task)


def tokenizer() -> subword_tokenizer.SubwordTokenizer:
  """Returns a tokenizer of those texts, of fewer ids than the network.

  A new one each time: `tf.random.set_seed` destroys what others hold.
  """
  return subword_tokenizer.SubwordTokenizer(_model(), "spiece.model")


@functools.cache
def _model() -> bytes:
  model = io.BytesIO()
  sentencepiece.SentencePieceTrainer.train(
    sentence_iterator=iter([*filter(None, TEXTS), *TRANSLATIONS]),
    model_writer=model,
    vocab_size=32,
    hard_vocab_limit=False,
    pad_id=0,
    eos_id=1,
    unk_id=2,
    bos_id=-1,
    minloglevel=2,
  )
  return model.getvalue()


def write_texts(folder: pathlib.Path) -> None:
  """Writes what an evaluation translates beside records."""
  path = folder / subword_tokenizer.FILE
  path.write_bytes(_model())
  for name, texts in zip(pair_data.TEXTS, (TEXTS, TRANSLATIONS), strict=True):
    (folder / name).write_text("".join(f"{text}\n" for text in texts))


def make_run(folder: pathlib.Path, **fields) -> network_lib.Transformer:
  """Makes the folder of a run with random weights; returns its network."""
  folder.mkdir(parents=True)
  (folder / subword_tokenizer.FILE).write_bytes(_model())
  params = experiments.get(EXPERIMENT)
  params.override(testing.tiny(EXPERIMENT))
  params.override({"task": {"model": {"encoder": {"any": fields}}}})
  model = task_lib.TranslationTask(params.task).build_model()
  make_random(model)
  tree = {"task": params.task.as_dict(), "trainer": params.trainer.as_dict()}
  (folder / "params.yaml").write_text(yaml.dump(tree))
  run_testing.save_checkpoint(folder, model)
  return model
