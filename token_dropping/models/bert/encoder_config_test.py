# SPDX-License-Identifier: Apache-2.0
"""Tests of the way from YAML fields to an encoder."""

import dataclasses

import pytest
import tensorflow as tf
from official.nlp.configs import encoders

from tests import testing
from token_dropping.dropping import drop_plan
from token_dropping.models.bert import encoder
from token_dropping.models.bert import encoder_config

TINY = testing.TINY["task"]["model"]["encoder"]["any"]

# A value unlike the default for every field.
FIELDS = {
  "vocab_size": 60,
  "hidden_size": 6,
  "num_layers": 4,
  "num_attention_heads": 3,
  "intermediate_size": 10,
  "dropout_rate": 0.3,
  "attention_dropout_rate": 0.4,
  "max_position_embeddings": 20,
  "type_vocab_size": 5,
  "embedding_size": 7,
  "output_range": 2,
  "norm_first": True,
  "final_norm": False,
  "return_attention_scores": True,
  "return_word_embeddings": True,
  "token_keep_ratio": 0.25,
  "drop_layer": 0,
  "restore_layer": 2,
  "token_loss_init_value": 3.0,
  "token_loss_beta": 0.25,
  "token_allow_list": (8, 9),
  "token_deny_list": (6, 7),
  "drop_at_inference": True,
  "drop": {"type": "layerwise"},
  "importance": {"type": "mlm_loss_noise", "temperature": 0.25},
  "selection": {"slack": 1.5},
}
NAMES = {  # the encoder's, where it differs
  "intermediate_size": "inner_dim",
  "dropout_rate": "output_dropout",
  "attention_dropout_rate": "attention_dropout",
  "max_position_embeddings": "max_sequence_length",
  "embedding_size": "embedding_width",
}
OTHER_FIELDS = {  # resolved, or without meaning here
  *("always_keep_cls", "hidden_activation", "initializer_range", "stages"),
  *("token_keep_k", "vocab_file", "return_all_encoder_outputs"),
}


def _config(**fields) -> encoder_config.TokenDropEncoderConfig:
  return encoder_config.TokenDropEncoderConfig(**(TINY | fields))


@pytest.mark.parametrize(
  ("fields", "plan"),
  [
    (
      {"num_layers": 6, "token_keep_ratio": 0.25, "restore_layer": 4},
      drop_plan.DropPlan(6, (drop_plan.Stage(2, 0.25),), 4),
    ),
    (
      {"token_keep_k": 5},
      drop_plan.DropPlan(3, (drop_plan.Stage(0, None, 5),), 2),
    ),
    (
      {"num_layers": 4, "drop": {"type": "layerwise"}},
      drop_plan.DropPlan(4, (drop_plan.Stage(1),), 3, "layerwise"),
    ),
  ],
)
def test_drop_plan_is_the_configured_one(fields, plan):
  assert _config(**fields).drop_plan == plan


def test_model_garden_builds_an_encoder_of_the_configured_sizes():
  config = _config(type_vocab_size=3, max_position_embeddings=20, hidden_size=6)
  config = encoders.EncoderConfig(type="any", any=config)
  built = encoders.build_encoder(config)
  assert isinstance(built, encoder.TokenDropEncoder)
  ids = tf.zeros([1, 4], tf.int32)
  built({"input_word_ids": ids, "input_mask": ids, "input_type_ids": ids})

  def shapes(ending: str) -> list[tuple]:
    weights = built.trainable_weights
    return [tuple(w.shape) for w in weights if w.name.endswith(ending)]

  assert shapes("word_embeddings/embeddings:0") == [(testing.VOCAB_SIZE, 6)]
  assert shapes("position_embedding/embeddings:0") == [(20, 6)]
  assert shapes("type_embeddings/embeddings:0") == [(3, 6)]
  assert shapes("intermediate/kernel:0") == [(6, 16)] * 3
  assert shapes("query/kernel:0") == [(6, 2, 3)] * 3
  assert built.importance_scorer.table.shape == (testing.VOCAB_SIZE,)


def test_every_field_reaches_the_encoder():
  config = encoder_config.TokenDropEncoderConfig()
  fields = {field.name for field in dataclasses.fields(config)}
  assert fields == set(FIELDS) | OTHER_FIELDS
  defaults = config.as_dict()
  config.override(FIELDS)
  built = config.build()
  fields = built.get_config()
  for name, value in FIELDS.items():
    assert defaults[name] != value, name
    found = fields[NAMES.get(name, name)]
    if isinstance(value, dict):
      assert found.items() >= value.items()
    else:
      assert found == value, name
  copy = encoder.TokenDropEncoder.from_config(fields)
  assert copy.get_config() == fields
  assert copy.drop_plan == built.drop_plan == config.drop_plan
  assert copy.importance_scorer.temperature == 0.25


def test_functions_reach_the_encoder():
  config = _config(hidden_activation="relu", initializer_range=0.5)
  built = config.build().get_config()
  assert str(built["inner_activation"]).endswith("relu")
  assert built["initializer"]["config"]["stddev"] == 0.5


def test_a_table_of_another_vocabulary_is_refused(tmp_path):
  kind, words = "pretrained_mlm", testing.write_vocabulary(tmp_path / "words")
  path = testing.write_importance_table(tmp_path / "table.npz", kind, size=20)
  config = _config(
    vocab_file=words, importance={"type": kind, "table_file": path}
  )
  refused = testing.refused(config.build)
  assert refused.startswith("importance.table_file must be made with the vocab")


def test_an_output_that_the_loss_reads_beyond_is_not_to_be_pretrained():
  assert testing.refused(_config(output_range=2).check_pretraining, 16) == (
    "output_range must be unset: the loss reads positions beyond it. "
    "Received: 2"
  )
