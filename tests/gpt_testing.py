# SPDX-License-Identifier: Apache-2.0
"""A tiny GPT-2, or another causal network, its inputs, and a tiny task."""

import functools

import numpy as np
import tensorflow as tf
import tf_keras

from tests import replica_testing
from tests import testing
from token_dropping.dropping.importance import step_seed
from token_dropping.models import network_config
from token_dropping.models import pre_norm_network
from token_dropping.models.causal import dropping_decoder
from token_dropping.models.causal import language_model
from token_dropping.models.gpt import config as gpt
from token_dropping.models.modernbert import decoder_config as modernbert
from token_dropping.tasks.causal_lm import task as causal_lm

EXPERIMENT = "gpt/token_drop"
GPT, MODERNBERT = NETWORKS = ("gpt", "modernbert_decoder")
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


def _config(name: str, **kwargs) -> network_config.NetworkConfig:
  """Layers 1 and 2 of ModernBERT see a token and the two before it."""
  if name == GPT:
    return gpt.GptConfig(**(SIZES | kwargs))
  return modernbert.ModernBertDecoderConfig(
    local_attention=6, **(SIZES | kwargs)
  )


def batch(changed: int | None = None, more: int = 1) -> dict[str, tf.Tensor]:
  """Returns two sequences of ids of 2 and up; one token may be another."""
  ids = np.random.default_rng(5).integers(2, V - 9, [B, S])
  if changed is not None:
    ids[:, changed] += more
  return {"input_word_ids": tf.constant(ids, tf.int32)}


@functools.cache
def make_model(name: str = GPT) -> language_model.LanguageModel:
  """Returns the model that drops nothing, with weights, shared by tests."""
  tf_keras.utils.set_random_seed(1)
  config = _config(name)
  made = config.build_language_model(config.build_plain())
  made(batch())
  rng = np.random.default_rng(2)  # biases and norms, too
  made.set_weights(
    [w + rng.normal(0, 0.1, w.shape) for w in made.get_weights()]
  )
  return made


def make_network(name: str = GPT) -> pre_norm_network.PreNormNetwork:
  """Returns the network of that model."""
  return make_model(name).encoder_network


def make_decoder(name: str = GPT, **kwargs) -> dropping_decoder.DroppingDecoder:
  """Returns a decoder with the same weights, whatever drops in it.

  Its choices are those of step 3 of a run.
  """
  decoder = _config(name, **kwargs).build()
  decoder(batch())
  decoder.set_weights(make_network(name).get_weights())
  seeds = step_seed.StepSeed(tf.Variable(3), seed=1)
  decoder.importance_scorer.seeds = seeds
  return decoder


def make_scored(
  kind: str, name: str = GPT, **kwargs
) -> dropping_decoder.DroppingDecoder:
  """Returns a decoder that drops by scores of a type from layer 1 on.

  Ids have scores of their own; half of the tokens are over the thresholds.
  """
  decoder = make_decoder(
    name, drop_layer=1, importance={"type": kind}, **kwargs
  )
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


def make_task(
  changes: dict | None = None, name: str = GPT
) -> causal_lm.CausalLMTask:
  """Returns the tiny task, with changes to its fields."""
  changes = {"task": changes or {}}
  params = replica_testing.make_params(changes, f"{name}/token_drop")
  return causal_lm.CausalLMTask(params.task)
