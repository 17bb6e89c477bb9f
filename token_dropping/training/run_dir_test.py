# SPDX-License-Identifier: Apache-2.0
"""Tests of the folder of a run."""

import json

import pytest
import yaml
from official.core import exp_factory
from official.core import train_utils

from tests import dataset_testing
from tests import testing
from token_dropping.common import config_overrides
from token_dropping.common import errors
from token_dropping.common import plain_yaml
from token_dropping.common import vocabulary
from token_dropping.data.text import tokenizer_config
from token_dropping.training import run_dir

HEAD = {"inner_dim": 8, "num_classes": 2, "name": "next_sentence"}


def _params(encoder: dict | None = None, name="bert/token_drop", **model):
  params = exp_factory.get_exp_config(name)
  tree = testing.merged(
    testing.TINY, {"task": {"model": {"encoder": {"any": encoder or {}}}}}
  )
  tree["task"]["model"] |= model
  config_overrides.apply_overrides(params, tree, source="test")
  return params


def _refused(params, folder) -> str:
  with pytest.raises(errors.UserError) as caught:
    run_dir.check_run_dir(params, str(folder))
  return str(caught.value)


def _rule(folder) -> str:
  return (
    "--model_dir must be new or hold a run of the same model; "
    f"{folder}/params.yaml has task.model."
  )


def test_folder_without_params_is_fine_and_stays_as_it_is(tmp_path):
  (tmp_path / "notes.txt").touch()
  for folder in (tmp_path, tmp_path / "run"):
    run_dir.check_run_dir(_params(), str(folder))
  assert not (tmp_path / "run").exists()


def test_make_run_dir_writes_what_reads_back(tmp_path):
  params = _params()
  folder = tmp_path / "some" / "run"
  run_dir.make_run_dir(params, str(folder))
  assert plain_yaml.read_yaml(str(folder / "params.yaml")) == params.as_dict()


def test_data_training_and_name_may_change(tmp_path):
  run_dir.make_run_dir(_params(cls_heads=[HEAD]), str(tmp_path))
  params = _params(name="token_drop_bert/pretraining", cls_heads=[HEAD])
  run_dir.check_run_dir(params, str(tmp_path))
  params.task.train_data.global_batch_size = 32
  params.trainer.train_steps = 99
  run_dir.check_run_dir(params, str(tmp_path))


@pytest.mark.parametrize(
  ("before", "after", "named"),
  [
    (
      {},
      {"encoder": {"hidden_size": 16}},
      "encoder.any.hidden_size=8. Received: 16",
    ),
    (
      {},
      {"encoder": {"importance": {"type": "frequency"}}},
      "encoder.any.importance.type=mlm_loss. Received: frequency",
    ),
    (
      {"cls_heads": [HEAD]},
      {"cls_heads": [HEAD | {"inner_dim": 4}]},
      "cls_heads.0.inner_dim=8. Received: 4",
    ),
    (
      {},
      {"cls_heads": [HEAD]},
      "cls_heads.0.activation=None. Received: tanh",
    ),
  ],
)
def test_another_model_names_the_field(tmp_path, before, after, named):
  run_dir.make_run_dir(_params(**before), str(tmp_path))
  assert _refused(_params(**after), tmp_path) == _rule(tmp_path) + named


def test_other_encoder_is_refused(tmp_path):
  run_dir.make_run_dir(_params(), str(tmp_path))
  params = _params()
  params.task.model.encoder.type = "bert"
  assert _refused(params, tmp_path) == (
    f"{_rule(tmp_path)}encoder.any.hidden_activation=gelu. Received: None"
  )


@pytest.mark.parametrize(
  "free",
  [
    {"attention_dropout_rate": 0.5},
    {"drop_at_inference": True},
    {"drop_layer": 1},
    {"dropout_rate": 0.5},
    {"restore_layer": 1},
    {"importance": {"temperature": 0.5}},
    {"importance": {"random_ratio": 0.5}},
    {"importance": {"type": "mlm_loss"}},  # what it is where it is unset
    {"token_allow_list": [7]},
    {"token_allow_list": None},
    {"token_deny_list": [5, 6]},
    {"token_keep_k": 3},
    {"token_keep_ratio": 0.25},
    {"token_loss_beta": 0.9},
    {"token_loss_init_value": 5.0},
    {"vocab_file": "other.txt"},
  ],
  ids=lambda free: "-".join(free),
)
def test_fields_that_leave_the_weights_alone_may_change(tmp_path, free):
  run_dir.make_run_dir(_params(), str(tmp_path))
  params = _params(free)
  assert params.as_dict() != _params().as_dict()
  run_dir.check_run_dir(params, str(tmp_path))


def test_every_free_field_is_a_field():
  fields = _params().task.model.encoder.any.as_dict()
  assert {*fields, *fields["importance"]} >= run_dir.FREE_FIELDS


