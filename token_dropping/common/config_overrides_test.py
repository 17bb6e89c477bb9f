# SPDX-License-Identifier: Apache-2.0
"""Tests of what keys and values a config accepts."""

import dataclasses

import pytest
from official.core import config_definitions as cfg
from official.modeling import optimization
from official.nlp.tasks import masked_lm

from tests import testing
from token_dropping.common import config_overrides
from token_dropping.common import errors

RATE = "trainer.optimizer_config.learning_rate"
BERT = "task.model.encoder.bert"


def _params() -> cfg.ExperimentConfig:
  optimizer = optimization.OptimizationConfig()
  return cfg.ExperimentConfig(
    task=masked_lm.MaskedLMConfig(train_data=cfg.DataConfig()),
    trainer=cfg.TrainerConfig(optimizer_config=optimizer),
  )


def _nested(dotted: str, value) -> dict:
  for key in reversed(dotted.split(".")):
    value = {key: value}
  return value


def _applied(dotted: str, value):
  """Returns a field after an override that sets it."""
  node = _params()
  config_overrides.apply_overrides(node, _nested(dotted, value), "test")
  for key in dotted.split("."):
    node = getattr(node, key)
  return node


def _refused(dotted: str, value) -> str:
  return testing.refused(_applied, dotted, value)


@pytest.mark.parametrize(
  ("dotted", "value", "expected"),
  [
    ("trainer.train_steps", 1e4, 10_000),
    (f"{BERT}.dropout_rate", 0, 0.0),
    (f"{RATE}.stepwise.boundaries", [1e4], [10_000]),
    (f"{RATE}.stepwise.values", [1, 0.1], [1.0, 0.1]),
    ("runtime.loss_scale", 128, 128.0),
    ("runtime.loss_scale", 128.0, 128.0),
    ("runtime.loss_scale", "dynamic", "dynamic"),
    (f"{BERT}.embedding_size", None, None),
    ("trainer.optimizer_config.ema.average_decay", 0.5, 0.5),
    ("task.train_data.input_path", "a*,b*", "a*,b*"),
    ("task.train_data.input_path", ["a*", "b*"], ["a*", "b*"]),
  ],
  ids=str,
)
def test_values_become_what_the_field_is(dotted, value, expected):
  applied = _applied(dotted, value)
  assert (applied, type(applied)) == (expected, type(expected))
  if isinstance(applied, list):
    assert list(map(type, applied)) == list(map(type, expected))


def test_heads_are_read():
  heads = [{"inner_dim": 4, "name": "next_sentence"}]
  (head,) = _applied("task.model.cls_heads", heads)
  assert (head.inner_dim, head.num_classes) == (4, 2)


@pytest.mark.parametrize(
  ("dotted", "value", "rule"),
  [
    *(
      ("trainer.train_steps", value, "an integer")
      for value in (1.5, "5", True, None, [5], [{"a": 1}], {"a": 1})
    ),
    ("runtime.enable_xla", "yes please", "true or false"),
    ("runtime.enable_xla", 1, "true or false"),
    ("task.init_checkpoint", 5, "a string"),
    ("task.init_checkpoint", ["a"], "a string"),
    ("task", None, "a mapping"),
    ("task", 3, "a mapping"),
    ("task.model", ["any"], "a mapping"),
    ("task.model.cls_heads", {"inner_dim": 4}, "a list"),
    ("task.model.cls_heads", "next_sentence", "a list"),
    ("task.train_data.input_path", {"a": "b"}, "a list or a string"),
    (f"{BERT}.dropout_rate", "0.1", "a number"),
    (f"{BERT}.dropout_rate", True, "a number"),
    (f"{BERT}.embedding_size", 0.5, "an integer or null"),
    (f"{RATE}.type", ["polynomial"], "a string or null"),
    (f"{RATE}.type", 5, "a string or null"),
    ("runtime.loss_scale", [1], "a string or a number or null"),
  ],
  ids=str,
)
def test_wrong_type_is_refused(dotted, value, rule):
  assert _refused(dotted, value) == (
    f"test: {dotted} must be {rule}. Received: {value!r}"
  )


@pytest.mark.parametrize(
  ("dotted", "value", "where", "rule", "received"),
  [
    (f"{RATE}.stepwise.boundaries", [1, "a"], "[1]", "an integer", "'a'"),
    (f"{RATE}.stepwise.boundaries", [0.5], "[0]", "an integer", "0.5"),
    ("task.train_data.input_path", ["a", 3], "[1]", "a string", "3"),
    ("task.model.cls_heads", [{}, 3], "[1]", "a mapping", "3"),
    (
      *("task.model.cls_heads", [{"num_classes": "two"}]),
      *("[0].num_classes", "an integer", "'two'"),
    ),
  ],
)
def test_wrong_type_in_a_list(dotted, value, where, rule, received):
  assert _refused(dotted, value) == (
    f"test: {dotted}{where} must be {rule}. Received: {received}"
  )


