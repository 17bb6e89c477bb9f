# SPDX-License-Identifier: Apache-2.0
"""Tests of the rules of pretraining, through the public door."""

import pytest
from official.nlp.data import pretrain_dataloader

from tests import experiment_checks_testing

ENCODER = "task.model.encoder.any"
DATA = ("task.train_data", "task.validation_data")
HEAD = {"inner_dim": 8, "num_classes": 2, "name": "next_sentence"}
BEST = "trainer.best_checkpoint_eval_metric"
CHANGING = {
  "task.train_data.final_masking_rate": 0.1,
  "task.train_data.masking_rate_steps": 9,
}
OWN_RECORDS = [
  ("use_v2_feature_names", False, "true", "false"),
  ("use_position_id", True, "false", "true"),
  ("tfds_name", "lm1b", "empty", "'lm1b'"),
]
SENTENCES = {
  "task.train_data.use_next_sentence_label": True,
  "task.validation_data.use_next_sentence_label": True,
  "task.model.cls_heads": [HEAD],
}


def _refused_data(data: str) -> list[tuple[dict, str]]:
  """Returns what is refused of either data config."""
  sizes = [
    (
      {f"{data}.{name}": value},
      f"{data}.{name} must be at least 1. Received: {value}",
    )
    for name in ("global_batch_size", "seq_length", "max_predictions_per_seq")
    for value in (0, -1)
  ]
  shares = [
    (
      {f"{data}.{name}": share},
      f"{data}.{name} must be in [0, 1]. Received: {share}",
    )
    for name in ("mask_share", "random_share")
    for share in (-0.1, 1.1)
  ]
  rates = [
    (
      {f"{data}.masking_rate": rate},
      f"{data}.masking_rate must be in (0, 1). Received: {rate}",
    )
    for rate in (-0.1, 0.0, 1.0, float("nan"))
  ]
  readers = [
    (
      {f"{data}.{name}": value, f"{data}.on_bad_records": "skip"},
      f"{data}.on_bad_records must be stop with {data}.tfds_name and with "
      f"{data}.enable_tf_data_service. Received: 'skip'",
    )
    for name, value in (
      ("tfds_name", "wikipedia"),
      ("enable_tf_data_service", True),
    )
  ]
  dynamic = [
    (
      {f"{data}.masking": "dynamic", f"{data}.{name}": value},
      f"{data}.{name} must be {rule} with {data}.masking=dynamic. "
      f"Received: {received}",
    )
    for name, value, rule, received in OWN_RECORDS
  ]
  return [
    *sizes,
    *shares,
    *rates,
    *readers,
    *dynamic,
    (
      {f"{data}.max_predictions_per_seq": 17},
      f"{data}.max_predictions_per_seq must be at most {data}.seq_length (16). "
      "Received: 17",
    ),
    (
      {f"{data}.seq_length": 17},
      f"{data}.seq_length must be at most {ENCODER}.max_position_embeddings "
      "(16). Received: 17",
    ),
    (
      {f"{data}.masking": "word"},
      f"{data}.masking must be one of static, dynamic. Received: 'word'",
    ),
    (
      {f"{data}.masking_unit": "word"},
      f"{data}.masking_unit must be one of token, whole_word, span. "
      "Received: 'word'",
    ),
    (
      {f"{data}.mask_share": 0.8, f"{data}.random_share": 0.3},
      f"{data}.mask_share + {data}.random_share must be at most 1. "
      "Received: 0.8 + 0.3",
    ),
    (
      {f"{data}.max_span_words": 0},
      f"{data}.max_span_words must be at least 1. Received: 0",
    ),
    (
      {f"{data}.on_bad_records": "ignore"},
      f"{data}.on_bad_records must be one of stop, skip. Received: 'ignore'",
    ),
    (
      {f"{data}.max_bad_records": -1},
      f"{data}.max_bad_records must be at least 0. Received: -1",
    ),
    *(
      (
        {f"{data}.use_next_sentence_label": True, "task.model.cls_heads": h},
        f"{data}.use_next_sentence_label needs a head named next_sentence in "
        f"task.model.cls_heads. Received: heads {[head['name'] for head in h]}",
      )
      for h in ([], [HEAD | {"name": "other"}])
    ),
  ]