def test_run_from_before_there_were_types_goes_on(tmp_path):
  tree = json.loads(json.dumps(_params().as_dict()))  # tuples become lists
  del tree["task"]["model"]["encoder"]["any"]["importance"]
  (tmp_path / "params.yaml").write_text(yaml.safe_dump(tree))
  run_dir.check_run_dir(_params(), str(tmp_path))


def test_tuples_that_model_garden_writes_read_back(tmp_path):
  params = _params({"token_allow_list": (1, 2), "token_deny_list": (0,)})
  train_utils.serialize_config(params, str(tmp_path))
  assert "!!python/tuple" in (tmp_path / "params.yaml").read_text()
  run_dir.check_run_dir(params, str(tmp_path))


@pytest.mark.parametrize("content", ["", "task:\n", "task: 3\n"])
def test_params_without_a_model_are_refused(tmp_path, content):
  (tmp_path / "params.yaml").write_text(content)
  message = _refused(_params(), tmp_path)
  assert message.startswith(_rule(tmp_path))
  assert "\n" not in message


def test_params_that_are_no_yaml_are_refused(tmp_path):
  path = tmp_path / "params.yaml"
  path.write_text("task: [")
  message = _refused(_params(), tmp_path)
  assert message.startswith(f"{path} must be plain YAML. ")
  assert "\n" not in message


def test_unwritable_folder_is_refused(tmp_path):
  # Permissions stop no administrator; a file in the way stops everyone.
  (tmp_path / "file").touch()
  folder = str(tmp_path / "file" / "run")
  run_dir.check_run_dir(_params(), folder)
  with pytest.raises(errors.UserError) as caught:
    run_dir.make_run_dir(_params(), folder)
  assert str(caught.value) == (
    f"--model_dir must be a writable folder. Received: {folder!r}"
  )


# The tokenizer.

TOKENS = [*vocabulary.SPECIAL_TOKENS, "é"]
CASED = {"do_lower_case": False, "strip_accents": True}


def _on_dataset(folder, settings, params=None):
  dataset_testing.write_dataset(folder, TOKENS, {}, settings=settings)
  params = params or _params()
  params.task.train_data.input_path = f"{folder}/train-*"
  return params


@pytest.mark.parametrize("name", ["bert/token_drop", "bert/pretraining"])
@pytest.mark.parametrize("settings", [{}, {"do_lower_case": False}, CASED])
def test_tokenizer_is_that_of_the_dataset(tmp_path, name, settings):
  params = exp_factory.get_exp_config(name)
  params = _on_dataset(tmp_path, settings, params)
  run_dir.make_run_dir(params, str(tmp_path / "run"))
  words = (tmp_path / "vocab.txt").read_bytes()
  assert (tmp_path / "run/vocab.txt").read_bytes() == words
  config = tokenizer_config.TokenizerConfig.from_folder(str(tmp_path / "run"))
  assert config == tokenizer_config.TokenizerConfig(**settings)


def test_vocabulary_of_the_experiment_comes_first(tmp_path):
  mine = tmp_path / "mine.txt"
  mine.write_text("\n".join([*TOKENS, "mine"]))
  params = _on_dataset(tmp_path, CASED, _params({"vocab_file": str(mine)}))
  run_dir.make_run_dir(params, str(tmp_path / "run"))
  assert (tmp_path / "run/vocab.txt").read_bytes() == mine.read_bytes()


def test_run_without_a_vocabulary_has_no_tokenizer(tmp_path):
  run_dir.make_run_dir(_params(), str(tmp_path / "run"))
  assert {path.name for path in (tmp_path / "run").iterdir()} == {"params.yaml"}


def test_records_from_elsewhere_leave_the_config_to_the_user(tmp_path):
  path = tmp_path / "vocab.txt"
  path.write_text("\n".join(TOKENS))
  params = _params({"vocab_file": str(path)})
  for config in (
    tokenizer_config.TokenizerConfig(),
    tokenizer_config.TokenizerConfig(do_lower_case=False),
  ):
    # The second time the vocabulary is copied onto itself.
    run_dir.make_run_dir(params, str(tmp_path))
    assert tokenizer_config.TokenizerConfig.from_folder(str(tmp_path)) == config
    tokenizer_config.TokenizerConfig(do_lower_case=False).write(str(tmp_path))
  assert path.read_text().split("\n") == TOKENS


def test_unreadable_vocabulary_makes_no_folder(tmp_path):
  params = _params({"vocab_file": str(tmp_path / "none.txt")})
  with pytest.raises(errors.UserError, match="vocab_file must be a readable"):
    run_dir.make_run_dir(params, str(tmp_path / "run"))
  assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
  ("settings", "message"),
  [
    ({"do_lower_case": 1}, "do_lower_case must be true or false. Received: 1"),
    ([], "settings in dataset.json must be a JSON object. Received: []"),
  ],
)
def test_wrong_card_makes_no_folder(tmp_path, settings, message):
  params = _on_dataset(tmp_path, settings)
  with pytest.raises(errors.UserError) as caught:
    run_dir.make_run_dir(params, str(tmp_path / "run"))
  assert str(caught.value) == message
  assert not (tmp_path / "run").exists()
