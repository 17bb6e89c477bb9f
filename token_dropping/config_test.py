# SPDX-License-Identifier: Apache-2.0
"""Tests of the way from flags to a config."""

import types

import pytest
import yaml

from token_dropping import config
from token_dropping import config_overrides
from token_dropping import errors
from token_dropping import experiments

# As Model Garden's own token_dropping project has it.
MODEL_GARDEN = """
task:
  init_checkpoint: ''
  model:
    cls_heads: []
    encoder:
      type: any
      any:
        token_allow_list: !!python/tuple
        - 100
        - 101
        - 102
        - 103
        token_deny_list: !!python/tuple
        - 0
        token_keep_k: 128
        token_loss_beta: 0.99
        token_loss_init_value: 11
        attention_dropout_rate: 0.1
        dropout_rate: 0.1
        embedding_size: 768
        hidden_activation: gelu
        hidden_size: 768
        initializer_range: 0.02
        intermediate_size: 3072
        max_position_embeddings: 512
        num_attention_heads: 12
        num_layers: 12
        type_vocab_size: 2
        vocab_size: 30522
  train_data:
    drop_remainder: true
    global_batch_size: 512
    input_path: wiki*,books*
    is_training: true
    max_predictions_per_seq: 76
    seq_length: 512
    use_next_sentence_label: false
    use_position_id: false
    use_v2_feature_names: true
trainer:
  checkpoint_interval: 20000
  max_to_keep: 5
  optimizer_config:
    learning_rate:
      polynomial:
        cycle: false
        decay_steps: 1000000
        end_learning_rate: 0.0
        initial_learning_rate: 0.0001
        power: 1.0
      type: polynomial
    optimizer:
      type: adamw
    warmup:
      polynomial:
        power: 1
        warmup_steps: 10000
      type: polynomial
  steps_per_loop: 1000
  train_steps: 1000000
"""
RATE = "trainer.optimizer_config.learning_rate"
ENCODER = "task.model.encoder.any"


def _flags(*files: str, override="", experiment="bert/token_drop", **values):
  defaults = {"tpu": None, "tf_data_service": "", "pretrained": ""}
  return types.SimpleNamespace(
    experiment=experiment,
    config_file=list(files),
    params_override=override,
    **(defaults | values),
  )


def _file(folder, text: str, name: str = "experiment.yaml") -> str:
  path = folder / name
  path.write_text(text, encoding="utf-8")
  return str(path)


def _refused(flags) -> str:
  with pytest.raises(errors.UserError) as caught:
    config.parse(flags)
  message = str(caught.value)
  assert "\n" not in message
  return message


def _nested(dotted: str, value) -> str:
  """Returns YAML of one value."""
  tree = value
  for key in reversed(dotted.split(".")):
    tree = {key: tree}
  return yaml.safe_dump(tree)


def _parsed(folder, dotted: str, value):
  """Returns a field after one file that sets it."""
  node = config.parse(_flags(_file(folder, _nested(dotted, value))))
  for key in dotted.split("."):
    node = getattr(node, key)
  return node


# Files, flags, overrides.


@pytest.mark.parametrize("name", experiments.NAMES[:2])
def test_model_garden_yaml_is_read(tmp_path, name):
  path = _file(tmp_path, MODEL_GARDEN)
  params = config.parse(_flags(path, experiment=name))
  encoder = params.task.model.encoder.get()
  assert encoder is params.task.model.encoder.any
  assert encoder.token_allow_list == (100, 101, 102, 103)
  assert encoder.token_deny_list == (0,)
  assert (encoder.token_keep_k, encoder.token_loss_beta) == (128, 0.99)
  assert encoder.token_loss_init_value == 11.0
  assert params.task.train_data.input_path == "wiki*,books*"


def test_both_names_give_equal_configs(tmp_path):
  path = _file(tmp_path, MODEL_GARDEN)
  one, two = (
    config.parse(_flags(path, experiment=name))
    for name in ("bert/token_drop", "token_drop_bert/pretraining")
  )
  assert one == two
  assert one.as_dict() == two.as_dict()


def test_no_file_is_the_registered_experiment():
  params = config.parse(_flags())
  registered = experiments.bert_token_drop()
  assert params.task == registered.task
  assert params.runtime == registered.runtime


def test_config_file_may_be_none():
  flags = _flags()
  flags.config_file = None
  assert config.parse(flags).as_dict() == config.parse(_flags()).as_dict()


