# SPDX-License-Identifier: Apache-2.0
"""Tests of the launcher: whole runs, and every misuse in one line."""

import contextlib
import io
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
import yaml

from tests import dataset_testing
from tests import fault_testing
from tests import testing
from token_dropping.common import errors

DECAY = "trainer.optimizer_config.learning_rate.polynomial.decay_steps"


def _fill(folder, features=testing.random_features) -> None:
  """Writes records, a vocabulary and a config, `tiny.yaml`."""
  for name, seeds in (("train", range(16)), ("validation", range(16, 24))):
    records = [features(seed) for seed in seeds]
    testing.write_records(folder / f"{name}.tfrecord", records)
  testing.write_vocabulary(folder / "vocab.txt")
  _write_config(folder)


@pytest.fixture
def folder(tmp_path):
  _fill(tmp_path)
  return tmp_path


@pytest.fixture(scope="module")
def first_run(tmp_path_factory):
  """A folder with a whole run of two steps, and what the run printed."""
  folder = tmp_path_factory.mktemp("first")
  _fill(folder)
  printed = io.StringIO()
  with contextlib.redirect_stdout(printed):
    _launch(folder)
  return folder, printed.getvalue()


@pytest.fixture
def trained(first_run, tmp_path):
  """A copy of that folder, to go on with."""
  shutil.copytree(first_run[0], tmp_path, dirs_exist_ok=True)
  _write_config(tmp_path)
  return tmp_path


def _write_config(folder, **overrides) -> None:
  paths = {
    "task": {
      "train_data": {"input_path": str(folder / "train*"), "seed": 1},
      "validation_data": {"input_path": str(folder / "validation*")},
      "model": {"encoder": {"any": {"vocab_file": str(folder / "vocab.txt")}}},
    }
  }
  config = testing.merged(testing.TINY, paths, overrides)
  (folder / "tiny.yaml").write_text(yaml.safe_dump(config))


def _launch(folder, **values) -> None:
  defaults = {
    "experiment": "bert/token_drop",
    "config_file": str(folder / "tiny.yaml"),
    "model_dir": str(folder / "run"),
    "mode": "train_and_eval",
  }
  testing.launch(**(defaults | values))


def _variables(folder) -> dict[str, np.ndarray]:
  path = tf.train.latest_checkpoint(str(folder / "run"))
  return fault_testing.variables(path)


def test_train_and_evaluate(first_run):
  folder, printed = first_run
  out = printed.splitlines()
  assert out[0].startswith("step       1/2  loss ")
  assert out[2].startswith("step       2  evaluation: loss ")
  assert out[3].startswith("Trained 2 steps, to step 2, in 0 min ")
  assert out[4].startswith("  training loss ")
  assert out[5].startswith("  validation loss ")
  assert out[6].split() == ["checkpoint", str(folder / "run" / "ckpt-2")]
  assert "word" in out[7] and "word" in out[8]
  assert (folder / "run" / "params.yaml").exists()


def test_tensorboard_has_scalars_and_histogram(first_run):
  curves = fault_testing.curves(first_run[0] / "run" / "train", leave_out=())
  for tag in (
    "lm_example_loss",
    "masked_lm_accuracy",
    "tokens_per_second",
    "kept_share",
    "importance",
  ):
    assert [step for step, _ in curves[tag]] == [1, 2], tag


def test_checkpoint_holds_importance_beside_an_ordinary_bert(first_run):
  suffix = "/.ATTRIBUTES/VARIABLE_VALUE"
  names = {name.removesuffix(suffix) for name in _variables(first_run[0])}
  assert "importance/table" in names
  # The name that conversion scripts for BERT look for.
  layer = "encoder/_transformer_layers/0"
  assert f"{layer}/_attention_layer/_query_dense/kernel" in names
  assert "masked_lm/output_bias.Sbias" in names


def test_checkpoint_restores_into_bert_v2(first_run):
  folder, _ = first_run
  bert = testing.restore_bert(folder / "run")
  kernel = "encoder/_pooler_layer/kernel/.ATTRIBUTES/VARIABLE_VALUE"
  np.testing.assert_array_equal(
    bert.pooler_layer.kernel, _variables(folder)[kernel]
  )