def test_long_value_is_cut():
  message = _refused("trainer.train_steps", "x" * 1000)
  assert message.endswith(f"Received: '{'x' * 76}...")


@pytest.mark.parametrize(
  ("dotted", "nearest"),
  [
    ("tasks", "task"),
    ("trainer.train_step", "trainer.train_steps"),
    (f"{BERT}.drop_rate", f"{BERT}.dropout_rate"),
    ("task.model.encoder.ber", "task.model.encoder.bert"),
    (f"{RATE}.polynomial.decay_step", f"{RATE}.polynomial.decay_steps"),
    ("zzz", ""),
    ("task.zzz", ""),
    ("task._locked", ""),
    ("task._restrictions", ""),
  ],
)
def test_unknown_key_names_the_nearest_if_there_is_one(dotted, nearest):
  hint = f"; the nearest is {nearest}" if nearest else ""
  assert _refused(dotted, 1) == (
    f"test must use keys of the experiment{hint}. Received: {dotted}=1"
  )


def test_unknown_key_in_a_list():
  heads = [{"inner_dim": 4}, {"inner_dims": 4}]
  assert _refused("task.model.cls_heads", heads) == (
    "test must use keys of the experiment; the nearest is "
    "task.model.cls_heads[1].inner_dim. "
    "Received: task.model.cls_heads[1].inner_dims=4"
  )


@pytest.mark.parametrize(("key", "shown"), [(1, "1"), ("a\nb", "a b")])
def test_odd_key_is_one_line(key, shown):
  apply = config_overrides.apply_overrides
  assert testing.refused(apply, _params(), {key: 2}, "test") == (
    f"test must use keys of the experiment. Received: {shown}=2"
  )


def test_wrong_key_and_locked_config_leave_no_trace():
  params, overrides = _params(), {"runtime": {"tpu": "a"}}
  before = params.as_dict()
  with pytest.raises(errors.UserError):
    config_overrides.apply_overrides(params, overrides | {"zzz": 1}, "test")
  params.lock()
  with pytest.raises(errors.UserError, match="^test: .*locked"):
    config_overrides.apply_overrides(params, overrides, "test")
  assert params.as_dict() == before


@pytest.mark.parametrize(
  ("dotted", "value", "choice", "nearest"),
  [
    ("task.model.encoder.type", "Bert", "bert_v2", "; the nearest is bert"),
    (
      *("trainer.optimizer_config.optimizer.type", "adamW"),
      *("lamb", "; the nearest is adamw"),
    ),
    (f"{RATE}.type", "zzz", "polynomial", ""),
  ],
)
def test_unknown_choice_is_refused(dotted, value, choice, nearest):
  message = _refused(dotted, value)
  start = f"test: {dotted} must be one of "
  end = f"{nearest}. Received: {value!r}"
  assert message.startswith(start) and message.endswith(end)
  choices = message.removeprefix(start).removesuffix(end).split(", ")
  assert choice in choices and "type" not in choices
  assert choices == sorted(choices)


@dataclasses.dataclass(frozen=True)
class _Inner:
  size: int = 1


@dataclasses.dataclass(frozen=True)
class _Outer:
  name: str
  inner: _Inner | None = None
  values: list[int] = dataclasses.field(default_factory=list)


def _read_settings(**tree) -> _Outer:
  return config_overrides.read_settings(_Outer, tree, "a.yaml", "a plan")


def test_plain_dataclasses_are_read():
  assert _read_settings(name="x") == _Outer("x")
  found = _read_settings(name="x", inner={"size": 2}, values=None)
  assert found == _Outer("x", _Inner(2))


@pytest.mark.parametrize(
  ("tree", "message"),
  [
    ({"name": None}, ": name must be a string. Received: None"),
    ({"inner": [1]}, ": inner must be a mapping or null. Received: [1]"),
    ({"inner": {"size": ""}}, ": inner.size must be an integer. Received: ''"),
    (
      {"inner": {"sizes": 1}},
      " must use keys of a plan; the nearest is inner.size. "
      "Received: inner.sizes=1",
    ),
  ],
)
def test_wrong_settings(tree, message):
  found = testing.refused(_read_settings, **({"name": "x"} | tree))
  assert found == f"a.yaml{message}"