REFUSED = [
  *_refused_data(DATA[0]),
  *_refused_data(DATA[1]),
  *(
    (
      CHANGING | {"task.train_data.final_masking_rate": rate},
      f"task.train_data.final_masking_rate must be in (0, 1). Received: {rate}",
    )
    for rate in (0.0, 1.0)
  ),
  *(
    (
      CHANGING | {"task.train_data.masking_rate_steps": steps},
      "task.train_data.masking_rate_steps must be at least 1. "
      f"Received: {steps}",
    )
    for steps in (0, -1)
  ),
  (
    {"task.validation_data.final_masking_rate": 0.1},
    "task.validation_data.final_masking_rate must be unset: validation has one "
    "rate. Received: 0.1",
  ),
  (
    CHANGING | {"task.train_data.enable_tf_data_service": True},
    "task.train_data.final_masking_rate must be unset with "
    "task.train_data.enable_tf_data_service, whose workers do not know the "
    "step. Received: 0.1",
  ),
  # The encoder: its own messages are those of `dropping`, behind its path.
  *(
    (
      {f"{ENCODER}.{name}": 0},
      f"{ENCODER}.{name} must be at least 1. Received: 0",
    )
    for name in (
      "vocab_size",
      "hidden_size",
      "num_layers",
      "num_attention_heads",
      "intermediate_size",
      "max_position_embeddings",
      "type_vocab_size",
    )
  ),
  (
    {"task.model.encoder.type": "bert"},
    "task.model.encoder.type must be any. Received: 'bert'",
  ),
  (
    {f"{ENCODER}.num_attention_heads": 3},
    f"{ENCODER}.hidden_size must be a multiple of num_attention_heads (3). "
    "Received: 8",
  ),
  (
    {f"{ENCODER}.token_keep_k": 17},
    f"{ENCODER}: token_keep_k must be at most the sequence length (16). ",
  ),
  (
    {f"{ENCODER}.token_deny_list": [0, 2]},
    f"{ENCODER}: token_allow_list and token_deny_list must not share ids. ",
  ),
  (
    {f"{ENCODER}.token_allow_list": None},  # the published ids: 100 and above
    f"{ENCODER}: token_allow_list must hold ids in [0, 50), the vocabulary. "
    "Received: [100, 101, 102, 103]",
  ),
  (
    {f"{ENCODER}.vocab_file": "/nothing/vocab.txt"},
    f"{ENCODER}: vocab_file must be a readable file. ",
  ),
  (
    {f"{ENCODER}.drop.type": "skim"},
    f"{ENCODER}: drop.type must be one of skip, context, layerwise, pool. ",
  ),
  # The options of the task.
  (
    {
      f"{ENCODER}.drop.type": "pool",
      "task.keep_schedule.type": "linear",
      "task.keep_schedule.num_ratios": 3,
      "task.keep_schedule.train_steps": 9,
    },
    "task.keep_schedule.keep_ratios must be 1, 1/2, 1/4, 1/8 ... where "
    "drop.type is pool. Received: 0.75",
  ),
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
    "task.keep_schedule.full_interval (5): ",
  ),
  (
    {"task.dropped_validation": True, f"{ENCODER}.drop_at_inference": True},
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
    "task.train_data.drop_remainder is true: the last batch may have any size. "
    "Received: 2",
  ),
  (
    {"task.on_bad_numbers": "ignore"},
    "task.on_bad_numbers must be one of stop, skip. Received: 'ignore'",
  ),
  ({"task.seed": -1}, "task.seed must be at least 0. Received: -1"),
  (
    {"task.max_skipped_steps": -1},
    "task.max_skipped_steps must be at least 0. Received: -1",
  ),
  (
    {
      "task.model.cls_heads": [
        HEAD,
        HEAD | {"name": "other", "cls_token_idx": 3},
      ]
    },
    "task.model.cls_heads[1].cls_token_idx must be 0: in training the last "
    "layer is computed at position 0 and where tokens are masked. Received: 3",
  ),
  (
    {BEST: "validation_loss"},
    f"{BEST} must be one of lm_example_loss, masked_lm_accuracy. Received: "
    "'validation_loss'",
  ),
]


