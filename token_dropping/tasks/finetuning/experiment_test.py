# SPDX-License-Identifier: Apache-2.0
"""Tests of what a run and prepared data give a fine-tuning config."""

import json
import shutil

import pytest

from tests import config_testing
from tests import finetune_testing
from tests import testing

GLUE, SQUAD = finetune_testing.GLUE, finetune_testing.SQUAD
ENCODER = "task.model.encoder.any"


def _parse(prepared, *overrides, data="classes", name=GLUE, run="run"):
  data = prepared / data if data else "''"
  run = prepared / run if run else ""
  params = finetune_testing.parse(name, run, data, *overrides)
  config_testing.check_experiment(params)
  return params


def test_run_gives_the_encoder_and_data_paths_sizes_and_scores(prepared):
  params = _parse(prepared)
  task, encoder = params.task, params.task.model.encoder.any
  expected = testing.TINY["task"]["model"]["encoder"]["any"] | {
    "token_keep_ratio": 1.0,  # nothing drops unless asked for
    "drop_layer": None,
    "vocab_file": str(prepared / "run" / "vocab.txt"),
  }
  assert {name: getattr(encoder, name) for name in expected} == expected
  assert task.init_checkpoint == str(prepared / "run" / "ckpt-7")
  for name in ("train", "validation"):
    data = getattr(task, f"{name}_data")
    path = str(prepared / "classes" / f"{name}.tfrecord")
    assert (data.input_path, data.seq_length) == (path, testing.SEQ_LENGTH)
    assert (data.label_type, data.text_fields) == ("int", ("text",))
  assert task.labels == ("bad", "good") and task.model.num_classes == 2
  assert task.metrics == ("accuracy",)
  assert params.trainer.best_checkpoint_eval_metric == "accuracy"


def test_squad_data_give_windows_and_scores(prepared):
  params = _parse(prepared, data="spans", name=SQUAD)
  data = params.task.validation_data
  got = data.seq_length, data.query_length, data.doc_stride
  assert got == (testing.SEQ_LENGTH, 2, 4) and data.version_2_with_negative
  assert params.trainer.best_checkpoint_eval_metric == "f1"


def test_records_give_steps(prepared):
  batch = "task.train_data.global_batch_size=10"
  trainer = _parse(prepared, batch).trainer  # 24 records, 3 epochs
  assert (trainer.train_steps, trainer.validation_interval) == (8, 3)
  assert (trainer.steps_per_loop, trainer.summary_interval) == (3, 3)
  settings = trainer.optimizer_config
  assert settings.warmup.polynomial.warmup_steps == 1
  assert settings.learning_rate.polynomial.decay_steps == 8


def test_what_is_given_wins(prepared):
  given = "trainer.train_steps=5,task.epochs=9.0,task.seed=3"
  params = _parse(prepared, f"{given},{ENCODER}.token_keep_k=8")
  trainer, encoder = params.trainer, params.task.model.encoder.any
  assert (trainer.train_steps, trainer.validation_interval) == (5, 1)
  assert params.task.train_data.seed == 3
  assert (encoder.token_keep_ratio, encoder.token_keep_k) == (None, 8)


@pytest.mark.parametrize(
  ("override", "message"),
  [
    ("task.train_data.seq_length=32", "or that of task.data_dir, 16. Received"),
    ("task.model.num_classes=3", "must be unset or that of task.data_dir, 2."),
    ("task.epochs=0.0", "task.epochs must be greater than 0. Received: 0.0"),
    ("task.warmup_share=2.0", "task.warmup_share must be in [0, 1]"),
    ("task.seed=-1", "task.seed must be at least 0"),
    ("task.train_data.global_batch_size=0", "in [1, 10000000]. Received: 0"),
    ("task.validation_data.global_batch_size=0", "10000000]. Received: 0"),
    ("task.validation_data.drop_remainder=true", "must be false: scores are"),
    ("trainer.validation_steps=2", "must be -1: scores are of all data"),
    ("trainer.best_checkpoint_eval_metric=f1", "must be one of accuracy. Rec"),
    ("task.metric_type=f1", "task.metric_type must be unset"),
    ("task.init_cls_pooler=true", "task.init_cls_pooler must be false"),
    ("task.hub_module_url=x", "task.hub_module_url must be unset"),
    ("task.init_checkpoint=''", "--pretrained must be the folder of a pretr"),
    (f"{ENCODER}.drop_at_inference=true", "drop_at_inference must be false"),
    (f"{ENCODER}.token_keep_k=17", "token_keep_k must be at most the sequence"),
    (f"{ENCODER}.max_position_embeddings=8", "task.train_data.seq_length must"),
    (f"{ENCODER}.vocab_file=none", "vocab_file must be a readable"),
    ("task.dta_dir=x", "the nearest is task.data_dir"),
  ],
)
def test_every_broken_rule(prepared, override, message):
  assert message in testing.refused(_parse, prepared, override)


@pytest.mark.parametrize(
  ("where", "message"),
  [
    ({"data": "nowhere"}, "fine-tuning data must be a folder"),
    ({"data": ""}, "task.data_dir must be a folder"),
    ({"data": "spans"}, "classification or regression data to train on. Rec"),
    ({"name": SQUAD}, "task.data_dir must hold span data to train on. Rec"),
    ({"run": "nowhere"}, "--pretrained must be the folder of a run. Received"),
    ({"run": "classes"}, "--pretrained must hold params.yaml. Received"),
    ({"run": None}, "--pretrained must be the folder of a pretraining run"),
    ({"name": "bert/token_drop"}, "--pretrained must be unset but for bert/"),
    (
      {"name": "modernbert/token_drop_glue"},
      "--pretrained must be a run of the experiment's network, modernbert. "
      "Received: one of bert",
    ),
  ],
)
def test_wrong_run_data_or_experiment(prepared, where, message):
  assert message in testing.refused(_parse, prepared, **where)


@pytest.mark.parametrize(
  ("changes", "message"),
  [
    ({"metrics": ["f2"]}, "finetune.json must be one of accuracy, f1, "),
    ({"metrics": []}, "finetune.json must be one of accuracy, f1, "),
    ({"num_classes": 3}, "must be the number of labels, or 1. Received: 3"),
  ],
)
def test_a_card_that_disagrees(prepared, tmp_path, changes, message):
  shutil.copytree(prepared / "classes", tmp_path / "data")
  path = tmp_path / "data" / "finetune.json"
  testing.write_json(path, json.loads(path.read_text()) | changes)
  found = testing.refused(_parse, prepared, data=tmp_path / "data")
  assert message in found


def test_data_of_another_vocabulary(prepared, tmp_path):
  path = tmp_path / "vocab.txt"
  text = (prepared / "run" / "vocab.txt").read_text()
  path.write_text(text.replace("word7", "other"))
  message = testing.refused(_parse, prepared, f"{ENCODER}.vocab_file={path}")
  assert "made with the vocabulary of" in message


def test_what_describes_dropping_is_doubted_without(prepared):
  fields = {"drop_layer": 0, "restore_layer": 2, "drop.type": "layerwise"}
  drops = [f"{ENCODER}.{name}={value}" for name, value in fields.items()]
  find_doubts = config_testing.find_doubts
  assert find_doubts(_parse(prepared, *drops)) == [
    f"{ENCODER}.{name} should be set with token_keep_ratio or token_keep_k: "
    f"nothing drops. Received: {value}"
    for name, value in fields.items()
  ]
  drops = [f"{ENCODER}.drop.type=context", f"{ENCODER}.token_keep_ratio=0.5"]
  assert find_doubts(_parse(prepared, *drops)) == []