def test_empty_file_changes_nothing(tmp_path):
  path = _file(tmp_path, "# nothing\n")
  assert config.parse(_flags(path)).as_dict() == (
    config.parse(_flags()).as_dict()
  )


def test_later_files_win_and_the_override_wins_over_all(tmp_path):
  one = "trainer: {train_steps: 1, steps_per_loop: 1, max_to_keep: 1}"
  two = "trainer: {steps_per_loop: 2, max_to_keep: 2}"
  files = _file(tmp_path, one, "1.yaml"), _file(tmp_path, two, "2.yaml")
  trainer = config.parse(
    _flags(*files, override="trainer.max_to_keep=3")
  ).trainer
  assert trainer.train_steps == 1
  assert trainer.steps_per_loop == 2
  assert trainer.max_to_keep == 3


@pytest.mark.parametrize(
  "override",
  [
    "trainer.train_steps=7,task.init_checkpoint=gs://bucket/ckpt",
    "trainer: {train_steps: 7}\ntask: {init_checkpoint: 'gs://bucket/ckpt'}",
    "{trainer: {train_steps: 7}, task: {init_checkpoint: 'gs://bucket/ckpt'}}",
    '{"trainer":{"train_steps":7},"task":{"init_checkpoint":"gs://bucket/ckpt"}}',
  ],
  ids=["pairs", "yaml", "flow", "json"],
)
def test_override_is_pairs_or_yaml_or_json(override):
  params = config.parse(_flags(override=override))
  assert params.trainer.train_steps == 7
  assert params.task.init_checkpoint == "gs://bucket/ckpt"


def test_override_may_be_a_file(tmp_path):
  path = _file(tmp_path, "trainer: {train_steps: 7}")
  assert config.parse(_flags(override=path)).trainer.train_steps == 7


def test_json_file_is_read(tmp_path):
  path = _file(tmp_path, '{"trainer": {"train_steps": 7}}', "a.json")
  assert config.parse(_flags(path)).trainer.train_steps == 7


def test_override_of_a_list():
  params = config.parse(_flags(override=f"{ENCODER}.token_allow_list=[3,4]"))
  assert list(params.task.model.encoder.any.token_allow_list) == [3, 4]


def test_tpu_flag():
  assert config.parse(_flags()).runtime.tpu is None
  assert config.parse(_flags(tpu="local")).runtime.tpu == "local"


def test_override_wins_over_the_tpu_flag_as_in_model_garden():
  flags = _flags(tpu="local", override="runtime.tpu=other")
  assert config.parse(flags).runtime.tpu == "other"


def test_data_service_flag_is_for_both_data_sets():
  task = config.parse(_flags(tf_data_service="grpc://a:1")).task
  assert task.train_data.tf_data_service_address == "grpc://a:1"
  assert task.validation_data.tf_data_service_address == "grpc://a:1"


# Decay.


def test_unset_decay_steps_are_the_train_steps():
  params = config.parse(_flags(override="trainer.train_steps=77"))
  schedule = params.trainer.optimizer_config.learning_rate.polynomial
  assert schedule.decay_steps == 77


def test_set_decay_steps_stay():
  override = f"trainer.train_steps=77,{RATE}.polynomial.decay_steps=5"
  params = config.parse(_flags(override=override))
  schedule = params.trainer.optimizer_config.learning_rate.polynomial
  assert schedule.decay_steps == 5


def test_unset_total_decay_steps_are_the_train_steps():
  override = f"trainer.train_steps=77,{RATE}.type=power_linear"
  params = config.parse(_flags(override=override))
  schedule = params.trainer.optimizer_config.learning_rate.power_linear
  assert schedule.total_decay_steps == 77


@pytest.mark.parametrize(
  ("override", "steps"),
  [
    ("final_masking_rate=0.15", 77),
    ("final_masking_rate=0.15,task.train_data.masking_rate_steps=5", 5),
    ("masking_rate=0.3", 0),
  ],
)
def test_masking_rate_changes_over_the_train_steps(override, steps):
  override = f"trainer.train_steps=77,task.train_data.{override}"
  params = config.parse(_flags(override=override))
  assert params.task.train_data.masking_rate_steps == steps


def test_constant_rate_has_no_decay():
  override = f"{RATE}.type=constant,{RATE}.constant.learning_rate=1e-3"
  params = config.parse(_flags(override=override))
  rate = params.trainer.optimizer_config.learning_rate.get()
  assert rate.as_dict() == {"name": "Constant", "learning_rate": 1e-3}


# Values.


