# SPDX-License-Identifier: Apache-2.0
"""Tests of what a run and prepared data give a fine-tuning config."""

import pytest

from tests import experiment_checks_testing
from tests import finetune_testing
from tests import run_testing
from tests import testing
from token_dropping.common import errors

GLUE, SQUAD = finetune_testing.GLUE, finetune_testing.SQUAD
ENCODER = "task.model.encoder.any"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
  """A folder with a pretraining run and data: `run`, `classes`, `spans`."""
  path = tmp_path_factory.mktemp("finetuning")
  run_testing.make_run(path / "run")
  finetune_testing.prepare_classes(path / "classes", path / "run")
  finetune_testing.prepare_spans(path / "spans", path / "run")
  return path


def _parse(folder, *overrides, data="classes", name=GLUE, run="run"):
  params = finetune_testing.parse(
    name, folder / run if run else "", folder / data, *overrides
  )
  experiment_checks_testing.check_experiment(params)
  return params


def _refused(folder, *overrides, **where) -> str:
  with pytest.raises(errors.UserError) as caught:
    _parse(folder, *overrides, **where)
  message = str(caught.value)
  assert "\n" not in message
  return message


def test_the_run_gives_encoder_vocabulary_and_weights(folder):
  task = _parse(folder).task
  encoder = task.model.encoder.any
  tiny = testing.TINY["task"]["model"]["encoder"]["any"]
  assert {name: getattr(encoder, name) for name in tiny} == tiny | {
    "token_allow_list": [1, 2, 3, 4],
    "token_deny_list": [0],
  }
  assert encoder.vocab_file == str(folder / "run" / "vocab.txt")
  assert task.init_checkpoint == str(folder / "run" / "ckpt-7")


def test_nothing_drops_unless_asked_for(folder):
  encoder = _parse(folder).task.model.encoder.any
  assert (encoder.token_keep_ratio, encoder.drop_layer) == (1.0, None)
  encoder = _parse(folder, f"{ENCODER}.token_keep_k=8").task.model.encoder.any
  assert (encoder.token_keep_ratio, encoder.token_keep_k) == (None, 8)


def test_the_data_give_paths_sizes_and_scores(folder):
  params = _parse(folder)
  task = params.task
  for name in ("train", "validation"):
    data = getattr(task, f"{name}_data")
    path = str(folder / "classes" / f"{name}.tfrecord")
    assert (data.input_path, data.seq_length) == (path, testing.SEQ_LENGTH)
    assert (data.label_type, data.text_fields) == ("int", ("text",))
  assert task.labels == ("bad", "good") and task.model.num_classes == 2
  assert task.metrics == ("accuracy",)
  assert params.trainer.best_checkpoint_eval_metric == "accuracy"


def test_squad_data_give_windows_and_scores(folder):
  params = _parse(folder, data="spans", name=SQUAD)
  data = params.task.validation_data
  got = data.seq_length, data.query_length, data.doc_stride
  assert got == (testing.SEQ_LENGTH, 2, 4) and data.version_2_with_negative
  assert params.trainer.best_checkpoint_eval_metric == "f1"


def test_records_give_steps(folder):
  batch = "task.train_data.global_batch_size=10"
  trainer = _parse(folder, batch).trainer  # 24 records, 3 epochs
  assert (trainer.train_steps, trainer.validation_interval) == (8, 3)
  assert (trainer.steps_per_loop, trainer.summary_interval) == (3, 3)
  settings = trainer.optimizer_config
  assert settings.warmup.polynomial.warmup_steps == 1
  assert settings.learning_rate.polynomial.decay_steps == 8


def test_given_steps_win(folder):
  trainer = _parse(folder, "trainer.train_steps=5,task.epochs=9.0").trainer
  assert (trainer.train_steps, trainer.validation_interval) == (5, 1)


def test_a_seed_orders_the_data_too(folder):
  assert _parse(folder, "task.seed=3").task.train_data.seed == 3


