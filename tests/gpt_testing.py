# SPDX-License-Identifier: Apache-2.0
"""A tiny GPT-2, its inputs, and a tiny task of it."""

import functools

import numpy as np
import tensorflow as tf
import tf_keras

from tests import replica_testing
from tests import testing
from token_dropping.dropping.importance import step_seed
from token_dropping.models.gpt import decoder as decoder_lib
from token_dropping.models.gpt import network
from token_dropping.tasks.causal_lm import task as causal_lm

EXPERIMENT = "gpt/token_drop"
POSITIONS = {"loss_positions": {"type": "random", "ratio": 0.5}}
# Of the network, and what follows from the first field but its second.
IMPORTANCE = {
  "importance": {"type": "next_token_loss"},
  "selection": {"type": "threshold", "slack": 1.2},
}
B, S, D, V, L = 2, 12, 8, 40, 4
SIZES = {
  "vocab_size": V,
  "hidden_size": D,
  "num_layers": L,
  "num_attention_heads": 2,
  "intermediate_size": 16,
  "max_position_embeddings": S,
  "initializer_range": 0.5,
}


def batch(changed: int | None = None, more: int = 1) -> dict[str, tf.Tensor]:
  """Returns two sequences of ids of 2 and up; one token may be another."""
  ids = np.random.default_rng(5).integers(2, V - 9, [B, S])
  if changed is not None:
    ids[:, changed] += more
  return {"input_word_ids": tf.constant(ids, tf.int32)}


@functools.cache
def make_network() -> network.Gpt:
  """Returns the network without dropping, with weights, shared by tests."""
  tf_keras.utils.set_random_seed(1)
  made = network.Gpt(**SIZES)
  made(batch())
  rng = np.random.default_rng(2)  # biases and norms, too
  made.set_weights(
    [w + rng.normal(0, 0.1, w.shape) for w in made.get_weights()]
  )
  return made


def make_decoder(**kwargs) -> decoder_lib.GptDecoder:
  """Returns a decoder with the same weights, whatever drops in it.

  Its choices are those of step 3 of a run.
  """
  decoder = decoder_lib.GptDecoder(**(SIZES | kwargs))
  decoder(batch())
  decoder.set_weights(make_network().get_weights())
  seeds = step_seed.StepSeed(tf.Variable(3), seed=1)
  decoder.importance_scorer.seeds = seeds
  return decoder


def make_scored(kind: str, **kwargs) -> decoder_lib.GptDecoder:
  """Returns a decoder that drops by scores of a type from layer 1 on.

  Ids have scores of their own; half of the tokens are over the thresholds.
  """
  decoder = make_decoder(drop_layer=1, importance={"type": kind}, **kwargs)
  scorer = decoder.importance_scorer
  for table in scorer.weights[: kind != "hidden_norm"]:
    table.assign(np.random.default_rng(3).permutation(V).astype("float32"))
  if scorer.has_empty_slots:
    outputs = decoder(batch(), training=True)
    middle = np.median(outputs["token_scores"])
    scorer.selector.thresholds.assign([middle] * L)
  return decoder


def make_batch(size: int = 4) -> dict[str, tf.Tensor]:
  """Returns records as of `testing.causal_features`, as one batch."""
  rows = [testing.causal_features(seed) for seed in range(size)]
  ids = np.array([row["input_word_ids"] for row in rows], np.int32)
  return {"input_word_ids": tf.constant(ids)}


def make_task(changes: dict | None = None) -> causal_lm.CausalLMTask:
  """Returns the tiny task, with changes to its fields."""
  params = replica_testing.make_params({"task": changes or {}}, EXPERIMENT)
  return causal_lm.CausalLMTask(params.task)
