# SPDX-License-Identifier: Apache-2.0
"""Tests of the way from flags to a checked config."""

import operator

import pytest

from tests import config_testing
from tests import testing
from tests.config_testing import ENCODER
from tests.config_testing import RATE
from token_dropping.tasks import experiments
from token_dropping.training import config
from token_dropping.training import field_rules

OPTIMIZER = "trainer.optimizer_config"
ADAMW, WARMUP = f"{OPTIMIZER}.optimizer.adamw", f"{OPTIMIZER}.warmup"
WARMUP_STEPS = f"{WARMUP}.polynomial.warmup_steps"
DECAY_STEPS = f"{RATE}.polynomial.decay_steps"
STRATEGY = "runtime.distribution_strategy"
POWER_STEPS = f"{RATE}.power_linear.total_decay_steps"
CONSTANT, STEPS = f"{RATE}.constant.learning_rate", "trainer.train_steps=77"
DATA, ALLOWED = "task.train_data", f"{ENCODER}.token_allow_list"
FINAL = f"{DATA}.final_masking_rate"
MASKING_STEPS = f"{DATA}.masking_rate_steps"
CLIPPINGS = ("clipnorm", "clipvalue", "global_clipnorm")
INTERVALS = ("summary_interval", "checkpoint_interval", "validation_interval")
NAMES = ("bert/token_drop", "bert/pretraining")
# As Model Garden's own token_dropping project has it.
MODEL_GARDEN = """
task:
  init_checkpoint: ''
  model:
    cls_heads: []
    encoder:
      type: any
      any: {attention_dropout_rate: 0.1, dropout_rate: 0.1,
        embedding_size: 768, hidden_activation: gelu, hidden_size: 768,
        initializer_range: 0.02, intermediate_size: 3072,
        max_position_embeddings: 512, num_attention_heads: 12,
        num_layers: 12, type_vocab_size: 2, vocab_size: 30522,
        token_allow_list: !!python/tuple [100, 101, 102, 103],
        token_deny_list: !!python/tuple [0], token_keep_k: 128,
        token_loss_beta: 0.99, token_loss_init_value: 11}
  train_data: {drop_remainder: true, global_batch_size: 512,
    input_path: 'wiki*,books*', is_training: true,
    max_predictions_per_seq: 76, seq_length: 512,
    use_next_sentence_label: false, use_position_id: false,
    use_v2_feature_names: true}
trainer:
  checkpoint_interval: 20000
  max_to_keep: 5
  optimizer_config:
    learning_rate:
      polynomial: {cycle: false, decay_steps: 1000000, power: 1.0,
        end_learning_rate: 0.0, initial_learning_rate: 0.0001}
      type: polynomial
    optimizer:
      type: adamw
    warmup:
      polynomial: {power: 1, warmup_steps: 10000}
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


def test_override_is_pairs_or_yaml_or_json_or_a_file_of_these(tmp_path):
  texts = [
    "trainer: {train_steps: 7}\ntask: {init_checkpoint: 'gs://bucket/ckpt'}",
    "{trainer: {train_steps: 7}, task: {init_checkpoint: 'gs://bucket/ckpt'}}",
    '{"trainer":{"train_steps":7},"task":{"init_checkpoint":"gs://bucket/ckpt"}}',
  ]
  pairs = "trainer.train_steps=7,task.init_checkpoint=gs://bucket/ckpt"
  results = [config_testing.parse(override=pairs)]
  for text in texts:
    path = config_testing.write_file(tmp_path, text)
    results += [
      config_testing.parse(override=text),
      config_testing.parse(override=path),
      config_testing.parse(path),
    ]
  for params in results:
    assert params.trainer.train_steps == 7
    assert params.task.init_checkpoint == "gs://bucket/ckpt"


@pytest.mark.parametrize(
  ("override", "path", "value"),
  [
    (f"{ALLOWED}=[3,4]", ALLOWED, [3, 4]),
    # Unset, they are the train steps.
    (STEPS, DECAY_STEPS, 77),
    (f"{STEPS},{DECAY_STEPS}=5", DECAY_STEPS, 5),
    (f"{STEPS},{RATE}.type=power_linear", POWER_STEPS, 77),
    (f"{RATE}.type=constant,{CONSTANT}=1e-3", CONSTANT, 1e-3),
    (f"{STEPS},{FINAL}=0.15", MASKING_STEPS, 77),
    (f"{STEPS},{FINAL}=0.15,{MASKING_STEPS}=5", MASKING_STEPS, 5),
    (f"{STEPS},{DATA}.masking_rate=0.3", MASKING_STEPS, 0),
  ],
)
def test_override_and_what_follows_from_it(override, path, value):
  params = config_testing.parse(override=override)
  assert operator.attrgetter(path)(params) == value


def test_flags_of_tpu_and_data_service():
  assert config_testing.parse().runtime.tpu is None
  params = config_testing.parse(tpu="local", tf_data_service="grpc://a:1")
  assert params.runtime.tpu == "local"
  for data in (params.task.train_data, params.task.validation_data):
    assert data.tf_data_service_address == "grpc://a:1"
  # As in Model Garden, the override wins.
  params = config_testing.parse(tpu="local", override="runtime.tpu=other")
  assert params.runtime.tpu == "other"


@pytest.mark.parametrize(
  "name", ["bert/token_dropping", "bert", "bert/token_drop/x", "", "task"]
)
def test_unknown_experiment_is_refused(name):
  assert config_testing.refused(experiment=name) == (
    "--experiment must be one of bert/token_drop, "
    "token_drop_bert/pretraining, modernbert/token_drop, bert/pretraining, "
    "gpt/token_drop, modernbert_decoder/token_drop, "
    "wmt_transformer/token_drop, "
    "bert/token_drop_glue, modernbert/token_drop_glue, bert/token_drop_squad, "
    f"modernbert/token_drop_squad. Received: {name!r}"
  )


def test_token_dropping_is_no_key_of_the_baseline():
  override = f"{ENCODER}.vocab_size=3"
  flags = {"experiment": "bert/pretraining", "override": override}
  assert config_testing.refused(**flags) == (
    f"--params_override must use keys of the experiment. Received: {override}"
  )


@pytest.mark.parametrize(
  ("override", "message"),
  [
    (
      "trainer.train_step=1",
      " must use keys of the experiment; the nearest is trainer.train_steps. "
      "Received: trainer.train_step=1",
    ),
    (
      "trainer.train_steps",
      " must be key=value pairs with commas between them, YAML, JSON or the "
      "name of a file. Received: 'trainer.train_steps'",
    ),
    ("trainer.train_steps=1,max_to_keep", "trainer.train_steps"),
    ("trainer.train_steps=1;trainer.max_to_keep=2", "trainer.train_steps"),
    ("/nothing/here.yaml", "Received: '/nothing/here.yaml'"),
    ("a[0]=x", "a[0]=x"),
    ("{trainer: {", " must be plain YAML. "),
    ("{", " must be plain YAML. "),
    ("trainer: ]", " must be plain YAML. "),
  ],
)
def test_malformed_override_is_refused(override, message):
  received = config_testing.refused(override=override)
  assert received.startswith("--params_override") and message in received


# Checks.


@pytest.mark.parametrize("name", NAMES)
def test_what_is_allowed(name):
  config_testing.check({}, name)
  config_testing.check({"trainer.validation_steps": -1}, name)
  for kind in field_rules.STRATEGIES:
    config_testing.check({STRATEGY: kind}, name)
  for field in CLIPPINGS:
    for off in (0.0, -1.0):
      changes = {f"{ADAMW}.{field}": 1.0, f"{ADAMW}.gradient_clip_norm": off}
      config_testing.check(changes, name)
  config_testing.check({"task.gradient_accumulation_steps": 2})
  config_testing.check({COMPILED: True, "trainer.steps_per_call": 2})


UNSET = f"unset unless {ADAMW}.gradient_clip_norm is 0"
COMPILED = "runtime.enable_xla"
MANY_OR_NONE_COMPILE = {
  COMPILED: False,
  "runtime.num_gpus": 2,
  "trainer.train_tf_while_loop": False,
  STRATEGY: "multi_worker_mirrored",
}
ONE_COMPILES = (
  "1 or null unless one CPU or GPU compiles its steps (runtime.enable_xla=true,"
  " trainer.train_tf_while_loop=true, one replica)"
)
OWN_WAY = ": the launcher does this in its own way, see docs/reliability.md"


@pytest.mark.parametrize(
  ("changes", "rule"),
  [
    (
      {STRATEGY: "gpu"},
      "one of off, one_device, mirrored, multi_worker_mirrored, tpu",
    ),
    ({"runtime.num_gpus": -1}, "at least 0"),
    *(
      ({f"trainer.{name}": value}, "at least 1")
      for name in ("train_steps", "steps_per_loop", *INTERVALS)
      for value in (0, -1)
    ),
    (
      {"trainer.steps_per_loop": 4, "trainer.summary_interval": 6},
      "a multiple of trainer.steps_per_loop (4)",
    ),
    ({"trainer.validation_steps": 0}, "at least 1, or -1 for all data"),
    ({"trainer.validation_steps": -2}, "at least 1, or -1 for all data"),
    *(({f"{ADAMW}.{field}": 1.0}, UNSET) for field in CLIPPINGS),
    ({"trainer.preemption_on_demand_checkpoint": True}, f"false{OWN_WAY}"),
    ({"trainer.recovery_max_trials": 0}, f"-1{OWN_WAY}"),
    (
      {"trainer.continue_from": "run", "task.init_checkpoint": "weights"},
      "unset with trainer.continue_from, which brings the weights too",
    ),
    *(
      ({COMPILED: True, key: value, "trainer.steps_per_call": 2}, ONE_COMPILES)
      for key, value in MANY_OR_NONE_COMPILE.items()
    ),
  ],
)
@pytest.mark.parametrize("name", NAMES)
def test_what_is_refused(changes, rule, name):
  *_, (field, value) = changes.items()
  received = repr(value).lower()  # true, as in YAML
  message = f"{field} must be {rule}. Received: {received}"
  assert config_testing.refused_changes(changes, name) == message


@pytest.mark.parametrize(
  ("changes", "received"),
  [
    ({WARMUP_STEPS: 9, DECAY_STEPS: 9}, 9),
    ({WARMUP_STEPS: 10, DECAY_STEPS: 9}, 10),
    ({WARMUP_STEPS: 8, DECAY_STEPS: 9}, None),
    ({f"{WARMUP}.type": None, DECAY_STEPS: 9}, None),
    ({f"{RATE}.type": "constant"}, None),
    ({f"{RATE}.type": None}, None),
  ],
)
def test_warmup_that_outlasts_the_decay_is_doubted(changes, received):
  doubt = (
    "trainer.optimizer_config: warmup_steps should be below decay_steps (9), "
    f"or the learning rate stays at its end. Received: {received}"
  )
  doubts = config.find_doubts(config_testing.changed(changes))
  assert doubts == ([doubt] if received else [])


@pytest.mark.parametrize(
  ("boundaries", "values", "message"),
  [
    ([2, 2], [0.1] * 3, "boundaries must be {} or more, and ascend"),
    ([], [0.1], "boundaries must be {} or more, and ascend"),
    ([1, 9], [0.1], "values must be {} for 2 boundaries"),
  ],
)
@pytest.mark.parametrize(
  ("kind", "least", "count"),
  [("stepwise", 1, 3), ("step_cosine_with_offset", 2, 2)],
)
def test_steps_of_a_rate_must_fit(
  boundaries, values, message, kind, least, count
):
  path = f"{RATE}.{kind}"
  changes = {
    f"{RATE}.type": kind,
    f"{path}.boundaries": boundaries,
    f"{path}.values": values,
  }
  found = config_testing.refused_changes(changes)
  message = message.format(count if "values" in message else least)
  received = values if "values" in message else boundaries
  assert found == f"{path}.{message}. Received: {received}"


def test_rate_lasts_for_the_training():
  path, steps = f"{RATE}.step_cosine_with_offset", "trainer.train_steps"
  changes = {
    f"{RATE}.type": "step_cosine_with_offset",
    f"{path}.boundaries": [2, 6],
    f"{path}.values": [0.2, 0.1],
    f"{path}.offset": 1,
  }
  config_testing.check(changes | {steps: 7})
  found = config_testing.refused_changes(changes | {steps: 8})
  assert found == (
    f"{path}.boundaries and offset must last for the 8 steps of {steps}. "
    "Received: 7 steps"
  )


def test_one_norm_is_clipped():
  path = f"{OPTIMIZER}.optimizer.sgd"
  changes = {f"{OPTIMIZER}.optimizer.type": "sgd", f"{path}.clipnorm": 2.0}
  config_testing.check(changes)
  found = config_testing.refused_changes(
    changes | {f"{path}.global_clipnorm": 1.0}
  )
  rule = f"{path}.clipnorm must be unset with {path}.global_clipnorm (1.0)"
  assert found == f"{rule}. Received: 2.0"


ACCUMULATION = "task.gradient_accumulation_steps"
EVAL_SIZE = "task.validation_data.global_batch_size"


@pytest.mark.parametrize(
  ("changes", "replicas", "field", "size", "factor"),
  [
    ({}, 8, f"{DATA}.global_batch_size", 4, "8 replicas"),
    (
      *({ACCUMULATION: 2}, 4, f"{DATA}.global_batch_size", 4),
      f"4 replicas x 2 {ACCUMULATION}",
    ),
    ({EVAL_SIZE: 6}, 4, EVAL_SIZE, 6, "4 replicas"),
  ],
)
def test_replicas_must_share_equally(changes, replicas, field, size, factor):
  params = config_testing.changed(changes)
  config.check_replicas(params, 2)
  assert testing.refused(config.check_replicas, params, replicas) == (
    f"{field} must be a multiple of {factor}. Received: {size}"
  )