@pytest.mark.parametrize(
  ("override", "message"),
  [
    (
      "task.train_data.seq_length=32",
      "task.train_data.seq_length must be unset or that of task.data_dir, 16. "
      "Received: 32",
    ),
    ("task.model.num_classes=3", "must be unset or that of task.data_dir, 2."),
    ("task.epochs=0.0", "task.epochs must be greater than 0. Received: 0.0"),
    ("task.warmup_share=2.0", "task.warmup_share must be in [0, 1]"),
    ("task.seed=-1", "task.seed must be at least 0"),
    ("task.train_data.global_batch_size=0", "must be at least 1. Received: 0"),
    ("task.validation_data.global_batch_size=0", "at least 1. Received: 0"),
    ("task.validation_data.drop_remainder=true", "must be false: scores are"),
    ("trainer.validation_steps=2", "must be -1: scores are of all data"),
    ("trainer.best_checkpoint_eval_metric=f1", "must be one of accuracy. Rec"),
    ("task.metric_type=f1", "task.metric_type must be unset"),
    ("task.init_cls_pooler=true", "task.init_cls_pooler must be false"),
    ("task.hub_module_url=x", "task.hub_module_url must be unset"),
    ("task.init_checkpoint=''", "--pretrained must be the folder of a pretr"),
    (f"{ENCODER}.drop_at_inference=true", "drop_at_inference must be false"),
    (f"{ENCODER}.token_keep_ratio=1.5", "must be in (0, 1]. Received: 1.5"),
    (f"{ENCODER}.token_keep_k=17", "token_keep_k must be at most the sequence"),
    (f"{ENCODER}.max_position_embeddings=8", "task.train_data.seq_length must"),
    ("task.dta_dir=x", "the nearest is task.data_dir"),
  ],
)
def test_every_broken_rule(folder, override, message):
  assert message in _refused(folder, override)


@pytest.mark.parametrize(
  ("where", "message"),
  [
    ({"data": "nowhere"}, "fine-tuning data must be a folder"),
    ({"data": "spans"}, "classification or regression data to train on. Rec"),
    (
      {"name": SQUAD},
      "task.data_dir must hold span data to train on. Received",
    ),
    ({"run": "nowhere"}, "--pretrained must be the folder of a run. Received"),
    ({"run": "classes"}, "--pretrained must hold params.yaml. Received"),
    ({"run": None}, "--pretrained must be the folder of a pretraining run"),
    ({"name": "bert/token_drop"}, "--pretrained must be unset but for bert/"),
  ],
)
def test_wrong_run_data_or_experiment(folder, where, message):
  assert message in _refused(folder, **where)


def test_data_of_another_vocabulary(folder, tmp_path):
  run_testing.make_run(tmp_path / "run")
  path = tmp_path / "run" / "vocab.txt"
  path.write_text(path.read_text().replace("word7", "other"))
  with pytest.raises(errors.UserError, match="made with the vocabulary of"):
    finetune_testing.parse(GLUE, tmp_path / "run", folder / "classes")


def test_no_data(folder):
  with pytest.raises(errors.UserError, match="task.data_dir must be a folder"):
    finetune_testing.parse(GLUE, folder / "run", "''")


@pytest.mark.parametrize(
  ("name", "value"),
  [("drop_layer", 0), ("restore_layer", 2), ("drop.type", "layerwise")],
)
def test_what_describes_dropping_is_doubted_without(folder, name, value):
  params = _parse(folder, f"{ENCODER}.{name}={value}")
  (doubt,) = experiment_checks_testing.find_doubts(params)
  assert doubt == (
    f"{ENCODER}.{name} should be set with token_keep_ratio or token_keep_k: "
    f"nothing drops. Received: {value}"
  )


def test_how_tokens_are_dropped_is_not_doubted_where_they_are(folder):
  params = _parse(
    folder, f"{ENCODER}.drop.type=context", f"{ENCODER}.token_keep_ratio=0.5"
  )
  assert experiment_checks_testing.find_doubts(params) == []
