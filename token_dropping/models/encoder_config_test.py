# SPDX-License-Identifier: Apache-2.0
"""Tests of the way from YAML fields to an encoder."""

import dataclasses

import pytest
import tensorflow as tf
from official.nlp.configs import encoders

from tests import testing
from token_dropping.common import errors
from token_dropping.dropping import drop_plan
from token_dropping.models import encoder
from token_dropping.models import encoder_config

TINY = testing.TINY["task"]["model"]["encoder"]["any"]
ODD = ("[SEP]", "the", "[PAD]", "[UNK]", "a", "[MASK]", "of", "[CLS]")

# A value unlike the default for every field; the encoder's name where it
# differs.
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
  "return_attention_scores": True,
  "return_word_embeddings": True,
  "drop_layer": 0,
  "restore_layer": 2,
  "token_loss_init_value": 3.0,
  "token_loss_beta": 0.25,
  "token_allow_list": (8, 9),
  "token_deny_list": (6, 7),
  "drop_at_inference": True,
}
NAMES = {
  "intermediate_size": "inner_dim",
  "dropout_rate": "output_dropout",
  "attention_dropout_rate": "attention_dropout",
  "max_position_embeddings": "max_sequence_length",
  "embedding_size": "embedding_width",
}
OTHER_FIELDS = {  # of more than one value, or without meaning here
  "always_keep_cls",
  "hidden_activation",
  "initializer_range",
  "token_keep_ratio",
  "token_keep_k",
  "stages",
  "drop",
  "importance",
  "vocab_file",
  "return_all_encoder_outputs",
}


def _config(**fields) -> encoder_config.TokenDropEncoderConfig:
  return encoder_config.TokenDropEncoderConfig(**(TINY | fields))


def _vocab_file(folder, tokens=ODD) -> str:
  path = folder / "vocab.txt"
  path.write_text("\n".join(tokens))
  return str(path)


def test_ids_are_those_of_the_vocabulary(tmp_path):
  config = _config(
    vocab_file=_vocab_file(tmp_path),
    token_allow_list=None,
    token_deny_list=None,
  )
  allow, deny = config.id_lists(config.vocab_size)
  assert allow == (3, 7, 0, 5)  # [UNK] [CLS] [SEP] [MASK]
  assert deny == (2,)


def test_explicit_ids_win_over_the_vocabulary(tmp_path):
  path = _vocab_file(tmp_path)
  allow = _config(vocab_file=path, token_allow_list=[6], token_deny_list=None)
  assert allow.id_lists(allow.vocab_size) == ((6,), (2,))
  deny = _config(vocab_file=path, token_allow_list=None, token_deny_list=[1, 4])
  assert deny.id_lists(deny.vocab_size) == ((3, 7, 0, 5), (1, 4))


def test_cls_may_be_dropped_as_others_are(tmp_path):
  config = _config(
    token_allow_list=None, token_deny_list=None, always_keep_cls=False
  )
  assert config.id_lists(config.vocab_size)[0] == (100, 102, 103)
  config.vocab_file = _vocab_file(tmp_path)
  assert config.id_lists(config.vocab_size) == ((3, 0, 5), (2,))


def test_a_list_says_whether_cls_is_kept():
  config = _config(token_allow_list=[6], always_keep_cls=False)
  with pytest.raises(ValueError) as caught:
    config.id_lists(config.vocab_size)
  assert str(caught.value) == (
    "always_keep_cls must be true with token_allow_list, which says what is "
    "kept. Received: false"
  )


def test_lists_may_be_empty(tmp_path):
  config = _config(
    vocab_file=_vocab_file(tmp_path), token_allow_list=[], token_deny_list=[]
  )
  assert config.id_lists(config.vocab_size) == ((), ())


def test_ids_are_the_published_ones_otherwise():
  config = encoder_config.TokenDropEncoderConfig()
  assert config.id_lists(config.vocab_size) == ((100, 101, 102, 103), (0,))
  config.token_allow_list = (5,)
  assert config.id_lists(config.vocab_size) == ((5,), (0,))


def test_vocabulary_may_fill_the_table(tmp_path):
  config = _config(vocab_file=_vocab_file(tmp_path), vocab_size=len(ODD))
  assert config.id_lists(config.vocab_size) == ((1, 2, 3, 4), (0,))


def test_vocabulary_larger_than_the_table_is_refused(tmp_path):
  path = _vocab_file(tmp_path)
  with pytest.raises(ValueError) as caught:
    _config(vocab_file=path).id_lists(7)
  assert str(caught.value) == (
    f"vocab_size must be at least the 8 tokens of {path}. Received: 7"
  )


