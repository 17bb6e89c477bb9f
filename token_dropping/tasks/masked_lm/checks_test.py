# SPDX-License-Identifier: Apache-2.0
"""Tests of the rules of pretraining, through the public door."""

import pytest
from official.nlp.data import pretrain_dataloader

from tests import experiment_checks_testing

ENCODER = "task.model.encoder.any"
HEAD = {"inner_dim": 8, "num_classes": 2, "name": "next_sentence"}

DATA = ("task.train_data", "task.validation_data")


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize(
  ("field", "choices"),
  [
    ("masking", "static, dynamic"),
    ("masking_unit", "token, whole_word, span"),
  ],
)
def test_masking_is_one_of_the_kinds(data, field, choices):
  assert experiment_checks_testing.refused({f"{data}.{field}": "word"}) == (
    f"{data}.{field} must be one of {choices}. Received: 'word'"
  )
  for choice in choices.split(", "):
    experiment_checks_testing.check_experiment(
      experiment_checks_testing.params({f"{data}.{field}": choice})
    )


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("rate", [-0.1, 0.0, 1.0, float("nan")])
def test_masking_rate_is_a_share(data, rate):
  assert experiment_checks_testing.refused({f"{data}.masking_rate": rate}) == (
    f"{data}.masking_rate must be in (0, 1). Received: {rate}"
  )


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_final_masking_rate_is_a_share(rate):
  changes = {
    "task.train_data.final_masking_rate": rate,
    "task.train_data.masking_rate_steps": 9,
  }
  assert experiment_checks_testing.refused(changes) == (
    f"task.train_data.final_masking_rate must be in (0, 1). Received: {rate}"
  )


@pytest.mark.parametrize("steps", [0, -1])
def test_changing_rate_has_steps(steps):
  changes = {
    "task.train_data.final_masking_rate": 0.1,
    "task.train_data.masking_rate_steps": steps,
  }
  assert experiment_checks_testing.refused(changes) == (
    f"task.train_data.masking_rate_steps must be at least 1. Received: {steps}"
  )


def test_rate_of_validation_does_not_change():
  assert experiment_checks_testing.refused(
    {"task.validation_data.final_masking_rate": 0.1}
  ) == (
    "task.validation_data.final_masking_rate must be unset: validation has one "
    "rate. Received: 0.1"
  )


def test_workers_of_the_data_service_have_one_rate():
  changes = {
    "task.train_data.final_masking_rate": 0.1,
    "task.train_data.masking_rate_steps": 9,
    "task.train_data.enable_tf_data_service": True,
  }
  assert experiment_checks_testing.refused(changes) == (
    "task.train_data.final_masking_rate must be unset with "
    "task.train_data.enable_tf_data_service, whose workers do not know the "
    "step. Received: 0.1"
  )


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("field", ["mask_share", "random_share"])
@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_shares_are_shares(data, field, share):
  assert experiment_checks_testing.refused({f"{data}.{field}": share}) == (
    f"{data}.{field} must be in [0, 1]. Received: {share}"
  )


@pytest.mark.parametrize("data", DATA)
def test_shares_are_at_most_everything(data):
  changes = {f"{data}.mask_share": 0.8, f"{data}.random_share": 0.3}
  assert experiment_checks_testing.refused(changes) == (
    f"{data}.mask_share + {data}.random_share must be at most 1. "
    "Received: 0.8 + 0.3"
  )


@pytest.mark.parametrize("share", [0.7, 0.1, 0.3, 0.9])
def test_shares_may_be_everything(share):
  changes = {
    "task.train_data.mask_share": share,
    "task.train_data.random_share": 1 - share,
  }
  experiment_checks_testing.check_experiment(
    experiment_checks_testing.params(changes)
  )


@pytest.mark.parametrize("data", DATA)
def test_spans_have_a_word(data):
  assert experiment_checks_testing.refused({f"{data}.max_span_words": 0}) == (
    f"{data}.max_span_words must be at least 1. Received: 0"
  )


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize(
  ("field", "value", "rule", "received"),
  [
    ("use_v2_feature_names", False, "true", "false"),
    ("use_position_id", True, "false", "true"),
    ("tfds_name", "lm1b", "empty", "'lm1b'"),
  ],
)
def test_dynamic_masking_reads_its_own_records(
  data, field, value, rule, received
):
  assert experiment_checks_testing.refused(
    {f"{data}.masking": "dynamic", f"{data}.{field}": value}
  ) == (
    f"{data}.{field} must be {rule} with {data}.masking=dynamic. "
    f"Received: {received}"
  )
  experiment_checks_testing.check_experiment(
    experiment_checks_testing.params({f"{data}.{field}": value})
  )


def test_model_gardens_data_has_no_rules_of_masking():
  params = experiment_checks_testing.params()
  params.task.train_data = pretrain_dataloader.BertPretrainDataConfig(
    seq_length=16, max_predictions_per_seq=3, use_next_sentence_label=False
  )
  experiment_checks_testing.check_experiment(params)


