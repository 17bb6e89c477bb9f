# SPDX-License-Identifier: Apache-2.0
"""Tests that every number of an experiment has a range, and of the ranges."""

import functools
import math
import typing

import pytest
from official.modeling import hyperparams

from tests import config_testing
from tests import testing
from tests.config_testing import ENCODER
from tests.config_testing import RATE
from token_dropping.tasks import experiments
from token_dropping.training import field_rules

OPTIMIZER = "trainer.optimizer_config.optimizer"
TRAIN = "task.train_data"
BEST, SUMMARY = "best_checkpoint_export_subdir", "validation_summary_subdir"
# Token dropping's own fields, which also layers without an experiment have:
# `dropping/` and `semantic_consistency` refuse what is out of range.
OWN = ("task.model.encoder.any.", "task.keep_schedule.", "task.semantic_")


def _numbers(config: hyperparams.Config, path: str = ""):
  """Yields the dotted paths of numbers, those of no chosen type included."""
  for name, hint in typing.get_type_hints(type(config)).items():
    value = getattr(config, name, None)
    if isinstance(value, hyperparams.Config):
      yield from _numbers(value, f"{path}{name}.")
    elif {int, float} & _kinds(hint):
      yield path + name


def _kinds(hint) -> set:
  inner = [_kinds(each) for each in typing.get_args(hint)]
  return {hint}.union(*inner)


@pytest.mark.parametrize("name", experiments.NAMES)
def test_every_number_has_a_rule(name):
  params = experiments.get(name)
  encoder = params.task.model.encoder
  trees = {
    "trainer.": params.trainer,
    "runtime.": params.runtime,
    "task.train_data.": params.task.train_data,
    "task.validation_data.": params.task.validation_data,
    f"task.model.encoder.{encoder.type}.": encoder.get(),
  }
  paths = [p for path, tree in trees.items() for p in _numbers(tree, path)]
  task = [p for p in _numbers(params.task, "task.") if "encoder" not in p]
  without = [
    path
    for path in paths + task
    if not field_rules.find(path) and not path.startswith(OWN)
  ]
  assert without == []
  assert len(paths) > 100


@pytest.mark.parametrize("name", ("bert/token_drop", "bert/pretraining"))
def test_no_number_is_endless(name):
  """Neither those of Model Garden nor our own, whatever else holds of them."""
  params = config_testing.changed(name=name)
  numbers, tried = set(_numbers(params)), 0
  for path, old in list(field_rules.fields(params)):
    if path not in numbers:
      continue
    *parents, field = path.split(".")
    config = functools.reduce(getattr, parents, params)
    for value in (math.nan, math.inf, -1e39, 2**63, -(2**70)):
      if old is None or isinstance(value, type(old)):
        setattr(config, field, value)
        message = testing.refused(field_rules.check, params)
        assert message.startswith(f"{path} must be ")
        tried += 1
    setattr(config, field, old)
  assert tried > 150


@pytest.mark.parametrize(
  ("changes", "rule"),
  [
    *(({f"{ENCODER}.dropout_rate": n}, "in [0, 1)") for n in (-0.1, 1.0)),
    ({f"{ENCODER}.num_layers": 1001}, "in [1, 1000]"),
    ({f"{ENCODER}.vocab_size": 1}, "in [2, 100000000]"),
    ({f"{RATE}.polynomial.initial_learning_rate": None}, "at least 0"),
    ({f"{RATE}.polynomial.initial_learning_rate": 1e39}, "finite in 32 bits"),
    ({f"{RATE}.type": "stepwise"}, "at least 0"),
    ({f"{RATE}.type": None}, "set"),
    ({f"{RATE}.polynomial.name": "a b"}, "a name of letters, digits and _.-/"),
    ({"trainer.train_steps": 2**63}, "an integer below 2^63"),
    ({"trainer.max_to_keep": 0}, "at least 1"),
    ({f"{TRAIN}.cycle_length": 0}, "at least 1, or -1 for TensorFlow's choice"),
    ({"task.seed": 2**31}, "an integer below 2^31"),
    *(
      ({"runtime.loss_scale": n}, "dynamic or greater than 0")
      for n in ("dynamite", 0.0)
    ),
  ],
  ids=str,
)
def test_range(changes, rule):
  ((path, value),) = changes.items()
  path = {"stepwise": f"{RATE}.stepwise.boundaries"}.get(value, path)
  shown = {None: "null", "stepwise": "null"}.get(value, repr(value))
  assert config_testing.refused_changes(changes) == (
    f"{path} must be {rule}. Received: {shown}"
  )


@pytest.mark.parametrize(
  ("path", "value", "first"),
  [
    (f"{ENCODER}.hidden_activation", "foo", "elu"),
    ("task.model.mlm_activation", "", "elu"),
    ("trainer.best_checkpoint_metric_comp", "less", "higher"),
    ("runtime.mixed_precision_dtype", "fp16", "float32"),
    (f"{TRAIN}.autotune_algorithm", "BEST", "DEFAULT"),
  ],
)
def test_choice(path, value, first):
  found = config_testing.refused_changes({path: value})
  assert found.startswith(f"{path} must be one of {first}, ")
  assert found.endswith(f". Received: {value!r}")


def test_only_the_chosen_type_counts():
  config_testing.check({f"{OPTIMIZER}.sgd.momentum": -1.0})
  config_testing.check({f"{RATE}.constant.learning_rate": -1.0})


@pytest.mark.parametrize("name", (BEST, SUMMARY))
def test_folders_below_the_run(name):
  path = f"trainer.{name}"
  rule = field_rules.find(path)
  for good in ("best", "a/b", "best/", "..best", "Ä b"):
    assert rule.holds(good)
  bad = ["../evil", "/tmp/evil", ".", "a/../..", "a//b", "a/.", "gs://a", " "]
  bad += ["./", "/", "a\nb", "\0", "params.yaml", "ckpt-1", "x" * 300, "a[1]"]
  assert [value for value in bad if rule.holds(value)] == []
  found = config_testing.refused_changes({path: "../evil"})
  text = "the name of a folder below model_dir, no . or .. or pattern or a"
  assert text in found and found.startswith(path)


def test_task_is_checked_before_it_is_computed_with():
  override = "task.train_data.global_batch_size=0"
  assert config_testing.refused(override=override) == (
    "task.train_data.global_batch_size must be in [1, 10000000]. Received: 0"
  )


def test_item_of_a_list():
  assert field_rules.find("task.model.cls_heads[0].activation").holds("tanh")
  heads = [{"name": "next_sentence", "dropout_rate": 2.0}]
  assert testing.refused(
    config_testing.check, {"task.model.cls_heads": heads}
  ).startswith("task.model.cls_heads[0].dropout_rate must be in [0, 1)")