@pytest.mark.parametrize("text", ["1e-4", "1E-4", "1.e-4", "1.0e-4", "0.0001"])
def test_floats_as_people_write_them(tmp_path, text):
  dotted = f"{RATE}.polynomial.initial_learning_rate"
  yaml_text = _nested(dotted, "RATE").replace("RATE", text)
  params = config.parse(_flags(_file(tmp_path, yaml_text)))
  rate = params.trainer.optimizer_config.learning_rate.polynomial
  assert rate.initial_learning_rate == 1e-4


def test_whole_number_is_an_integer(tmp_path):
  path = _file(tmp_path, "trainer: {train_steps: 1e4}")
  steps = config.parse(_flags(path)).trainer.train_steps
  assert (steps, type(steps)) == (10_000, int)


def test_integer_is_a_number(tmp_path):
  rate = _parsed(tmp_path, f"{ENCODER}.dropout_rate", 0)
  assert (rate, type(rate)) == (0.0, float)


def test_numbers_in_lists(tmp_path):
  text = "{type: stepwise, stepwise: {boundaries: [1e4], values: [1, 0.1]}}"
  override = f"trainer: {{optimizer_config: {{learning_rate: {text}}}}}"
  params = config.parse(_flags(override=override))
  stepwise = params.trainer.optimizer_config.learning_rate.stepwise
  assert (stepwise.boundaries, stepwise.values) == ([10_000], [1.0, 0.1])
  assert type(stepwise.boundaries[0]) is int


@pytest.mark.parametrize("value", [128, 128.0, "dynamic"])
def test_one_of_two_types(tmp_path, value):
  assert _parsed(tmp_path, "runtime.loss_scale", value) == value


