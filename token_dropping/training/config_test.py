# SPDX-License-Identifier: Apache-2.0
"""Tests of the way from flags to a config."""

import pytest

from tests import config_testing
from tests.config_testing import ENCODER
from tests.config_testing import RATE
from token_dropping.tasks import experiments
from token_dropping.training import config

# As Model Garden's own token_dropping project has it.
MODEL_GARDEN = """
task:
  init_checkpoint: ''
  model:
    cls_heads: []
    encoder:
      type: any
      any:
        token_allow_list: !!python/tuple
        - 100
        - 101
        - 102
        - 103
        token_deny_list: !!python/tuple
        - 0
        token_keep_k: 128
        token_loss_beta: 0.99
        token_loss_init_value: 11
        attention_dropout_rate: 0.1
        dropout_rate: 0.1
        embedding_size: 768
        hidden_activation: gelu
        hidden_size: 768
        initializer_range: 0.02
        intermediate_size: 3072
        max_position_embeddings: 512
        num_attention_heads: 12
        num_layers: 12
        type_vocab_size: 2
        vocab_size: 30522
  train_data:
    drop_remainder: true
    global_batch_size: 512
    input_path: wiki*,books*
    is_training: true
    max_predictions_per_seq: 76
    seq_length: 512
    use_next_sentence_label: false
    use_position_id: false
    use_v2_feature_names: true
trainer:
  checkpoint_interval: 20000
  max_to_keep: 5
  optimizer_config:
    learning_rate:
      polynomial:
        cycle: false
        decay_steps: 1000000
        end_learning_rate: 0.0
        initial_learning_rate: 0.0001
        power: 1.0
      type: polynomial
    optimizer:
      type: adamw
    warmup:
      polynomial:
        power: 1
        warmup_steps: 10000
      type: polynomial
  steps_per_loop: 1000
  train_steps: 1000000
"""


# Files, flags, overrides.


def test_model_garden_yaml_is_read_under_both_names(tmp_path):
  path = config_testing.write_file(tmp_path, MODEL_GARDEN)
  one, two = (
    config_testing.parse(path, experiment=name)
    for name in experiments.NAMES[:2]
  )
  assert one.as_dict() == two.as_dict()
  encoder = one.task.model.encoder.get()
  assert encoder is one.task.model.encoder.any
  assert encoder.token_allow_list == (100, 101, 102, 103)
  assert encoder.token_deny_list == (0,)
  assert (encoder.token_keep_k, encoder.token_loss_beta) == (128, 0.99)
  assert encoder.token_loss_init_value == 11.0
  assert one.task.train_data.input_path == "wiki*,books*"


def test_no_file_and_an_empty_one_are_the_registered_experiment(tmp_path):
  params = config_testing.parse()
  registered = experiments.get("bert/token_drop")
  assert params.task == registered.task
  assert params.runtime == registered.runtime
  path = config_testing.write_file(tmp_path, "# nothing\n")
  assert config_testing.parse(path).as_dict() == params.as_dict()
  flags = config.LaunchFlags("bert/token_drop", config_file=None)
  assert config.parse(flags).as_dict() == params.as_dict()


def test_later_files_win_and_the_override_wins_over_all(tmp_path):
  one = "trainer: {train_steps: 1, steps_per_loop: 1, max_to_keep: 1}"
  two = "trainer: {steps_per_loop: 2, max_to_keep: 2}"
  files = (
    config_testing.write_file(tmp_path, one, "1.yaml"),
    config_testing.write_file(tmp_path, two, "2.yaml"),
  )
  params = config_testing.parse(*files, override="trainer.max_to_keep=3")
  trainer = params.trainer
  got = trainer.train_steps, trainer.steps_per_loop, trainer.max_to_keep
  assert got == (1, 2, 3)


@pytest.mark.parametrize(
  "override",
  [
    "trainer.train_steps=7,task.init_checkpoint=gs://bucket/ckpt",
    "trainer: {train_steps: 7}\ntask: {init_checkpoint: 'gs://bucket/ckpt'}",
    "{trainer: {train_steps: 7}, task: {init_checkpoint: 'gs://bucket/ckpt'}}",
    '{"trainer":{"train_steps":7},"task":{"init_checkpoint":"gs://bucket/ckpt"}}',
  ],
  ids=["pairs", "yaml", "flow", "json"],
)
def test_override_is_pairs_or_yaml_or_json(override):
  params = config_testing.parse(override=override)
  assert params.trainer.train_steps == 7
  assert params.task.init_checkpoint == "gs://bucket/ckpt"


