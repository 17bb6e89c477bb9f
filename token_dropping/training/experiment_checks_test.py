# SPDX-License-Identifier: Apache-2.0
"""Tests of every rule that needs no data and no device."""

import pytest

from tests import experiment_checks_testing
from tests import testing
from token_dropping.common import errors
from token_dropping.training import experiment_checks

ENCODER = "task.model.encoder.any"
HEAD = {"inner_dim": 8, "num_classes": 2, "name": "next_sentence"}


def test_tiny_experiment_is_consistent():
  experiment_checks.check_experiment(experiment_checks_testing.params())


@pytest.mark.parametrize("kind", experiment_checks.STRATEGIES)
def test_every_strategy_of_model_garden_is_one(kind):
  params = experiment_checks_testing.params(
    {"runtime.distribution_strategy": kind}
  )
  experiment_checks.check_experiment(params)


def test_other_strategies_are_refused():
  assert experiment_checks_testing.refused(
    {"runtime.distribution_strategy": "gpu"}
  ) == (
    "runtime.distribution_strategy must be one of off, one_device, mirrored, "
    "multi_worker_mirrored, parameter_server, tpu. Received: 'gpu'"
  )


def test_negative_gpus_are_refused():
  assert experiment_checks_testing.refused({"runtime.num_gpus": -1}) == (
    "runtime.num_gpus must be at least 0. Received: -1"
  )


@pytest.mark.parametrize("value", [0, -1])
@pytest.mark.parametrize(
  "field",
  [
    "trainer.train_steps",
    "trainer.steps_per_loop",
    "trainer.summary_interval",
    "trainer.checkpoint_interval",
    "trainer.validation_interval",
    "task.train_data.global_batch_size",
    "task.train_data.seq_length",
    "task.train_data.max_predictions_per_seq",
    "task.validation_data.global_batch_size",
    "task.validation_data.seq_length",
    "task.validation_data.max_predictions_per_seq",
    f"{ENCODER}.vocab_size",
    f"{ENCODER}.hidden_size",
    f"{ENCODER}.num_layers",
    f"{ENCODER}.num_attention_heads",
    f"{ENCODER}.intermediate_size",
    f"{ENCODER}.max_position_embeddings",
    f"{ENCODER}.type_vocab_size",
  ],
)
def test_counts_must_be_positive(field, value):
  assert experiment_checks_testing.refused({field: value}) == (
    f"{field} must be at least 1. Received: {value}"
  )


def test_summaries_are_at_the_end_of_loops():
  assert experiment_checks_testing.refused(
    {"trainer.steps_per_loop": 4, "trainer.summary_interval": 6}
  ) == (
    "trainer.summary_interval must be a multiple of trainer.steps_per_loop "
    "(4). Received: 6"
  )


@pytest.mark.parametrize("steps", [0, -2])
def test_validation_steps_are_refused(steps):
  assert experiment_checks_testing.refused(
    {"trainer.validation_steps": steps}
  ) == (
    "trainer.validation_steps must be at least 1, or -1 for all data. "
    f"Received: {steps}"
  )


def test_validation_may_read_all_data():
  params = experiment_checks_testing.params({"trainer.validation_steps": -1})
  experiment_checks.check_experiment(params)


@pytest.mark.parametrize("name", ["train_data", "validation_data"])
def test_predictions_must_fit_the_sequence(name):
  field = f"task.{name}.max_predictions_per_seq"
  assert experiment_checks_testing.refused({field: testing.SEQ_LENGTH + 1}) == (
    f"{field} must be at most task.{name}.seq_length (16). Received: 17"
  )
  experiment_checks.check_experiment(
    experiment_checks_testing.params({field: testing.SEQ_LENGTH})
  )


@pytest.mark.parametrize("name", ["train_data", "validation_data"])
def test_sequence_must_fit_the_position_embeddings(name):
  field = f"task.{name}.seq_length"
  assert experiment_checks_testing.refused({field: 17}) == (
    f"{field} must be at most {ENCODER}.max_position_embeddings (16). "
    "Received: 17"
  )


def test_encoder_must_be_ours():
  assert experiment_checks_testing.refused(
    {"task.model.encoder.type": "bert"}
  ) == ("task.model.encoder.type must be any. Received: 'bert'")


def test_heads_must_share_the_hidden_size():
  assert experiment_checks_testing.refused(
    {f"{ENCODER}.num_attention_heads": 3}
  ) == (
    f"{ENCODER}.hidden_size must be a multiple of num_attention_heads (3). "
    "Received: 8"
  )


