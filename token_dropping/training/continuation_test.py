# SPDX-License-Identifier: Apache-2.0
"""Tests of what a new run may go on from; whole runs are in `tests/`."""

import pytest
import tensorflow as tf

from tests import causal_testing
from tests import config_testing
from tests import gpt_testing
from tests import run_testing
from tests import testing
from token_dropping.data.text import byte_tokenizer
from token_dropping.models import checkpoint_files
from token_dropping.training import continuation
from token_dropping.training import resume

TYPE = "trainer.optimizer_config.optimizer.type"
STEPS = "trainer.train_steps"


@pytest.fixture(scope="module")
def source(tmp_path_factory):
  """A run's folder, with an optimizer in its checkpoint."""
  folder = tmp_path_factory.mktemp("source") / "run"
  run_testing.make_run(folder)
  _write_checkpoint(folder)
  return folder


def _write_checkpoint(folder) -> None:
  steps = [tf.Variable(run_testing.STEP, dtype=tf.int64) for _ in range(2)]
  optimizer = tf.train.Checkpoint(iter=steps[1])
  whole = tf.train.Checkpoint(global_step=steps[0], optimizer=optimizer)
  whole.write(str(folder / "ckpt-9"))


def _params(path, changes: dict, name: str = "bert/token_drop"):
  changed = {STEPS: 8, continuation.SOURCE: str(path)} | changes
  return config_testing.changed(changed, name)


def test_a_checkpoint_becomes_the_first_of_the_new_run(source, tmp_path):
  params = _params(source / "ckpt-9", {})
  continuation.check(params)
  assert continuation.is_due(params, str(tmp_path))
  continuation.begin(params, str(tmp_path))
  assert not continuation.is_due(params, str(tmp_path))
  assert resume.use_last_whole(str(tmp_path)) == []
  latest = checkpoint_files.latest(str(tmp_path))
  assert latest == str(tmp_path / "ckpt-7")


def test_what_chooses_tokens_may_be_another(source):
  encoder = "task.model.encoder.any"
  for changes in (
    {f"{encoder}.importance.type": "frequency"},
    {f"{encoder}.token_keep_ratio": 0.25, f"{encoder}.drop.type": "context"},
    {"task.train_data.global_batch_size": 2},
  ):
    continuation.check(_params(source / "ckpt-9", changes))


@pytest.mark.parametrize(
  ("name", "changes", "message"),
  [
    ("none", {}, " must name a whole checkpoint of TensorFlow 2, or a folder"),
    (
      "ckpt-9",
      {"task.model.encoder.any.hidden_size": 16},
      " must be of a run of the same network; {0}/params.yaml has "
      "task.model.encoder.any.hidden_size=8. Received: 16",
    ),
    (
      "ckpt-9",
      {TYPE: "lamb"},
      " must hold the state of the same optimizer, lamb; task.init_checkpoint "
      "takes weights alone. Received: '{0}/ckpt-9' with that of adamw",
    ),
    (
      "ckpt-9",
      {"runtime.mixed_precision_dtype": "float16"},
      " must hold the state of the same optimizer, adamw with a loss scale; ",
    ),
    ("ckpt-7", {}, " must hold the state of the same optimizer, adamw; "),
    (
      "ckpt-9",
      {STEPS: 7},
      " must be of a step below trainer.train_steps (7). Received: "
      "'{0}/ckpt-9' of step 7",
    ),
  ],
)
def test_what_does_not_fit_is_one_line(source, name, changes, message):
  params = _params(source / name, changes)
  refused = testing.refused(continuation.check, params)
  assert refused.startswith(continuation.SOURCE + message.format(source))


def test_a_checkpoint_alone_is_no_run(source, tmp_path):
  checkpoint_files.copy(str(source / "ckpt-9"), str(tmp_path / "ckpt-9"))
  path = tmp_path / "ckpt-9"
  assert testing.refused(continuation.check, _params(path, {})) == (
    f"{continuation.SOURCE} must name a checkpoint in the folder of a run, "
    f"beside its params.yaml. Received: '{path}'"
  )


def test_ids_must_mean_the_same(source, tmp_path):
  words = testing.write_vocabulary(tmp_path / "vocab.txt", testing.TOKENS[:-1])
  params = _params(
    source / "ckpt-9", {"task.model.encoder.any.vocab_file": words}
  )
  assert testing.refused(continuation.check, params) == (
    f"{continuation.SOURCE} must be of a run with the same vocabulary, {words}."
    f" Received: '{source}/vocab.txt'"
  )


def test_so_must_those_of_a_tokenizer_by_bytes(tmp_path):
  run, data = tmp_path / "run", tmp_path / "data"
  sizes = {"vocab_size": testing.VOCAB_SIZE, "initializer_range": 0.02}
  run_testing.make_causal_run(run, causal_testing.model(), **sizes)
  _write_checkpoint(run)
  data.mkdir()
  own = data / byte_tokenizer.FILE
  changes = {"task.train_data.input_path": str(data / "train-*")}
  params = _params(run / "ckpt-9", changes, gpt_testing.EXPERIMENT)
  own.write_bytes(causal_testing.model())
  continuation.check(params)
  own.write_bytes(causal_testing.model(290))
  assert testing.refused(continuation.check, params) == (
    f"{continuation.SOURCE} must be of a run with the same vocabulary, {own}."
    f" Received: '{run}/tokenizer.model'"
  )