@pytest.mark.parametrize(
  ("rate", "final"), [(0.3, None), (0.1, 0.3), (0.3, 0.1)]
)
def test_rate_without_room_for_its_predictions_is_doubted(rate, final):
  data = {"masking": "dynamic", "masking_rate": rate}
  # 14 tokens: round(0.3 * 14) = 4, and 3 slots.
  params = experiment_checks_testing.params(
    {"task.train_data": data | {"final_masking_rate": final}}
  )
  assert (
    "task.train_data.max_predictions_per_seq should be at least 4 for a rate "
    "of 0.3, or fewer tokens are masked. Received: 3"
  ) in experiment_checks_testing.find_doubts(params)


def test_rate_with_room_or_static_is_not_doubted():
  dynamic = {"task.train_data": {"masking": "dynamic", "masking_rate": 0.2}}
  static = {"task.train_data": {"masking_rate": 0.3}}
  usual = experiment_checks_testing.find_doubts(
    experiment_checks_testing.params()
  )
  for changes in (dynamic, static):
    assert (
      experiment_checks_testing.find_doubts(
        experiment_checks_testing.params(changes)
      )
      == usual
    )


# Bad records.


@pytest.mark.parametrize("data", DATA)
def test_bad_records_stop_the_run_or_are_skipped(data):
  assert experiment_checks_testing.refused(
    {f"{data}.on_bad_records": "ignore"}
  ) == (f"{data}.on_bad_records must be one of stop, skip. Received: 'ignore'")
  for choice in ("stop", "skip"):
    experiment_checks_testing.check_experiment(
      experiment_checks_testing.params({f"{data}.on_bad_records": choice})
    )


@pytest.mark.parametrize("data", DATA)
def test_number_of_skipped_records_is_not_negative(data):
  assert experiment_checks_testing.refused({f"{data}.max_bad_records": -1}) == (
    f"{data}.max_bad_records must be at least 0. Received: -1"
  )


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize(
  "reader", [{"tfds_name": "wikipedia"}, {"enable_tf_data_service": True}]
)
def test_records_that_others_read_are_not_skipped(data, reader):
  changes = {f"{data}.{name}": value for name, value in reader.items()}
  changes[f"{data}.on_bad_records"] = "skip"
  assert experiment_checks_testing.refused(changes) == (
    f"{data}.on_bad_records must be stop with {data}.tfds_name and with "
    f"{data}.enable_tf_data_service. Received: 'skip'"
  )


@pytest.mark.parametrize(
  ("changes", "message"),
  [
    (
      {"task.keep_schedule.full_interval": 1},
      "task.keep_schedule.full_interval must be 0 or at least 2. Received: 1",
    ),
    (
      {"task.semantic_consistency.interval": -10},
      "task.semantic_consistency.interval must be at least 0. Received: -10",
    ),
    (
      {
        "task.semantic_consistency.interval": 10,
        "task.keep_schedule.full_interval": 5,
      },
      "task.semantic_consistency.interval must not be a multiple of "
      "task.keep_schedule.full_interval (5): those steps drop nothing. "
      "Received: 10",
    ),
    (
      {
        "task.dropped_validation": True,
        f"{ENCODER}.drop_at_inference": True,
      },
      "task.dropped_validation must be false with "
      f"{ENCODER}.drop_at_inference, which drops in every evaluation. "
      "Received: true",
    ),
    (
      {"task.learning_rate_by_layer_tokens": True},
      "task.learning_rate_by_layer_tokens must be false unless "
      "task.keep_schedule changes the number of tokens in the course of "
      "training. Received: true",
    ),
  ],
)
def test_options_of_training_that_cannot_be(changes, message):
  assert experiment_checks_testing.refused(changes) == message


def test_options_of_training_go_together():
  experiment_checks_testing.check_experiment(
    experiment_checks_testing.params(
      {
        "task.semantic_consistency.interval": 10,
        "task.keep_schedule.full_interval": 4,
        "task.keep_schedule.type": "linear",
        "task.keep_schedule.train_steps": 100,
        "task.learning_rate_by_layer_tokens": True,
        "task.dropped_validation": True,
      }
    )
  )


BEST = "trainer.best_checkpoint_eval_metric"


def test_the_best_checkpoint_is_by_what_is_evaluated():
  assert experiment_checks_testing.refused({BEST: "validation_loss"}) == (
    f"{BEST} must be one of lm_example_loss, masked_lm_accuracy. Received: "
    "'validation_loss'"
  )
  sentences = {
    "task.train_data.use_next_sentence_label": True,
    "task.model.cls_heads": [HEAD],
  }
  for changes, name in (
    ({BEST: "lm_example_loss"}, "bert/token_drop"),
    (sentences | {BEST: "next_sentence_loss"}, "bert/token_drop"),
    ({BEST: "validation_loss"}, "bert/pretraining"),
  ):
    experiment_checks_testing.check_experiment(
      experiment_checks_testing.params(changes, name)
    )