@pytest.mark.parametrize(
  ("fields", "message"),
  [
    (
      {"token_keep_ratio": 1.5},
      "token_keep_ratio must be in (0, 1]. Received: 1.5",
    ),
    (
      {"token_keep_ratio": 0.5, "token_keep_k": 4},
      "token_keep_ratio and token_keep_k must not both be set. Received: "
      "token_keep_ratio=0.5, token_keep_k=4",
    ),
    ({"token_keep_k": 0}, "token_keep_k must be at least 1. Received: 0"),
    (
      {"token_keep_k": 17},
      "token_keep_k must be at most the sequence length (16). Received: 17",
    ),
    (
      {"drop_layer": 2},
      "drop_layer must be in [0, 1] for 3 layers: the last layer sees all "
      "tokens. Received: 2",
    ),
    (
      {"drop_layer": 1, "restore_layer": 1},
      "restore_layer must be in [2, 2], after drop_layer and inside the "
      "network. Received: 1",
    ),
    (
      {"token_allow_list": [50]},
      "token_allow_list must hold ids in [0, 50), the vocabulary. "
      "Received: [50]",
    ),
    (
      {"token_deny_list": [-1, 0]},
      "token_deny_list must hold ids in [0, 50), the vocabulary. "
      "Received: [-1]",
    ),
    (
      {"token_deny_list": [0, 2]},
      "token_allow_list and token_deny_list must not share ids. "
      "Received: [2] in both",
    ),
    (
      {"token_loss_beta": 1.0},
      "token_loss_beta must be in [0, 1). Received: 1.0",
    ),
    (
      {"vocab_file": "/nothing/vocab.txt"},
      "vocab_file must be a readable file. Received: '/nothing/vocab.txt'",
    ),
    (
      {"token_allow_list": None},  # the published ids: 100 and above
      "token_allow_list must hold ids in [0, 50), the vocabulary. "
      "Received: [100, 101, 102, 103]",
    ),
  ],
  ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_rules_of_token_dropping(fields, message):
  changes = {f"{ENCODER}.{name}": value for name, value in fields.items()}
  assert experiment_checks_testing.refused(changes) == f"{ENCODER}: {message}"


def test_vocabulary_must_fit_the_table(tmp_path):
  path = tmp_path / "vocab.txt"
  words = [f"word{index}" for index in range(46)]
  path.write_text("\n".join([*words, "[PAD]", "[UNK]", "[CLS]", "[SEP]"]))
  with path.open("a") as file:
    file.write("\n[MASK]\n")
  assert experiment_checks_testing.refused(
    {f"{ENCODER}.vocab_file": str(path)}
  ) == (
    f"{ENCODER}: vocab_size must be at least the 51 tokens of {path}. "
    "Received: 50"
  )


def test_all_tokens_may_stay():
  params = experiment_checks_testing.params(
    {f"{ENCODER}.token_keep_k": testing.SEQ_LENGTH}
  )
  experiment_checks.check_experiment(params)


@pytest.mark.parametrize("heads", [[], [HEAD | {"name": "other"}]])
@pytest.mark.parametrize("name", ["train_data", "validation_data"])
def test_sentence_labels_need_their_head(name, heads):
  changes = {
    f"task.{name}.use_next_sentence_label": True,
    "task.model.cls_heads": heads,
  }
  assert experiment_checks_testing.refused(changes) == (
    f"task.{name}.use_next_sentence_label needs a head named next_sentence in "
    f"task.model.cls_heads. Received: heads {[h['name'] for h in heads]}"
  )


def test_sentence_labels_with_their_head():
  changes = {
    "task.train_data.use_next_sentence_label": True,
    "task.validation_data.use_next_sentence_label": True,
    "task.model.cls_heads": [HEAD],
  }
  experiment_checks.check_experiment(experiment_checks_testing.params(changes))


def test_heads_read_position_0():
  heads = [HEAD, HEAD | {"name": "other", "cls_token_idx": 3}]
  assert experiment_checks_testing.refused({"task.model.cls_heads": heads}) == (
    "task.model.cls_heads[1].cls_token_idx must be 0: in training the last "
    "layer is computed at position 0 and where tokens are masked. Received: 3"
  )


def test_baseline_has_the_common_rules():
  name = "bert/pretraining"
  experiment_checks.check_experiment(
    experiment_checks_testing.params(name=name)
  )
  assert experiment_checks_testing.refused(
    {"trainer.train_steps": 0}, name
  ) == ("trainer.train_steps must be at least 1. Received: 0")


def test_baseline_has_no_rules_of_token_dropping():
  params = experiment_checks_testing.params(name="bert/pretraining")
  params.task.model.cls_heads[0].cls_token_idx = 3
  params.task.model.encoder.bert.num_attention_heads = 5
  experiment_checks.check_experiment(params)


WARMUP = "trainer.optimizer_config.warmup"
RATE = "trainer.optimizer_config.learning_rate"


@pytest.mark.parametrize("warmup", [9, 10])
def test_warmup_that_outlasts_the_decay_is_doubted(warmup):
  params = experiment_checks_testing.params(
    {
      f"{WARMUP}.polynomial.warmup_steps": warmup,
      f"{RATE}.polynomial.decay_steps": 9,
    }
  )
  assert experiment_checks.find_doubts(params) == [
    "trainer.optimizer_config: warmup_steps should be below decay_steps (9), "
    f"or the learning rate stays at its end. Received: {warmup}"
  ]


@pytest.mark.parametrize(
  "changes",
  [
    {
      f"{WARMUP}.polynomial.warmup_steps": 8,
      f"{RATE}.polynomial.decay_steps": 9,
    },
    {f"{WARMUP}.type": None, f"{RATE}.polynomial.decay_steps": 9},
    {f"{RATE}.type": "constant"},
    {f"{RATE}.type": None},
  ],
)
def test_ordinary_schedules_are_not_doubted(changes):
  assert (
    experiment_checks.find_doubts(experiment_checks_testing.params(changes))
    == []
  )


@pytest.mark.parametrize(
  ("mode", "paths"),
  [
    ("train", ["task.train_data"]),
    ("eval", ["task.validation_data"]),
    ("continuous_eval", ["task.validation_data"]),
    ("train_and_eval", ["task.train_data", "task.validation_data"]),
    ("train_and_post_eval", ["task.train_data", "task.validation_data"]),
  ],
)
def test_used_data_by_mode(mode, paths):
  params = experiment_checks_testing.params()
  used = experiment_checks.used_data(params, mode)
  assert list(used) == paths
  for path, data in used.items():
    assert data is getattr(params.task, path.removeprefix("task."))


@pytest.mark.parametrize(
  ("changes", "message"),
  [
    (
      {"task.gradient_accumulation_steps": 0},
      "task.gradient_accumulation_steps must be at least 1. Received: 0",
    ),
    (
      {"task.gradient_accumulation_steps": 3},
      "task.gradient_accumulation_steps must divide "
      "task.train_data.global_batch_size (4). Received: 3",
    ),
    (
      {
        "task.gradient_accumulation_steps": 2,
        "task.train_data.drop_remainder": False,
      },
      "task.gradient_accumulation_steps must be 1 unless "
      "task.train_data.drop_remainder is true: the last batch may have any "
      "size. Received: 2",
    ),
  ],
)
def test_slices_must_be_equal(changes, message):
  assert experiment_checks_testing.refused(changes) == message


@pytest.mark.parametrize(
  ("changes", "replicas", "message"),
  [
    (
      {},
      8,
      "task.train_data.global_batch_size must be a multiple of 8 replicas. "
      "Received: 4",
    ),
    (
      {"task.gradient_accumulation_steps": 4},
      2,
      "task.train_data.global_batch_size must be a multiple of 2 replicas x 4 "
      "task.gradient_accumulation_steps. Received: 4",
    ),
    (
      {"task.validation_data.global_batch_size": 3},
      2,
      "task.validation_data.global_batch_size must be a multiple of 2 "
      "replicas. Received: 3",
    ),
  ],
)
def test_replicas_must_share_equally(changes, replicas, message):
  with pytest.raises(errors.UserError) as caught:
    experiment_checks.check_replicas(
      experiment_checks_testing.params(changes), replicas
    )
  assert str(caught.value) == message


def test_slices_that_divide_pass():
  params = experiment_checks_testing.params(
    {"task.gradient_accumulation_steps": 2}
  )
  experiment_checks.check_experiment(params)
  experiment_checks.check_replicas(params, 2)


@pytest.mark.parametrize("name", ["clipnorm", "clipvalue", "global_clipnorm"])
def test_gradients_are_clipped_in_one_way(name):
  path = "trainer.optimizer_config.optimizer.adamw"
  assert experiment_checks_testing.refused({f"{path}.{name}": 1.0}) == (
    f"{path}.{name} must be unset unless {path}.gradient_clip_norm is 0. "
    "Received: 1.0"
  )
  params = experiment_checks_testing.params(
    {f"{path}.{name}": 1.0, f"{path}.gradient_clip_norm": 0.0}
  )
  experiment_checks.check_experiment(params)


def test_drop_type_must_be_one():
  assert experiment_checks_testing.refused(
    {f"{ENCODER}.drop.type": "skim"}
  ) == (
    f"{ENCODER}: drop.type must be one of skip, context, layerwise, pool. "
    "Received: 'skim'"
  )


def test_a_schedule_must_pool_whole_groups():
  changes = {
    f"{ENCODER}.drop.type": "pool",
    "task.keep_schedule.type": "linear",
    "task.keep_schedule.num_ratios": 3,
    "task.keep_schedule.train_steps": 9,
  }
  assert experiment_checks_testing.refused(changes) == (
    "task.keep_schedule.keep_ratios must be 1, 1/2, 1/4, 1/8 ... where "
    "drop.type is pool. Received: 0.75"
  )
  changes["task.keep_schedule.num_ratios"] = 2
  params = experiment_checks_testing.params(changes)
  experiment_checks.check_experiment(params)


@pytest.mark.parametrize(
  ("field", "value", "off", "shown"),
  [
    ("preemption_on_demand_checkpoint", True, "false", "true"),
    ("recovery_max_trials", 0, "-1", "0"),
  ],
)
def test_what_the_launcher_does_itself_is_refused(field, value, off, shown):
  assert experiment_checks_testing.refused({f"trainer.{field}": value}) == (
    f"trainer.{field} must be {off}: the launcher does this in its own way, "
    f"see docs/reliability.md. Received: {shown}"
  )
