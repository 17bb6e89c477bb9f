# SPDX-License-Identifier: Apache-2.0
"""Tests of what keys and values a config accepts."""

import dataclasses

import pytest

from tests import config_testing
from tests.config_testing import ENCODER
from tests.config_testing import RATE
from token_dropping.common import config_overrides
from token_dropping.common import errors


def _parsed(folder, dotted: str, value):
  """Returns a field after one file that sets it."""
  node = config_testing.parse(
    config_testing.write_file(folder, config_testing.nested(dotted, value))
  )
  for key in dotted.split("."):
    node = getattr(node, key)
  return node


# Values.


@pytest.mark.parametrize("text", ["1e-4", "1E-4", "1.e-4", "1.0e-4", "0.0001"])
def test_floats_as_people_write_them(tmp_path, text):
  dotted = f"{RATE}.polynomial.initial_learning_rate"
  yaml_text = config_testing.nested(dotted, "RATE").replace("RATE", text)
  params = config_testing.parse(config_testing.write_file(tmp_path, yaml_text))
  rate = params.trainer.optimizer_config.learning_rate.polynomial
  assert rate.initial_learning_rate == 1e-4


def test_whole_number_is_an_integer(tmp_path):
  path = config_testing.write_file(tmp_path, "trainer: {train_steps: 1e4}")
  steps = config_testing.parse(path).trainer.train_steps
  assert (steps, type(steps)) == (10_000, int)


def test_integer_is_a_number(tmp_path):
  rate = _parsed(tmp_path, f"{ENCODER}.dropout_rate", 0)
  assert (rate, type(rate)) == (0.0, float)


def test_numbers_in_lists(tmp_path):
  text = "{type: stepwise, stepwise: {boundaries: [1e4], values: [1, 0.1]}}"
  override = f"trainer: {{optimizer_config: {{learning_rate: {text}}}}}"
  params = config_testing.parse(override=override)
  stepwise = params.trainer.optimizer_config.learning_rate.stepwise
  assert (stepwise.boundaries, stepwise.values) == ([10_000], [1.0, 0.1])
  assert type(stepwise.boundaries[0]) is int


@pytest.mark.parametrize("value", [128, 128.0, "dynamic"])
def test_one_of_two_types(tmp_path, value):
  assert _parsed(tmp_path, "runtime.loss_scale", value) == value


def test_optional_field_may_be_null(tmp_path):
  set_first = config_testing.write_file(
    tmp_path, config_testing.nested(f"{ENCODER}.token_keep_k", 8), "1.yaml"
  )
  null = config_testing.write_file(
    tmp_path, config_testing.nested(f"{ENCODER}.token_keep_k", None), "2.yaml"
  )
  params = config_testing.parse(set_first, null)
  assert params.task.model.encoder.any.token_keep_k is None


def test_absent_optional_section_may_be_filled(tmp_path):
  path = "trainer.optimizer_config.ema.average_decay"
  assert _parsed(tmp_path, path, 0.5) == 0.5


@pytest.mark.parametrize("value", ["a*", "a*,b*", ["a*", "b*"]])
def test_input_path_is_what_the_reader_takes(tmp_path, value):
  assert _parsed(tmp_path, "task.train_data.input_path", value) == value


def test_heads_are_read(tmp_path):
  heads = [{"inner_dim": 4, "name": "next_sentence"}]
  (head,) = _parsed(tmp_path, "task.model.cls_heads", heads)
  assert (head.inner_dim, head.num_classes) == (4, 2)


