# SPDX-License-Identifier: Apache-2.0
"""Tests of the rules of pretraining, through the public door."""

import pytest
import yaml
from official.nlp.data import pretrain_dataloader

from tests import config_testing
from tests import testing

ENCODER = "task.model.encoder.any"
DATA = ("task.train_data", "task.validation_data")
HEAD = {"inner_dim": 8, "num_classes": 2, "name": "next_sentence"}
OPTIMIZER = "trainer.optimizer_config"
BEST = "trainer.best_checkpoint_eval_metric"
SENTENCES = {f"{data}.use_next_sentence_label": True for data in DATA}
SKIPPING = (
  "on_bad_records must be stop with {0}.tfds_name and with "
  "{0}.enable_tf_data_service. Received: 'skip'"
)


def _changes(text: str, path: str) -> dict:
  """Returns `a=1,b.c=2` as values by dotted path, below a path."""
  pairs = (pair.split("=") for pair in text.split(","))
  return {f"{path}.{name}": yaml.safe_load(value) for name, value in pairs}


# Of both data configs, {0}; each message begins with its path and a dot.
REFUSED_DATA = {
  "global_batch_size=0": "global_batch_size must be in [1, 10000000]. ",
  "seq_length=-1": "seq_length must be at least 1. Received: -1",
  "max_predictions_per_seq=0": "max_predictions_per_seq must be at least 1.",
  "max_predictions_per_seq=17": "max_predictions_per_seq must be at most {0}."
  "seq_length (16). Received: 17",
  "seq_length=17": f"seq_length must be at most {ENCODER}."
  "max_position_embeddings (16). Received: 17",
  "masking=x": "masking must be one of static, dynamic. Received: 'x'",
  "masking_unit=x": "masking_unit must be one of token, whole_word, span.",
  "masking_rate=-0.1": "masking_rate must be in (0, 1). Received: -0.1",
  "masking_rate=0.0": "masking_rate must be in (0, 1). Received: 0.0",
  "masking_rate=1.0": "masking_rate must be in (0, 1). Received: 1.0",
  "masking_rate=.nan": "masking_rate must be in (0, 1). Received: nan",
  "mask_share=-0.1": "mask_share must be in [0, 1]. Received: -0.1",
  "mask_share=1.1": "mask_share must be in [0, 1]. Received: 1.1",
  "random_share=-0.1": "random_share must be in [0, 1]. Received: -0.1",
  "random_share=1.1": "random_share must be in [0, 1]. Received: 1.1",
  "mask_share=0.8,random_share=0.3": "mask_share + {0}.random_share must be at "
  "most 1. Received: 0.8 + 0.3",
  "max_span_words=0": "max_span_words must be at least 1. Received: 0",
  "masking=dynamic,use_v2_feature_names=false": "use_v2_feature_names must be "
  "true with {0}.masking=dynamic. Received: false",
  "masking=dynamic,use_position_id=true": "use_position_id must be false with "
  "{0}.masking=dynamic. Received: true",
  "masking=dynamic,tfds_name=lm1b": "tfds_name must be empty with "
  "{0}.masking=dynamic. Received: 'lm1b'",
  "on_bad_records=x": "on_bad_records must be one of stop, skip. Received: ",
  "max_bad_records=-1": "max_bad_records must be at least 0. Received: -1",
  "on_bad_records=skip,tfds_name=wikipedia": SKIPPING,
  "on_bad_records=skip,enable_tf_data_service=true": SKIPPING,
  "use_next_sentence_label=true": "use_next_sentence_label needs a head named "
  "next_sentence in task.model.cls_heads. Received: heads []",
}
RATE = "train_data.final_masking_rate"
CHANGING = f"{RATE}=0.1,train_data.masking_rate_steps=9"
SLICES = "gradient_accumulation_steps"
ANY = "model.encoder.any"
# Of the task; each message begins with `task.`. The messages of `dropping` come
# behind the path of the encoder.
REFUSED = {
  **{
    f"{ANY}.{name}=0": f"{ANY}.{name} must be in [1, "
    for name in (*testing.SIZES, "type_vocab_size")
    if name != "vocab_size"
  },
  f"{ANY}.vocab_size=0": f"{ANY}.vocab_size must be in [2, ",
  f"{CHANGING},{RATE}=0.0": f"{RATE} must be in (0, 1). Received: 0.0",
  f"{CHANGING},{RATE}=1.0": f"{RATE} must be in (0, 1). Received: 1.0",
  f"{CHANGING},train_data.masking_rate_steps=0": "train_data."
  "masking_rate_steps must be at least 1. Received: 0",
  "validation_data.final_masking_rate=0.1": "validation_data."
  "final_masking_rate must be unset: validation has one rate. Received: 0.1",
  f"{CHANGING},train_data.enable_tf_data_service=true": f"{RATE} must be unset "
  "with task.train_data.enable_tf_data_service, whose workers do not know the "
  "step. Received: 0.1",
  "model.encoder.type=bert": "model.encoder.type must be any. Received: 'bert'",
  f"{ANY}.num_attention_heads=3": f"{ANY}.hidden_size must be a multiple of "
  "num_attention_heads (3). Received: 8",
  f"{ANY}.token_keep_k=17": f"{ANY}: token_keep_k must be at most the sequence "
  "length (16).",
  f"{ANY}.token_keep_k=9,{ANY}.drop_at_inference=true,validation_data.seq_length"
  "=8": f"{ANY}.token_keep_k must be at most the sequence length (8). Received",
  f"{ANY}.token_allow_list=[50]": f"{ANY}: token_allow_list must hold ids in "
  "[0, 50), the vocabulary. Received: [50]",
  f"{ANY}.drop.type=pool,keep_schedule.type=linear,"
  "keep_schedule.num_ratios=3,keep_schedule.train_steps=9": "keep_schedule."
  "keep_ratios must be 1, 1/2, 1/4, 1/8 ... where drop.type is pool. "
  "Received: 0.75",
  "keep_schedule.full_interval=1": "keep_schedule.full_interval must be 0 or "
  "at least 2. Received: 1",
  "semantic_consistency.interval=-10": "semantic_consistency.interval must be "
  "at least 0. Received: -10",
  f"dropped_validation=true,{ANY}.drop_at_inference=true": "dropped_validation "
  "must be false with task.model.encoder.any.drop_at_inference, which drops in "
  "every evaluation. Received: true",
  "learning_rate_by_layer_tokens=true": "learning_rate_by_layer_tokens must be "
  "false unless task.keep_schedule changes the number of tokens in the course "
  "of training. Received: true",
  f"{SLICES}=0": f"{SLICES} must be at least 1. Received: 0",
  f"{SLICES}=3": f"{SLICES} must divide task.train_data.global_batch_size (4). "
  "Received: 3",
  f"{SLICES}=2,train_data.drop_remainder=false": f"{SLICES} must be 1 unless "
  "task.train_data.drop_remainder is true: the last batch may have any size. "
  "Received: 2",
  "on_bad_numbers=x": "on_bad_numbers must be one of stop, skip. Received: ",
  "differential_privacy_config.noise_multiplier=1.0": "differential_privacy_"
  "config must be null: no noise is added. Received: Diff",
  "seed=-1": "seed must be at least 0. Received: -1",
  "max_skipped_steps=-1": "max_skipped_steps must be at least 0. Received: ",
}


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize(("text", "message"), REFUSED_DATA.items())
def test_what_is_refused_of_data(data, text, message):
  refusal = config_testing.refused_changes(_changes(text, data))
  assert refusal.startswith(f"{data}.{message}".format(data))