def test_unreadable_vocabulary_is_refused(tmp_path):
  path = str(tmp_path / "nothing.txt")
  with pytest.raises(errors.UserError) as caught:
    encoder_config.build_encoder(_config(vocab_file=path))
  assert str(caught.value) == (
    f"vocab_file must be a readable file. Received: {path!r}"
  )


def test_drop_plan_is_the_configured_one():
  config = _config(
    num_layers=6, token_keep_ratio=0.25, drop_layer=1, restore_layer=4
  )
  plan = config.drop_plan
  assert plan == drop_plan.DropPlan(6, (drop_plan.Stage(1, 0.25),), 4)
  assert encoder_config.build_encoder(config).drop_plan == plan


def test_drop_plan_of_a_count():
  config = _config(token_keep_k=5)
  plan = config.drop_plan
  assert plan == drop_plan.DropPlan(3, (drop_plan.Stage(0, None, 5),), 2)
  assert encoder_config.build_encoder(config).drop_plan == plan


def test_encoder_has_the_configured_sizes():
  built = encoder_config.build_encoder(
    _config(type_vocab_size=3, max_position_embeddings=20, hidden_size=6)
  )
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


def test_model_garden_builds_it():
  config = encoders.EncoderConfig(type="any", any=_config())
  built = encoders.build_encoder(config)
  assert isinstance(built, encoder.TokenDropEncoder)
  assert built.get_config()["num_layers"] == 3


def test_every_field_is_tested():
  fields = dataclasses.fields(encoder_config.TokenDropEncoderConfig)
  assert {field.name for field in fields} == set(FIELDS) | OTHER_FIELDS


@pytest.mark.parametrize("name", FIELDS)
def test_test_value_is_not_the_default(name):
  defaults = encoder_config.TokenDropEncoderConfig()
  assert getattr(defaults, name) != FIELDS[name]


def test_every_field_reaches_the_encoder():
  config = encoder_config.TokenDropEncoderConfig(**FIELDS)
  built = encoder_config.build_encoder(config).get_config()
  for name, value in FIELDS.items():
    assert built[NAMES.get(name, name)] == value, name


@pytest.mark.parametrize(
  "field", [{"token_keep_ratio": 0.25}, {"token_keep_k": 5}]
)
def test_kept_share_reaches_the_encoder(field):
  built = encoder_config.build_encoder(_config(**field)).get_config()
  both = {"token_keep_ratio": None, "token_keep_k": None} | field
  assert {name: built[name] for name in both} == both


def test_importance_reaches_the_encoder():
  fields = {"type": "mlm_loss_noise", "temperature": 0.25}
  built = encoder_config.build_encoder(_config(importance=fields))
  assert built.importance_scorer.temperature == 0.25
  assert built.get_config()["importance"].items() >= fields.items()
  copy = encoder.TokenDropEncoder.from_config(built.get_config())
  assert copy.importance_scorer.get_config()["temperature"] == 0.25


@pytest.mark.parametrize("activation", ["gelu", "relu"])
def test_activation_reaches_the_encoder(activation):
  config = _config(hidden_activation=activation)
  built = encoder_config.build_encoder(config).get_config()
  assert str(built["inner_activation"]).endswith(activation)


def test_initializer_range_reaches_the_encoder():
  built = encoder_config.build_encoder(_config(initializer_range=0.5))
  assert built.get_config()["initializer"]["config"]["stddev"] == 0.5


def test_ids_of_the_vocabulary_reach_the_encoder(tmp_path):
  config = _config(
    vocab_file=_vocab_file(tmp_path),
    token_allow_list=None,
    token_deny_list=None,
  )
  built = encoder_config.build_encoder(config).get_config()
  assert built["token_allow_list"] == (3, 7, 0, 5)
  assert built["token_deny_list"] == (2,)


def test_drop_type_reaches_the_encoder():
  config = _config(num_layers=4, drop={"type": "layerwise"})
  built = encoder_config.build_encoder(config)
  assert built.get_config()["drop"] == {"type": "layerwise"}
  assert built.drop_plan == config.drop_plan
  assert built.drop_plan.drop_type == "layerwise"
  assert type(built.importance_scorer).__name__ == "RandomScorer"
  copy = encoder.TokenDropEncoder.from_config(built.get_config())
  assert copy.drop_plan == built.drop_plan
