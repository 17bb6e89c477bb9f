# SPDX-License-Identifier: Apache-2.0
"""Tests of the launcher: whole runs, and every misuse in one line."""

import contextlib
import functools
import io
import shutil

import numpy as np
import pytest
import tensorflow as tf
import yaml

from tests import fault_testing
from tests import testing

DATA = "data-00000-of-00001"
DECAY = "trainer.optimizer_config.learning_rate.polynomial.decay_steps"


def _fill(folder, make=testing.random_features) -> None:
  """Writes records, a vocabulary and a config, `tiny.yaml`."""
  fault_testing.write_records(folder, make)
  fault_testing.write_tiny(folder)


def _launch(folder, run="run", **values) -> None:
  fault_testing.launch(folder, run and folder / run, **values)


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
  fault_testing.write_tiny(tmp_path)
  return tmp_path


def _variables(folder) -> dict[str, np.ndarray]:
  path = tf.train.latest_checkpoint(str(folder / "run"))
  return fault_testing.variables(path)


def test_train_and_evaluate(first_run):
  folder, printed = first_run
  first, *out = printed.splitlines()
  assert first == "attention: plain, since runtime.num_gpus is 0"
  assert out[0].startswith("step       1/2  loss ")
  assert out[2].startswith("step       2  evaluation: loss ")
  assert out[3].startswith("Trained 2 steps, to step 2, in 0 min ")
  assert out[4].startswith("  training loss ")
  assert out[5].startswith("  validation loss ")
  assert out[6].split() == ["checkpoint", str(folder / "run" / "ckpt-2")]
  assert "word" in out[7] and "word" in out[8]
  assert (folder / "run" / "params.yaml").exists()
  curves = fault_testing.curves(folder / "run" / "train", leave_out=())
  for tag in (
    *("lm_example_loss", "masked_lm_accuracy", "tokens_per_second"),
    *("kept_share", "importance"),
  ):
    assert [step for step, _ in curves[tag]] == [1, 2], tag


def test_checkpoint_holds_importance_beside_an_ordinary_bert(first_run):
  folder, _ = first_run
  suffix = "/.ATTRIBUTES/VARIABLE_VALUE"
  found = _variables(folder)
  # The name that conversion scripts for BERT look for.
  layer = "encoder/_transformer_layers/0"
  for name in (
    "importance/table",
    f"{layer}/_attention_layer/_query_dense/kernel",
    "masked_lm/output_bias.Sbias",
  ):
    assert name + suffix in found
  bert = testing.restore_bert(folder / "run")
  kernel = found["encoder/_pooler_layer/kernel" + suffix]
  np.testing.assert_array_equal(bert.pooler_layer.kernel, kernel)


@testing.eagerly()
def test_complete_run_is_evaluated_and_not_changed(first_run, trained, capsys):
  first = _variables(trained)
  _launch(trained)
  out = capsys.readouterr().out
  assert "Nothing to train: the run is at step 2." in out
  assert "validation loss" in out
  fault_testing.assert_same(first, _variables(trained))
  _launch(trained, mode="eval")
  printed = first_run[1].splitlines()
  line = next(line for line in printed if line.startswith("  validation"))
  assert line in capsys.readouterr().out.splitlines()


@testing.eagerly()
def test_another_checkpoint_alone_is_evaluated_and_nothing_written(
  first_run, tmp_path, capsys
):
  folder, printed = first_run
  initial = f"task.init_checkpoint={folder / 'run'}"
  flags = {"mode": "eval", "params_override": initial}
  fault_testing.launch(folder, tmp_path / "none", **flags)
  line = printed.splitlines()[6]
  assert line.startswith("  validation loss ")
  assert line in capsys.readouterr().out.splitlines()
  assert not list(tmp_path.iterdir())


@testing.eagerly()
def test_another_run_goes_on_with_settings_of_its_own(trained, capsys):
  begin, kind = "trainer.continue_from", "task.model.encoder.any.importance"
  changes = f"trainer.train_steps=3,{begin}={trained / 'run'},{kind}.type="
  _launch(trained, "new", params_override=f"{changes}frequency")
  out = capsys.readouterr().out
  assert f"goes on from step 2 of {trained}/run/ckpt-2\n" in out
  assert "Trained 1 steps, to step 3," in out
  found = fault_testing.variables(trained / "new" / "ckpt-3")
  counts = found["importance/counts/.ATTRIBUTES/VARIABLE_VALUE"]
  assert 0 < counts.sum() <= 4 * testing.PREDICTIONS  # of the new step alone


WAIT = "trainer.continuous_eval_timeout=1"
NO_INITIAL = "task.init_checkpoint may name one. Received: nothing"
WIDE = "task.model.encoder.any.hidden_size=16,task.init_checkpoint="