def test_complete_run_is_evaluated_and_not_changed(trained, capsys):
  first = _variables(trained)
  _launch(trained)
  out = capsys.readouterr().out
  assert "Nothing to train: the run is at step 2." in out
  assert "validation loss" in out
  again = _variables(trained)
  assert first.keys() == again.keys()
  for name in first:
    np.testing.assert_array_equal(first[name], again[name])


def test_eval_reads_the_checkpoint(first_run, trained, capsys):
  _launch(trained, mode="eval")
  printed = first_run[1].splitlines()
  line = next(line for line in printed if line.startswith("  validation"))
  assert line in capsys.readouterr().out.splitlines()


def test_baseline_runs_from_the_same_launcher(folder, capsys):
  config = yaml.safe_load((folder / "tiny.yaml").read_text())
  sizes = config["task"]["model"]["encoder"]["any"]
  for name in list(sizes):
    if name.startswith("token_") or name == "vocab_file":
      del sizes[name]
  del config["task"]["dropping_pictures"]
  config["task"]["model"] = {
    "cls_heads": [],
    "encoder": {"type": "bert", "bert": sizes},
  }
  for data in ("train_data", "validation_data"):
    config["task"][data] |= {
      "use_next_sentence_label": False,
      "use_v2_feature_names": True,
    }
  (folder / "tiny.yaml").write_text(yaml.safe_dump(config))
  _launch(folder, experiment="bert/pretraining")
  assert "validation loss" in capsys.readouterr().out


def test_model_gardens_yaml_and_name_run(folder, capsys):
  (folder / "model_garden.yaml").write_text(
    """
task:
  model:
    encoder:
      type: any
      any:
        token_allow_list: !!python/tuple
        - 1  # [UNK]
        - 2  # [CLS]
        - 3  # [SEP]
        - 4  # [MASK]
        token_deny_list: !!python/tuple
        - 0  # [PAD]
        token_loss_init_value: 10.0
        token_loss_beta: 0.995
        token_keep_k: 6
"""
  )
  files = [str(folder / "tiny.yaml"), str(folder / "model_garden.yaml")]
  _launch(
    folder,
    experiment="token_drop_bert/pretraining",
    config_file=files,
    mode="train",
    params_override=f"{DECAY}=1",
  )
  printed = capsys.readouterr()
  assert "Trained 2 steps" in printed.out
  assert printed.err.splitlines()[0] == (
    "warning: trainer.optimizer_config: warmup_steps should be below "
    "decay_steps (1), or the learning rate stays at its end. Received: 1"
  )


def _write_dynamic_records(folder) -> None:
  """Replaces the records by ones without masks, and marks them as prepared."""
  _fill(folder, testing.dynamic_features)
  (folder / "dataset.json").write_text("{}")


DYNAMIC = {"masking": "dynamic", "masking_rate": 0.3}


def test_dynamic_masking(folder, capsys):
  _write_dynamic_records(folder)
  schedule = {"final_masking_rate": 0.1}
  task = {"train_data": DYNAMIC | schedule, "validation_data": DYNAMIC}
  _write_config(folder, task=task)
  _launch(folder)
  assert "Trained 2 steps, to step 2" in capsys.readouterr().out
  saved = yaml.safe_load((folder / "run" / "params.yaml").read_text())
  data = saved["task"]["train_data"]
  assert data["vocab_file"] == str(folder / "vocab.txt")
  assert data["masking_rate_steps"] == 2
  _launch(folder, params_override="trainer.train_steps=4", mode="train")
  assert "to step 4" in capsys.readouterr().out


def test_dynamic_records_must_be_masked(folder):
  _write_dynamic_records(folder)
  with pytest.raises(errors.UserError) as caught:
    _launch(folder)
  assert str(caught.value) == (
    "task.train_data.masking must be dynamic for these records "
    f"({folder}/train.tfrecord, record 0). Received: 'static'"
  )