@pytest.mark.parametrize(("changes", "message"), REFUSED)
def test_what_is_refused(changes, message):
  refusal = experiment_checks_testing.refused(changes)
  assert refusal.startswith(message)
  assert "Received: " in refusal


ALLOWED = [
  *(
    {f"{data}.{field}": choice}
    for data in DATA
    for field, choices in (
      ("masking", ("static", "dynamic")),
      ("masking_unit", ("token", "whole_word", "span")),
      ("on_bad_records", ("stop", "skip")),
      ("max_predictions_per_seq", (16,)),
      *((name, (value,)) for name, value, _, _ in OWN_RECORDS),
    )
    for choice in choices
  ),
  *(
    {
      "task.train_data.mask_share": share,
      "task.train_data.random_share": 1 - share,
    }
    for share in (0.7, 0.1, 0.3, 0.9)
  ),
  CHANGING,
  SENTENCES,
  SENTENCES | {BEST: "next_sentence_loss"},
  {BEST: "lm_example_loss"},
  {f"{ENCODER}.token_keep_k": 16},
  {
    f"{ENCODER}.drop.type": "pool",
    "task.keep_schedule.type": "linear",
    "task.keep_schedule.num_ratios": 2,
    "task.keep_schedule.train_steps": 9,
  },
  {
    "task.semantic_consistency.interval": 10,
    "task.keep_schedule.full_interval": 4,
    "task.keep_schedule.type": "linear",
    "task.keep_schedule.train_steps": 100,
    "task.learning_rate_by_layer_tokens": True,
    "task.dropped_validation": True,
  },
]


@pytest.mark.parametrize("changes", ALLOWED)
def test_what_is_allowed(changes):
  experiment_checks_testing.check(changes)


def test_vocabulary_must_fit_the_table(tmp_path):
  path = tmp_path / "vocab.txt"
  words = [f"word{index}" for index in range(46)]
  specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
  path.write_text("\n".join([*words, *specials]))
  changes = {f"{ENCODER}.vocab_file": str(path)}
  assert experiment_checks_testing.refused(changes) == (
    f"{ENCODER}: vocab_size must be at least the 51 tokens of {path}. "
    "Received: 50"
  )


def test_baseline_has_no_rules_of_token_dropping():
  name = "bert/pretraining"
  experiment_checks_testing.check({BEST: "validation_loss"}, name)
  params = experiment_checks_testing.params(name=name)
  params.task.model.cls_heads[0].cls_token_idx = 3
  params.task.model.encoder.bert.num_attention_heads = 5
  experiment_checks_testing.check_experiment(params)


def test_model_gardens_data_has_no_rules_of_masking():
  params = experiment_checks_testing.params()
  params.task.train_data = pretrain_dataloader.BertPretrainDataConfig(
    seq_length=16, max_predictions_per_seq=3, use_next_sentence_label=False
  )
  experiment_checks_testing.check_experiment(params)


@pytest.mark.parametrize(
  ("masking", "rate", "final", "doubted"),
  [
    ("dynamic", 0.3, None, True),  # 14 tokens: round(0.3 * 14) = 4, and 3 slots
    ("dynamic", 0.1, 0.3, True),
    ("dynamic", 0.3, 0.1, True),
    ("dynamic", 0.2, None, False),
    ("static", 0.3, None, False),
  ],
)
def test_rate_without_room_for_its_predictions_is_doubted(
  masking, rate, final, doubted
):
  fields = {
    "masking": masking,
    "masking_rate": rate,
    "final_masking_rate": final,
  }
  params = experiment_checks_testing.params({"task.train_data": fields})
  doubt = (
    "task.train_data.max_predictions_per_seq should be at least 4 for a rate "
    "of 0.3, or fewer tokens are masked. Received: 3"
  )
  assert (doubt in experiment_checks_testing.find_doubts(params)) == doubted