@pytest.mark.parametrize(
  ("dotted", "value", "rule"),
  [
    ("trainer.train_steps", 1.5, "an integer"),
    ("trainer.train_steps", "5", "an integer"),
    ("trainer.train_steps", True, "an integer"),
    ("trainer.train_steps", None, "an integer"),
    ("trainer.train_steps", [5], "an integer"),
    ("trainer.train_steps", [{"a": 1}], "an integer"),
    ("trainer.train_steps", {"a": 1}, "an integer"),
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
    (f"{ENCODER}.dropout_rate", "0.1", "a number"),
    (f"{ENCODER}.dropout_rate", True, "a number"),
    (f"{ENCODER}.token_keep_ratio", "half", "a number or null"),
    (f"{ENCODER}.token_keep_k", 0.5, "an integer or null"),
    (f"{ENCODER}.token_allow_list", 5, "a list or null"),
    (f"{RATE}.type", ["polynomial"], "a string or null"),
    (f"{RATE}.type", 5, "a string or null"),
    ("runtime.loss_scale", [1], "a string or a number or null"),
  ],
  ids=str,
)
def test_wrong_type_is_refused(tmp_path, dotted, value, rule):
  path = config_testing.write_file(
    tmp_path, config_testing.nested(dotted, value)
  )
  assert config_testing.refused(config_testing.flags(path)) == (
    f"{path}: {dotted} must be {rule}. Received: {value!r}"
  )


@pytest.mark.parametrize(
  ("dotted", "value", "where", "rule", "received"),
  [
    (f"{ENCODER}.token_allow_list", [1, "a"], "[1]", "an integer", "'a'"),
    (f"{ENCODER}.token_deny_list", [0.5], "[0]", "an integer", "0.5"),
    ("task.train_data.input_path", ["a", 3], "[1]", "a string", "3"),
    ("task.model.cls_heads", [{}, 3], "[1]", "a mapping", "3"),
    (
      "task.model.cls_heads",
      [{"num_classes": "two"}],
      "[0].num_classes",
      "an integer",
      "'two'",
    ),
  ],
)
def test_wrong_type_in_a_list(tmp_path, dotted, value, where, rule, received):
  path = config_testing.write_file(
    tmp_path, config_testing.nested(dotted, value)
  )
  assert config_testing.refused(config_testing.flags(path)) == (
    f"{path}: {dotted}{where} must be {rule}. Received: {received}"
  )


def test_long_value_is_cut(tmp_path):
  path = config_testing.write_file(
    tmp_path, config_testing.nested("trainer.train_steps", "x" * 1000)
  )
  cut = "'" + "x" * 76 + "..."
  assert config_testing.refused(config_testing.flags(path)) == (
    f"{path}: trainer.train_steps must be an integer. Received: {cut}"
  )


# Keys and choices.


@pytest.mark.parametrize(
  ("dotted", "nearest"),
  [
    ("tasks", "task"),
    ("trainer.train_step", "trainer.train_steps"),
    ("task.train_data.seq_len", "task.train_data.seq_length"),
    (f"{ENCODER}.token_keep_rate", f"{ENCODER}.token_keep_ratio"),
    ("task.model.encoder.an", "task.model.encoder.any"),
    (f"{RATE}.polynomial.decay_step", f"{RATE}.polynomial.decay_steps"),
  ],
)
def test_unknown_key_names_the_nearest(tmp_path, dotted, nearest):
  path = config_testing.write_file(tmp_path, config_testing.nested(dotted, 1))
  assert config_testing.refused(config_testing.flags(path)) == (
    f"{path} must use keys of the experiment; the nearest is {nearest}. "
    f"Received: {dotted}=1"
  )


@pytest.mark.parametrize(
  "dotted", ["zzz", "task.zzz", "task._locked", "task._restrictions"]
)
def test_unknown_key_without_a_neighbour(tmp_path, dotted):
  path = config_testing.write_file(
    tmp_path, config_testing.nested(dotted, True)
  )
  assert config_testing.refused(config_testing.flags(path)) == (
    f"{path} must use keys of the experiment. Received: {dotted}=True"
  )


def test_unknown_key_in_a_list(tmp_path):
  heads = [{"inner_dim": 4}, {"inner_dims": 4}]
  path = config_testing.write_file(
    tmp_path, config_testing.nested("task.model.cls_heads", heads)
  )
  assert config_testing.refused(config_testing.flags(path)) == (
    f"{path} must use keys of the experiment; the nearest is "
    "task.model.cls_heads[1].inner_dim. "
    "Received: task.model.cls_heads[1].inner_dims=4"
  )


@pytest.mark.parametrize(("key", "shown"), [("1", "1"), ('"a\\nb"', "a b")])
def test_odd_key_is_one_line(tmp_path, key, shown):
  path = config_testing.write_file(tmp_path, f"{key}: 2")
  assert config_testing.refused(config_testing.flags(path)) == (
    f"{path} must use keys of the experiment. Received: {shown}=2"
  )