def test_nothing_is_evaluated_or_begun_without_weights(
  first_run, tmp_path, capsys
):
  tf.config.experimental.enable_op_determinism()  # as of an earlier run
  folder = first_run[0]
  launch = functools.partial(fault_testing.launch, folder)
  (tmp_path / "empty").mkdir()
  for name, what in (
    ("empty", "a folder without checkpoints"),
    ("no", "which is not there"),
  ):
    run = tmp_path / name
    message = testing.refused(launch, run, mode="eval")
    assert message.endswith(f"Received: '{run}', {what}; {NO_INITIAL}")
    flags = {"mode": "continuous_eval", "params_override": WAIT}
    message = testing.refused(launch, run, **flags)
    assert message.startswith("--model_dir must get a checkpoint within ")
    out = capsys.readouterr().out
    assert out.startswith("waiting for the first checkpoint in ")
  flags = {"mode": "train", "params_override": f"{WIDE}{folder / 'run'}"}
  message = testing.refused(launch, tmp_path / "no", **flags)
  assert "of shape [50, 8], not [50, 16]" in message
  # Of a folder that no run made.
  checkpoint = tf.train.Checkpoint(global_step=tf.Variable(1, dtype=tf.int64))
  checkpoint.save(tmp_path / "empty" / "ckpt")
  message = testing.refused(launch, tmp_path / "empty", mode="eval")
  assert message.startswith("--model_dir must hold every weight")
  names = {path.name for path in tmp_path.rglob("*")}
  assert names == {"empty", "checkpoint", "ckpt-1.index", f"ckpt-1.{DATA}"}


@testing.eagerly()
def test_baseline_runs_from_the_same_launcher(folder, capsys):
  config = yaml.safe_load((folder / "tiny.yaml").read_text())
  task = config["task"]
  del task["dropping_pictures"]
  encoder = {"type": "bert", "bert": testing.SIZES}
  task["model"] = {"cls_heads": [], "encoder": encoder}
  for data in ("train_data", "validation_data"):
    task[data]["use_next_sentence_label"] = False
    task[data]["use_v2_feature_names"] = True
  (folder / "tiny.yaml").write_text(yaml.safe_dump(config))
  _launch(folder, experiment="bert/pretraining")
  assert "validation loss" in capsys.readouterr().out


MODEL_GARDENS = """
task:
  model:
    encoder:
      type: any
      any:
        token_allow_list: !!python/tuple [1, 2, 3, 4]
        token_deny_list: !!python/tuple
        - 0  # [PAD]
        token_loss_init_value: 10.0
        token_loss_beta: 0.995
        token_keep_k: 6
"""


@testing.eagerly()
def test_model_gardens_yaml_and_name_run(folder, capsys):
  (folder / "model_garden.yaml").write_text(MODEL_GARDENS)
  _launch(
    folder,
    experiment="token_drop_bert/pretraining",
    config_file=[folder / "tiny.yaml", folder / "model_garden.yaml"],
    mode="train",
    params_override=f"{DECAY}=1",
  )
  printed = capsys.readouterr()
  assert "Trained 2 steps" in printed.out
  assert printed.err.startswith("warning: trainer.optimizer_config: warmup_s")


@testing.eagerly()
def test_dynamic_masking(tmp_path, capsys):
  _fill(tmp_path, testing.dynamic_features)
  (tmp_path / "dataset.json").write_text("{}")
  message = testing.refused(_launch, tmp_path)
  rule = "task.train_data.masking must be dynamic for these records "
  assert message.startswith(f"{rule}({tmp_path}/train-")
  assert message.endswith(", record 0). Received: 'static'")
  dynamic = {"masking": "dynamic", "masking_rate": 0.3}
  schedule = {"final_masking_rate": 0.1}
  task = {"train_data": dynamic | schedule, "validation_data": dynamic}
  fault_testing.write_tiny(tmp_path, {"task": task})
  _launch(tmp_path)
  assert "Trained 2 steps, to step 2" in capsys.readouterr().out
  saved = yaml.safe_load((tmp_path / "run" / "params.yaml").read_text())
  data = saved["task"]["train_data"]
  assert data["vocab_file"] == str(tmp_path / "vocab.txt")
  assert data["masking_rate_steps"] == 2
  _launch(tmp_path, params_override="trainer.train_steps=3", mode="train")
  assert "to step 3" in capsys.readouterr().out


VOCABULARY = "task.model.encoder.any.vocab_"
MISUSES = [
  ("params_override", "task.train_data.input_data=x", "the nearest is task."),
  ("params_override", "task.train_data.input_path=/none/*", "one file. Rec"),
  ("params_override", f"{VOCABULARY}size=20,{VOCABULARY}file=''", " (20); "),
  ("run", "", "--model_dir must be set"),
  ("mode", "continuous_train_and_eval", "--mode must be one of train, eval, "),
  ("gin_params", "nothing.at.all = 3", "--gin_params must be valid gin. "),
]


@pytest.mark.parametrize(("flag", "value", "message"), MISUSES)
def test_misuse_is_one_line_and_writes_nothing(folder, flag, value, message):
  assert message in testing.refused(_launch, folder, **{flag: value})
  assert not (folder / "run").exists()


def test_model_dir_of_another_model(trained):
  wider = "task.model.encoder.any.hidden_size=16"
  message = testing.refused(_launch, trained, params_override=wider)
  assert "has task.model.encoder.any.hidden_size=8. Received: 16" in message


def test_a_second_override_is_refused():
  override = "--params_override=trainer.train_steps=3"
  argv = ["--experiment=bert/token_drop", "--dry_run", override, override]
  assert testing.refused(testing.launch_argv, argv) == (
    "--params_override must be given once, with commas between its pairs. "
    "Received: 2 times"
  )


def test_positional_argument_is_refused():
  message = testing.refused(testing.launch_argv, ["train_steps=3"])
  assert "must be flags, --name=value. Received: 'train_steps=3'" in message