def test_files_of_yaml_and_json_are_read_and_the_override_may_be_one(tmp_path):
  for text in ("trainer: {train_steps: 7}", '{"trainer": {"train_steps": 7}}'):
    path = config_testing.write_file(tmp_path, text)
    for params in (
      config_testing.parse(path),
      config_testing.parse(override=path),
    ):
      assert params.trainer.train_steps == 7


def test_override_of_a_list():
  params = config_testing.parse(override=f"{ENCODER}.token_allow_list=[3,4]")
  assert list(params.task.model.encoder.any.token_allow_list) == [3, 4]


def test_override_wins_over_the_tpu_flag_as_in_model_garden():
  assert config_testing.parse().runtime.tpu is None
  assert config_testing.parse(tpu="local").runtime.tpu == "local"
  params = config_testing.parse(tpu="local", override="runtime.tpu=other")
  assert params.runtime.tpu == "other"


def test_data_service_flag_is_for_both_data_sets():
  task = config_testing.parse(tf_data_service="grpc://a:1").task
  assert task.train_data.tf_data_service_address == "grpc://a:1"
  assert task.validation_data.tf_data_service_address == "grpc://a:1"


# Decay.


@pytest.mark.parametrize(
  ("override", "field", "steps"),
  [
    ("", "polynomial.decay_steps", 77),
    (f",{RATE}.polynomial.decay_steps=5", "polynomial.decay_steps", 5),
    (f",{RATE}.type=power_linear", "power_linear.total_decay_steps", 77),
  ],
)
def test_unset_decay_steps_are_the_train_steps(override, field, steps):
  params = config_testing.parse(override="trainer.train_steps=77" + override)
  schedule, name = field.split(".")
  rate = params.trainer.optimizer_config.learning_rate
  assert getattr(getattr(rate, schedule), name) == steps


@pytest.mark.parametrize(
  ("override", "steps"),
  [
    ("final_masking_rate=0.15", 77),
    ("final_masking_rate=0.15,task.train_data.masking_rate_steps=5", 5),
    ("masking_rate=0.3", 0),
  ],
)
def test_masking_rate_changes_over_the_train_steps(override, steps):
  override = f"trainer.train_steps=77,task.train_data.{override}"
  params = config_testing.parse(override=override)
  assert params.task.train_data.masking_rate_steps == steps


def test_constant_rate_has_no_decay():
  override = f"{RATE}.type=constant,{RATE}.constant.learning_rate=1e-3"
  params = config_testing.parse(override=override)
  rate = params.trainer.optimizer_config.learning_rate.get()
  assert rate.as_dict() == {"name": "Constant", "learning_rate": 1e-3}


@pytest.mark.parametrize(
  "name", ["bert/token_dropping", "bert", "bert/token_drop/x", "", "task"]
)
def test_unknown_experiment_is_refused(name):
  assert config_testing.refused(config_testing.flags(experiment=name)) == (
    "--experiment must be one of bert/token_drop, "
    "token_drop_bert/pretraining, bert/pretraining, bert/token_drop_glue, "
    f"bert/token_drop_squad. Received: {name!r}"
  )


def test_token_dropping_is_no_key_of_the_baseline(tmp_path):
  text = config_testing.nested(f"{ENCODER}.vocab_size", 3)
  path = config_testing.write_file(tmp_path, text)
  flags = config_testing.flags(path, experiment="bert/pretraining")
  assert config_testing.refused(flags) == (
    f"{path} must use keys of the experiment. "
    "Received: task.model.encoder.any.vocab_size=3"
  )


def test_unknown_key_in_an_override():
  flags = config_testing.flags(override="trainer.train_step=1")
  assert config_testing.refused(flags) == (
    "--params_override must use keys of the experiment; the nearest is "
    "trainer.train_steps. Received: trainer.train_step=1"
  )


@pytest.mark.parametrize(
  "override",
  [
    "trainer.train_steps=1,max_to_keep",
    "trainer.train_steps=1;trainer.max_to_keep=2",
    "/nothing/here.yaml",
    "a[0]=x",
  ],
)
def test_malformed_override_is_refused(override):
  message = config_testing.refused(config_testing.flags(override=override))
  assert message.startswith("--params_override")
  assert override.split(",")[0][:19] in message


def test_override_that_is_no_pair_and_no_file():
  assert config_testing.refused(
    config_testing.flags(override="trainer.train_steps")
  ) == (
    "--params_override must be key=value pairs with commas between them, "
    "YAML, JSON or the name of a file. Received: 'trainer.train_steps'"
  )


@pytest.mark.parametrize("override", ["{trainer: {", "{", "trainer: ]"])
def test_override_of_invalid_yaml_is_refused(override):
  message = config_testing.refused(config_testing.flags(override=override))
  assert message.startswith("--params_override must be plain YAML. ")