MISUSES = {
  "unknown key": (
    {"params_override": "task.train_data.input_data=x"},
    "the nearest is task.train_data.input_path. "
    "Received: task.train_data.input_data='x'",
  ),
  "no file": (
    {"params_override": "task.train_data.input_path=/none/*"},
    "task.train_data.input_path must match at least one file. "
    "Received: '/none/*'",
  ),
  "record id": (
    {
      "params_override": "task.model.encoder.any.vocab_size=20,"
      "task.model.encoder.any.vocab_file=''"
    },
    " must be in [0, vocab_size) (20); ",
  ),
  "experiment": (
    {"experiment": "bert/token_dropping"},
    "--experiment must be one of bert/token_drop, ",
  ),
  "no experiment": ({"experiment": ""}, "--experiment must be set"),
  "no model_dir": ({"model_dir": ""}, "--model_dir must be set"),
  "mode": (
    {"mode": "continuous_train_and_eval"},
    "--mode must be one of train, eval, ",
  ),
  "gin": (
    {"gin_params": "nothing.at.all = 3"},
    "--gin_file and --gin_params must be valid gin. ",
  ),
}


@pytest.mark.parametrize("kind", MISUSES)
def test_misuse_is_one_line_and_writes_nothing(folder, kind):
  values, message = MISUSES[kind]
  with pytest.raises(errors.UserError) as caught:
    _launch(folder, **values)
  assert message in str(caught.value)
  assert "\n" not in str(caught.value)
  assert not (folder / "run").exists()


def test_model_dir_of_another_model(trained):
  with pytest.raises(
    errors.UserError,
    match="params.yaml has task.model.encoder.any.hidden_size=8. Received: 16",
  ):
    _launch(trained, params_override="task.model.encoder.any.hidden_size=16")


def test_positional_argument_is_refused(folder):
  with pytest.raises(
    errors.UserError, match="must be flags, .*'train_steps=3'"
  ):
    testing.launch_argv(["train_steps=3"])


def test_command_exits_non_zero_without_a_trace(folder):
  process = subprocess.run(
    [
      sys.executable,
      "-m",
      "token_dropping.train",
      "--experiment=bert/token_drop",
      f"--model_dir={folder}/run",
      "--mode=train",
    ],
    capture_output=True,
    text=True,
    cwd=pathlib.Path(__file__).parent.parent,
  )
  assert process.returncode == errors.EXIT_CODE
  assert "Traceback" not in process.stderr
  assert process.stderr.splitlines()[-1].startswith(
    "error: task.train_data.input_path must name TFRecord files, for example"
  )


@pytest.fixture
def dataset(tmp_path):
  """A folder with a prepared dataset and a config for it."""
  shards = {
    f"{name}-00000-of-00001.tfrecord": [
      testing.random_features(seed) for seed in seeds
    ]
    for name, seeds in (("train", range(16)), ("validation", range(16, 24)))
  }
  dataset_testing.write_dataset(tmp_path, testing.TOKENS, shards)
  _write_config(tmp_path)
  return tmp_path


def test_prepared_dataset_is_trained_on(dataset, capsys):
  _launch(dataset)
  assert "Trained 2 steps" in capsys.readouterr().out
  # Whoever has the run needs no dataset to make the same ids.
  words = (dataset / "vocab.txt").read_bytes()
  assert (dataset / "run" / "vocab.txt").read_bytes() == words
  assert (dataset / "run" / "tokenizer_config.json").exists()


def test_truncated_validation_shard_is_refused(dataset):
  name = "validation-00000-of-00001.tfrecord"
  content = (dataset / name).read_bytes()
  (dataset / name).write_bytes(content[:-20])
  with pytest.raises(errors.UserError) as caught:
    _launch(dataset)
  assert str(caught.value) == (
    f"{dataset}/{name} must have {len(content)} bytes, as dataset.json says. "
    f"Received: {len(content) - 20} bytes"
  )
  assert not (dataset / "run").exists()