def test_optional_field_may_be_null(tmp_path):
  set_first = _file(tmp_path, _nested(f"{ENCODER}.token_keep_k", 8), "1.yaml")
  null = _file(tmp_path, _nested(f"{ENCODER}.token_keep_k", None), "2.yaml")
  params = config.parse(_flags(set_first, null))
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
  path = _file(tmp_path, _nested(dotted, value))
  assert _refused(_flags(path)) == (
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
  path = _file(tmp_path, _nested(dotted, value))
  assert _refused(_flags(path)) == (
    f"{path}: {dotted}{where} must be {rule}. Received: {received}"
  )


def test_long_value_is_cut(tmp_path):
  path = _file(tmp_path, _nested("trainer.train_steps", "x" * 1000))
  cut = "'" + "x" * 76 + "..."
  assert _refused(_flags(path)) == (
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
  path = _file(tmp_path, _nested(dotted, 1))
  assert _refused(_flags(path)) == (
    f"{path} must use keys of the experiment; the nearest is {nearest}. "
    f"Received: {dotted}=1"
  )


@pytest.mark.parametrize(
  "dotted", ["zzz", "task.zzz", "task._locked", "task._restrictions"]
)
def test_unknown_key_without_a_neighbour(tmp_path, dotted):
  path = _file(tmp_path, _nested(dotted, True))
  assert _refused(_flags(path)) == (
    f"{path} must use keys of the experiment. Received: {dotted}=True"
  )


def test_unknown_key_in_a_list(tmp_path):
  heads = [{"inner_dim": 4}, {"inner_dims": 4}]
  path = _file(tmp_path, _nested("task.model.cls_heads", heads))
  assert _refused(_flags(path)) == (
    f"{path} must use keys of the experiment; the nearest is "
    "task.model.cls_heads[1].inner_dim. "
    "Received: task.model.cls_heads[1].inner_dims=4"
  )


@pytest.mark.parametrize(("key", "shown"), [("1", "1"), ('"a\\nb"', "a b")])
def test_odd_key_is_one_line(tmp_path, key, shown):
  path = _file(tmp_path, f"{key}: 2")
  assert _refused(_flags(path)) == (
    f"{path} must use keys of the experiment. Received: {shown}=2"
  )


def test_unknown_key_in_an_override():
  assert _refused(_flags(override="trainer.train_step=1")) == (
    "--params_override must use keys of the experiment; the nearest is "
    "trainer.train_steps. Received: trainer.train_step=1"
  )


def test_token_dropping_is_no_key_of_the_baseline(tmp_path):
  path = _file(tmp_path, _nested(f"{ENCODER}.vocab_size", 3))
  assert _refused(_flags(path, experiment="bert/pretraining")) == (
    f"{path} must use keys of the experiment. "
    "Received: task.model.encoder.any.vocab_size=3"
  )


def test_wrong_key_leaves_no_trace(tmp_path):
  params = experiments.bert_token_drop()
  before = params.as_dict()
  with pytest.raises(errors.UserError):
    config_overrides.apply_overrides(
      params, {"runtime": {"tpu": "a"}, "zzz": 1}, source="test"
    )
  assert params.as_dict() == before


def test_locked_config_is_refused():
  params = experiments.bert_token_drop()
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
  path = _file(tmp_path, _nested(dotted, value))
  message = _refused(_flags(path))
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
  assert _refused(_flags(experiment=name)) == (
    "--experiment must be one of bert/token_drop, "
    "token_drop_bert/pretraining, bert/pretraining, bert/token_drop_glue, "
    f"bert/token_drop_squad. Received: {name!r}"
  )


# What is no YAML of ours.


def test_missing_file_is_refused(tmp_path):
  path = str(tmp_path / "nothing.yaml")
  assert _refused(_flags(path)) == (
    f"--config_file must be a readable YAML file. Received: {path!r}"
  )


def test_folder_is_refused(tmp_path):
  assert _refused(_flags(str(tmp_path))) == (
    f"--config_file must be a readable YAML file. Received: {str(tmp_path)!r}"
  )


def test_binary_file_is_refused(tmp_path):
  path = tmp_path / "a.yaml"
  path.write_bytes(b"trainer: \xff")
  assert _refused(_flags(str(path))) == (
    f"--config_file must be a readable YAML file. Received: {str(path)!r}"
  )


@pytest.mark.parametrize(
  "text",
  [
    "trainer: {",
    "trainer:\n\ttrain_steps: 1",
    "a: b: c",
    "a: *unknown",
    "a: !!int maybe",
    "a: !!bool maybe",
    "a: !!timestamp maybe",
    "a: 2024-13-45",
    "a: \0",
    "--- 1\n--- 2\n",
  ],
)
def test_invalid_yaml_is_refused(tmp_path, text):
  path = _file(tmp_path, text)
  assert _refused(_flags(path)).startswith(f"{path} must be plain YAML. ")


@pytest.mark.parametrize(
  ("text", "received"),
  [("- 1\n- 2\n", "[1, 2]"), ("3", "3"), ("text", "'text'"), ("''", "''")],
)
def test_yaml_must_be_a_mapping(tmp_path, text, received):
  path = _file(tmp_path, text)
  assert _refused(_flags(path)) == (
    f"{path} must be a mapping of parameters. Received: {received}"
  )


@pytest.mark.parametrize("kind", ["file", "override"])
def test_yaml_runs_nothing(tmp_path, kind):
  made = tmp_path / "made"
  text = f"task: !!python/object/apply:os.mkdir ['{made}']"
  flags = _flags(override=text)
  if kind == "file":
    flags = _flags(_file(tmp_path, text))
  message = _refused(flags)
  assert "must be plain YAML. could not determine a constructor" in message
  assert not made.exists()
  yaml.unsafe_load(text)  # so much for a loader that obeys
  assert made.exists()


@pytest.mark.parametrize(
  "tag",
  [
    "python/name:os.system ''",
    "python/module:os ''",
    "python/object:types.SimpleNamespace {}",
    "python/object/new:types.SimpleNamespace []",
    "python/complex 1j",
  ],
)
def test_tags_of_objects_are_refused(tmp_path, tag):
  path = _file(tmp_path, f"task: !!{tag}")
  message = _refused(_flags(path))
  assert f"{path} must be plain YAML. could not determine" in message
  assert tag.split()[0] in message


@pytest.mark.parametrize(
  "override",
  [
    "trainer.train_steps",
    "trainer.train_steps=1,max_to_keep",
    "trainer.train_steps=1;trainer.max_to_keep=2",
    "/nothing/here.yaml",
    "a[0]=x",
  ],
)
def test_malformed_override_is_refused(override):
  message = _refused(_flags(override=override))
  assert message.startswith("--params_override")
  assert override.split(",")[0][:19] in message


def test_override_that_is_no_pair_and_no_file():
  assert _refused(_flags(override="trainer.train_steps")) == (
    "--params_override must be key=value pairs with commas between them, "
    "YAML, JSON or the name of a file. Received: 'trainer.train_steps'"
  )


@pytest.mark.parametrize("override", ["{trainer: {", "{", "trainer: ]"])
def test_override_of_invalid_yaml_is_refused(override):
  message = _refused(_flags(override=override))
  assert message.startswith("--params_override must be plain YAML. ")