@pytest.mark.parametrize(("text", "message"), REFUSED.items())
def test_what_is_refused(text, message):
  refusal = config_testing.refused_changes(_changes(text, "task"))
  assert refusal.startswith(f"task.{message}")


@pytest.mark.parametrize(
  ("changes", "message"),
  [
    (
      {"task.model.cls_heads": [HEAD, HEAD | {"cls_token_idx": 3}]},
      "task.model.cls_heads[1].cls_token_idx must be 0: in training the last "
      "layer is computed at position 0 and where tokens are masked. Received: "
      "3",
    ),
    (
      SENTENCES | {"task.model.cls_heads": [HEAD | {"name": "other"}]},
      "task.train_data.use_next_sentence_label needs a head named "
      "next_sentence in task.model.cls_heads. Received: heads ['other']",
    ),
    (
      {
        "task.learning_rate_by_layer_tokens": True,
        "task.keep_schedule.type": "linear",
        "task.keep_schedule.train_steps": 100,
        f"{OPTIMIZER}.learning_rate.type": "constant",
        f"{OPTIMIZER}.warmup.type": None,
      },
      "task.learning_rate_by_layer_tokens must be false where "
      f"{OPTIMIZER} has no schedule of the learning rate. Received: true, with "
      "learning_rate.type constant",
    ),
    (
      {BEST: "validation_loss"},
      f"{BEST} must be one of lm_example_loss, masked_lm_accuracy. Received: "
      "'validation_loss'",
    ),
  ],
)
def test_options_that_do_not_go_together_are_refused(changes, message):
  assert config_testing.refused_changes(changes) == message