def test_unknown_key_in_an_override():
  assert config_testing.refused(
    config_testing.flags(override="trainer.train_step=1")
  ) == (
    "--params_override must use keys of the experiment; the nearest is "
    "trainer.train_steps. Received: trainer.train_step=1"
  )


def test_token_dropping_is_no_key_of_the_baseline(tmp_path):
  path = config_testing.write_file(
    tmp_path, config_testing.nested(f"{ENCODER}.vocab_size", 3)
  )
  assert config_testing.refused(
    config_testing.flags(path, experiment="bert/pretraining")
  ) == (
    f"{path} must use keys of the experiment. "
    "Received: task.model.encoder.any.vocab_size=3"
  )


def test_wrong_key_leaves_no_trace(tmp_path):
  params = config_testing.parse()
  before = params.as_dict()
  with pytest.raises(errors.UserError):
    config_overrides.apply_overrides(
      params, {"runtime": {"tpu": "a"}, "zzz": 1}, source="test"
    )
  assert params.as_dict() == before


def test_locked_config_is_refused():
  params = config_testing.parse()
  params.lock()
  with pytest.raises(errors.UserError, match="^test: .*locked"):
    config_overrides.apply_overrides(
      params, {"runtime": {"tpu": "a"}}, source="test"
    )


@pytest.mark.parametrize(
  ("dotted", "value", "choice", "nearest"),
  [
    ("task.model.encoder.type", "Bert", "bert_v2", "; the nearest is bert"),
    (
      "trainer.optimizer_config.optimizer.type",
      "adamW",
      "lamb",
      "; the nearest is adamw",
    ),
    (f"{RATE}.type", "zzz", "polynomial", ""),
  ],
)
def test_unknown_choice_is_refused(tmp_path, dotted, value, choice, nearest):
  path = config_testing.write_file(
    tmp_path, config_testing.nested(dotted, value)
  )
  message = config_testing.refused(config_testing.flags(path))
  start = f"{path}: {dotted} must be one of "
  end = f"{nearest}. Received: {value!r}"
  assert message.startswith(start) and message.endswith(end)
  choices = message.removeprefix(start).removesuffix(end).split(", ")
  assert choice in choices and "type" not in choices
  assert choices == sorted(choices)


@pytest.mark.parametrize(
  "name", ["bert/token_dropping", "bert", "bert/token_drop/x", "", "task"]
)
def test_unknown_experiment_is_refused(name):
  assert config_testing.refused(config_testing.flags(experiment=name)) == (
    "--experiment must be one of bert/token_drop, "
    "token_drop_bert/pretraining, bert/pretraining, bert/token_drop_glue, "
    f"bert/token_drop_squad. Received: {name!r}"
  )


@dataclasses.dataclass(frozen=True)
class _Inner:
  size: int = 1


@dataclasses.dataclass(frozen=True)
class _Outer:
  name: str
  inner: _Inner | None = None
  values: list[int] = dataclasses.field(default_factory=list)


def _read_settings(tree: dict) -> _Outer:
  return config_overrides.read_settings(_Outer, tree, "a.yaml", "a plan")


def test_plain_dataclasses_are_read():
  assert _read_settings({"name": "x"}) == _Outer("x")
  tree = {"name": "x", "inner": {"size": 2}, "values": None}
  assert _read_settings(tree) == _Outer("x", _Inner(2))


@pytest.mark.parametrize(
  ("tree", "message"),
  [
    ({}, "a.yaml: name must be a string. Received: None"),
    (
      {"name": "x", "inner": [1]},
      "a.yaml: inner must be a mapping or null. Received: [1]",
    ),
    (
      {"name": "x", "inner": {"size": "1"}},
      "a.yaml: inner.size must be an integer. Received: '1'",
    ),
    (
      {"name": "x", "inner": {"sizes": 1}},
      "a.yaml must use keys of a plan; the nearest is inner.size. "
      "Received: inner.sizes=1",
    ),
  ],
)
def test_wrong_settings(tree, message):
  with pytest.raises(errors.UserError) as caught:
    _read_settings(tree)
  assert str(caught.value) == message
