# SPDX-License-Identifier: Apache-2.0
"""Tests of the folder of a run and of its lock."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading

import pytest
import yaml
from official.core import train_utils

from tests import config_testing
from tests import dataset_testing
from tests import testing
from token_dropping.common import plain_yaml
from token_dropping.common import vocabulary
from token_dropping.data.text import tokenizer_config
from token_dropping.models import networks
from token_dropping.tasks import hooks
from token_dropping.training import run_dir

HEAD = {"inner_dim": 8, "num_classes": 2, "name": "next_sentence"}
WITH_HEAD = {"cls_heads": [HEAD]}
SMALLER = {"cls_heads": [HEAD | {"inner_dim": 4}]}
BERT = "encoder.any"
SIZE, KIND = f"{BERT}.hidden_size", f"{BERT}.importance.type"


def _params(encoder: dict | None = None, name="bert/token_drop", **changes):
  fields = {f"task.model.{BERT}.{k}": v for k, v in (encoder or {}).items()}
  changes = {f"task.model.{k}": v for k, v in changes.items()}
  return config_testing.changed(fields | changes, name)


def _refused(params, folder) -> str:
  """Returns what is wrong with the model."""
  message = testing.refused(run_dir.check_run_dir, params, str(folder))
  rule, _, field = message.partition("task.model.")
  assert rule == (
    "--model_dir must be new or hold a run of the same model; "
    f"{folder}/params.yaml has "
  )
  return field


def test_folder_without_params_is_fine_and_stays_as_it_is(tmp_path):
  (tmp_path / "notes.txt").touch()
  for folder in (tmp_path, tmp_path / "run"):
    run_dir.check_run_dir(_params(), str(folder))
  assert not (tmp_path / "run").exists()


def test_make_run_dir_writes_what_reads_back_and_no_tokenizer(tmp_path):
  params = _params()
  folder = tmp_path / "some" / "run"
  run_dir.make_run_dir(params, str(folder))
  assert plain_yaml.read_yaml(str(folder / "params.yaml")) == params.as_dict()
  assert os.listdir(folder) == ["params.yaml"]


def test_data_training_and_name_may_change(tmp_path):
  run_dir.make_run_dir(_params(cls_heads=[HEAD]), str(tmp_path))
  params = _params(name="token_drop_bert/pretraining", cls_heads=[HEAD])
  params.task.train_data.global_batch_size = 32
  params.trainer.train_steps = 99
  run_dir.check_run_dir(params, str(tmp_path))


NORM_FIRST, FINAL_NORM = "encoder.any.norm_first", "encoder.any.final_norm"
BARE = {NORM_FIRST: True, FINAL_NORM: False}


@pytest.mark.parametrize(
  ("before", "after", "field", "there", "here"),
  [
    ({}, {SIZE: 16}, SIZE, 8, 16),
    ({}, {KIND: "frequency"}, KIND, "mlm_loss", "frequency"),
    ({FINAL_NORM: None}, BARE, NORM_FIRST, False, True),
    (WITH_HEAD, SMALLER, "cls_heads.0.inner_dim", 8, 4),
    ({}, WITH_HEAD, "cls_heads.0.activation", None, "tanh"),
    ({}, {"encoder.type": "bert"}, "encoder.type", "any", "bert"),
  ],
)
def test_another_model_names_the_field(
  tmp_path, before, after, field, there, here
):
  run_dir.make_run_dir(_params(**before), str(tmp_path))
  named = f"{field}={there}. Received: {here}"
  assert _refused(_params(**after), tmp_path) == named


def test_what_changes_how_a_causal_network_selects_is_another_model(tmp_path):
  """Without a list random tokens need no thresholds."""
  name = "gpt/token_drop"
  run_dir.make_run_dir(_params(name=name), str(tmp_path))
  params = _params({"token_allow_list": [7]}, name)
  named = "encoder.any.selection.type=top_k. Received: threshold"
  assert _refused(params, tmp_path) == named
  run_dir.check_run_dir(_params({"token_loss_beta": 0.9}, name), str(tmp_path))


def test_fields_that_leave_the_weights_alone_may_change(tmp_path):
  run_dir.make_run_dir(_params(), str(tmp_path))
  for free in (
    {"attention_dropout_rate": 0.5},
    {"drop_at_inference": True},
    {"drop_layer": 1},
    {"dropout_rate": 0.5},
    {"restore_layer": 1},
    {"importance": {"temperature": 0.5}},
    {"importance": {"random_ratio": 0.5}},
    {"importance": {"type": "mlm_loss"}},  # what it is where it is unset
    {"selection": {"slack": 1.5}},
    {"token_allow_list": [7]},
    {"token_allow_list": None},
    {"token_deny_list": [5, 6]},
    {"token_keep_k": 3},
    {"token_keep_ratio": 0.25},
    {"token_loss_beta": 0.9},
    {"token_loss_init_value": 5.0},
    {"vocab_file": "other.txt"},
  ):
    params = _params(free)
    assert params.as_dict() != _params().as_dict()
    run_dir.check_run_dir(params, str(tmp_path))
  fields = _params().task.model.encoder.any.as_dict()
  known = {*fields, *fields["importance"], *fields["selection"]}
  known |= {*networks.CONFIGS[-1]().as_dict()}  # a decoder has one more rate
  assert known >= run_dir.FREE_FIELDS


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
  assert "=None. Received: " in _refused(_params(), tmp_path)


def test_unwritable_folder_is_refused(tmp_path):
  # Permissions stop no administrator; a file in the way stops everyone.
  (tmp_path / "file").touch()
  folder = str(tmp_path / "file" / "run")
  run_dir.check_run_dir(_params(), folder)
  assert testing.refused(run_dir.make_run_dir, _params(), folder) == (
    f"--model_dir must be a writable folder. Received: {folder!r} "
    "(Not a directory)"
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
  params = _on_dataset(tmp_path, settings, _params(name=name))
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


def test_records_from_elsewhere_leave_the_config_to_the_user(tmp_path):
  path = tmp_path / "vocab.txt"
  path.write_text("\n".join(TOKENS))
  params, cased = _params({"vocab_file": str(path)}), CASED
  for config in ({}, cased):
    # The second time the vocabulary is copied onto itself.
    run_dir.make_run_dir(params, str(tmp_path))
    found = tokenizer_config.TokenizerConfig.from_folder(str(tmp_path))
    assert found == tokenizer_config.TokenizerConfig(**config)
    tokenizer_config.TokenizerConfig(**cased).write(str(tmp_path))
  assert path.read_text().split("\n") == TOKENS


def test_labels_that_are_no_lines_make_no_folder(tmp_path, monkeypatch):
  labels = ("good", "b\nad")
  monkeypatch.setattr(hooks.TaskHooks, "labels", lambda self: labels)
  run = tmp_path / "run"
  message = testing.refused(run_dir.make_run_dir, _params(), str(run))
  assert message.startswith("a label of task.data_dir must be one line")
  assert not run.exists()


@pytest.mark.parametrize(
  ("settings", "fields", "message"),
  [
    ({}, {"vocab_file": "none.txt"}, "vocab_file must be a readable"),
    ([], {}, "dataset.json must be an object"),
  ],
)
def test_wrong_tokenizer_makes_no_folder(tmp_path, settings, fields, message):
  params = _on_dataset(tmp_path, settings, _params(fields))
  run = str(tmp_path / "run")
  assert message in testing.refused(run_dir.make_run_dir, params, run)
  assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["train", "validation", "best", "best/a"])
def test_folders_of_the_run_are_no_links_out_of_it(tmp_path, name):
  params = _params()
  params.trainer.best_checkpoint_export_subdir = name
  folder, theirs = tmp_path / "run", tmp_path / "theirs"
  (folder / name).parent.mkdir(parents=True)
  for place in (theirs, folder):
    (folder / name).symlink_to(place)
    message = testing.refused(run_dir.check_run_dir, params, str(folder))
    assert message == (
      "a folder of the run must lie below --model_dir, not behind a link. "
      f"Received: {name!r}, which is {place}"
    )
    (folder / name).unlink()


def test_files_behind_links_stay_as_they_are(tmp_path):
  theirs, folder = tmp_path / "theirs", tmp_path / "run"
  theirs.write_text("text")
  folder.mkdir()
  for name in ("params.yaml", run_dir.LOCK):
    (folder / name).symlink_to(theirs)
  run_dir.make_run_dir(_params(), str(folder))
  assert "a writable folder" in testing.refused(_hold, str(folder))
  assert theirs.read_text() == "text"


# The lock.


def _hold(folder: str) -> None:
  with run_dir.held(folder):
    pass


def test_a_second_run_is_refused_with_the_first_ones_name(tmp_path):
  folder = str(tmp_path)
  with run_dir.held(folder):
    message = testing.refused(_hold, folder)
  assert message == (
    "--model_dir must be a folder in which no other run trains. Received: "
    f"{folder!r}, in use by process {os.getpid()} on {socket.gethostname()}"
  )
  _hold(folder)  # the lock ended with the run


def test_the_lock_of_a_killed_process_is_taken_over(tmp_path):
  path = tmp_path / run_dir.LOCK
  code = (
    "import fcntl, sys, time\nfile = open(sys.argv[1], 'a')\n"
    "fcntl.flock(file, fcntl.LOCK_EX)\nprint('process 7 on a', file=file)\n"
    "file.flush()\nprint('held', flush=True)\ntime.sleep(600)\n"
  )
  process = subprocess.Popen(
    [sys.executable, "-c", code, path], stdout=subprocess.PIPE, text=True
  )
  assert process.stdout.readline() == "held\n"
  message = testing.refused(_hold, str(tmp_path))
  assert message.endswith("in use by process 7 on a")
  process.kill()
  process.communicate()
  with run_dir.held(str(tmp_path)):
    assert path.read_text().startswith(f"process {os.getpid()} ")


def test_other_filesystems_are_not_locked():
  with run_dir.held("gs://bucket/run"):
    _hold("gs://bucket/run")


def test_waiting_for_a_run_that_ends(tmp_path):
  folder = str(tmp_path)
  assert run_dir.wait_until_free(str(tmp_path / "none"), seconds=0)
  with contextlib.ExitStack() as stack:
    stack.enter_context(run_dir.held(folder))
    assert not run_dir.wait_until_free(folder, seconds=0)
    timer = threading.Timer(0.3, stack.close)
    timer.start()
    assert run_dir.wait_until_free(folder, seconds=60)
    timer.join()