@pytest.mark.parametrize(
  "changes",
  [
    *(
      _changes(text, data)
      for data in DATA
      for text in (
        "masking=static,masking_unit=token,on_bad_records=skip",
        "masking=dynamic,masking_unit=whole_word,max_predictions_per_seq=16",
        "masking=dynamic,masking_unit=span",
        "use_v2_feature_names=false,use_position_id=true,tfds_name=lm1b",
        *(
          f"mask_share={share},random_share={1 - share}"
          for share in (0.7, 0.1, 0.3, 0.9)
        ),
      )
    ),
    *(
      _changes(text, "task")
      for text in (
        f"{CHANGING},{ANY}.token_keep_k=16",
        f"{ANY}.drop.type=pool,keep_schedule.type=linear,"
        "keep_schedule.num_ratios=2,keep_schedule.train_steps=9",
        "semantic_consistency.interval=10,keep_schedule.full_interval=4,"
        "keep_schedule.type=linear,keep_schedule.train_steps=100,"
        "learning_rate_by_layer_tokens=true,dropped_validation=true",
      )
    ),
    {BEST: "lm_example_loss"},
    SENTENCES | {BEST: "next_sentence_loss", "task.model.cls_heads": [HEAD]},
  ],
)
def test_what_is_allowed(changes):
  config_testing.check(changes)


def test_vocabulary_must_fit_the_table(tmp_path):
  path = tmp_path / "vocab.txt"
  path.write_text("\n".join([*testing.TOKENS, "another"]))
  changes = {f"{ENCODER}.vocab_file": str(path)}
  assert config_testing.refused_changes(changes) == (
    f"{ENCODER}: vocab_size must be at least the 51 tokens of {path}. "
    "Received: 50"
  )


def test_baseline_has_no_rules_of_token_dropping():
  name = "bert/pretraining"
  config_testing.check({BEST: "validation_loss"}, name)
  params = config_testing.changed(name=name)
  params.task.model.cls_heads[0].cls_token_idx = 3
  params.task.model.encoder.bert.num_attention_heads = 5
  config_testing.check_experiment(params)


@pytest.mark.parametrize(
  ("field", "value", "message"),
  [
    ("type", None, "type must be set. Received: null"),
    ("bert.hidden_size", 8, "at least num_attention_heads (12). Received: 8"),
    ("bert.max_position_embeddings", 9, "_embeddings (9). Received: 16"),
  ],
)
def test_sizes_of_the_baseline(field, value, message):
  changes = {f"task.model.encoder.{field}": value}
  found = config_testing.refused_changes(changes, "bert/pretraining")
  assert found.endswith(message)


def test_model_gardens_data_has_no_rules_of_masking():
  params = config_testing.changed()
  params.task.train_data = pretrain_dataloader.BertPretrainDataConfig(
    seq_length=16, max_predictions_per_seq=3, use_next_sentence_label=False
  )
  config_testing.check_experiment(params)


@pytest.mark.parametrize(
  ("text", "doubted"),
  [
    # 14 tokens: round(0.3 * 14) = 4, and 3 slots.
    ("masking=dynamic,masking_rate=0.3", True),
    ("masking=dynamic,masking_rate=0.1,final_masking_rate=0.3", True),
    ("masking=dynamic,masking_rate=0.3,final_masking_rate=0.1", True),
    ("masking=dynamic,masking_rate=0.2", False),
    ("masking=static,masking_rate=0.3", False),
  ],
)
def test_rate_without_room_for_its_predictions_is_doubted(text, doubted):
  changes = _changes(text, "task.train_data")
  params = config_testing.changed(changes)
  doubt = (
    "task.train_data.max_predictions_per_seq should be at least 4 for a rate "
    "of 0.3, or fewer tokens are masked. Received: 3"
  )
  assert (doubt in config_testing.find_doubts(params)) == doubted


@pytest.mark.parametrize(
  ("field", "value", "kind"),
  [
    ("task.keep_schedule.final_keep_ratio", 0.75, ("constant", "linear")),
    ("task.keep_schedule.num_ratios", 3, ("constant", "linear")),
    (
      "task.keep_schedule.steps",
      [{"step": 1, "keep_ratios": [1.0]}],
      ("linear", "steps"),
    ),
    (
      f"{config_testing.ENCODER}.importance.temperature",
      0.5,
      ("mlm_loss_random", "mlm_loss_noise"),
    ),
  ],
)
def test_what_the_type_does_not_read_is_doubted(field, value, kind):
  path, _, _ = field.rpartition(".")
  other, own = (
    config_testing.find_doubts(
      config_testing.changed({field: value, f"{path}.type": name})
    )
    for name in kind
  )
  assert own == []
  (doubt,) = other
  rule = f"{field} should be unset with {path}.type={kind[0]}, which does not "
  assert doubt.startswith(f"{rule}read it. Received: ")
