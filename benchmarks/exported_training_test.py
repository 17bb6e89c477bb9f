# SPDX-License-Identifier: Apache-2.0
"""Tests of training that is written here, run with JAX and brought back."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from benchmarks import exported_training
from benchmarks import imported_training
from benchmarks import run_exported_training
from benchmarks import timed_training
from tests import fault_testing
from tests import testing
from token_dropping.training import summaries
from token_dropping.training import trained_run

STEPS, CALLS, SEED = 2, 6, 3
RUNNERS = ("run_exported_step.py", "run_exported_training.py")
DATA = {"masking": "dynamic", "masking_rate": 0.2}


def _export(folder: pathlib.Path, *argv: str) -> None:
  argv = [f"--config_file={folder}/tiny.yaml", *argv]
  argv += [f"--output_dir={folder}/exports/net"]
  testing.run_command(exported_training, *argv)


def _import(**values) -> None:
  testing.run_command(imported_training, **values)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
  """A folder with config, records and export, and what was exported."""
  folder = tmp_path_factory.mktemp("training")
  data = {"vocab_file": str(folder / "vocab.txt"), **DATA}
  fault_testing.write_records(folder, testing.dynamic_features)
  changes = {"train_data": data, "validation_data": data}
  changes["model"] = {"encoder": {"any": {"num_layers": 2}}}
  trainer = {"validation_steps": -1, "train_steps": 100}
  trainer["optimizer_config"] = {
    "learning_rate": {"polynomial": {"initial_learning_rate": 0.02}},
    "warmup": {"polynomial": {"warmup_steps": 40}},
  }
  fault_testing.write_tiny(folder, {"task": changes, "trainer": trainer})
  params = timed_training.prepare([f"{folder}/tiny.yaml"])
  tokens = exported_training.read_tokens(params, 31 * 2 * 16)
  training = exported_training.export(
    params, folder / "exports/net", tokens, STEPS, with_values=True
  )
  return folder, params, training


@pytest.fixture(scope="module")
def folder(exported):
  """The folder, and in it what JAX alone has made of the export."""
  folder, *_ = exported
  beside = pathlib.Path(exported_training.__file__).parent
  for name in RUNNERS:
    shutil.copy(beside / name, folder)
  command = [sys.executable, RUNNERS[1], "exports/net", "--output_dir=out"]
  command += [f"--calls={CALLS}", "--evaluate_every=2", f"--seed={SEED}"]
  done = subprocess.run(
    command, cwd=folder, capture_output=True, text=True, env=os.environ
  )
  assert done.returncode == 0, done.stderr
  return folder


def _curve(folder: pathlib.Path) -> list[dict]:
  text = (folder / "out/net/curve.jsonl").read_text()
  return [json.loads(line) for line in text.splitlines()]


def test_jax_makes_tensorflows_steps(exported, folder):
  """Losses and weights are those of the same calls, made here."""
  _, params, training = exported
  tokens = np.load(folder / "exports/tokens.npy")
  assert tokens.shape == (31, 16) and tokens.dtype == np.uint16
  validation = {
    name: tf.constant(value)
    for name, value in exported_training.read_validation(params).items()
  }
  order = run_exported_training._Rows(31, STEPS * 4, SEED)
  losses, found = [np.nan], []
  for call in range(CALLS + 1):
    if call % 2 == 0:
      found.append([losses[-1], *training.evaluate(validation).numpy()])
    epoch, rows = order.of_call(call)
    assert epoch == call // 3  # 31 rows have three calls of 8
    training.rate.progress.assign(call / CALLS)
    inputs = {"epoch": tf.constant(epoch, tf.int64)}
    inputs["tokens"] = tf.constant(tokens[rows].reshape(STEPS, 4, 16))
    if call < CALLS:
      losses.append(float(training.train(inputs)))
  names = ["training_loss", *training.results]
  steps = [line["step"] for line in _curve(folder)]
  assert steps == [0, 4, 8, 12]
  assert [line["tokens"] for line in _curve(folder)] == [64 * n for n in steps]
  curve = [[line[name] for name in names] for line in _curve(folder)]
  np.testing.assert_allclose(curve, found, rtol=1e-5)
  weights = imported_training.read_weights(f"{folder}/out/net/weights.json")
  variables = training.saved()
  assert len(weights) > 40
  for about, value in weights:
    now = variables[about["saved"]].numpy()
    np.testing.assert_allclose(value, now, rtol=1e-4, atol=1e-6)


def test_what_comes_back_is_a_run(folder):
  """The launcher evaluates it: its loss is the last of the curve."""
  run = folder / "run"
  where = {"export": f"{folder}/exports/net", "model_dir": str(run)}
  weights = f"{folder}/out/net/weights.json"
  _import(weights=weights, **where)
  with testing.eagerly():
    fault_testing.launch(folder, run, mode="eval")
  found = summaries.read_scalars(str(run / "validation"))["lm_example_loss"]
  last = _curve(folder)[-1]
  assert found == {last["step"]: pytest.approx(last["lm_example_loss"], 1e-5)}
  trained = trained_run.TrainedRun.read(str(run))
  assert trained.step == last["step"] and trained.kind == "masked_lm"
  trained.build()  # as exports, conversions and fine-tuning do
  message = testing.refused(_import, weights=weights, **where)
  assert message == f"--model_dir must be a new run. Received: {str(run)!r}"


@pytest.fixture
def pieces(tmp_path):
  """The list of two variables in pieces of 10 bytes, 4 in all."""
  matrix = np.arange(6, dtype=np.float32).reshape(2, 3)
  values = {"one": matrix, "two": np.int64([7])}
  weights = [
    ({"name": n, "saved": i, "shape": list(v.shape), "dtype": v.dtype.name}, v)
    for i, (n, v) in enumerate(values.items())
  ]
  run_exported_training.write_weights(weights, {"step": 3}, tmp_path, 10)
  return tmp_path / "weights.json"


def test_pieces_come_back_whole(pieces):
  assert (pieces.parent / "weights-003").stat().st_size == 2
  (one, matrix), (_, vector) = imported_training.read_weights(str(pieces))
  assert (one["name"], one["shape"]) == ("one", [2, 3])
  assert matrix.tolist() == [[0, 1, 2], [3, 4, 5]] and vector.tolist() == [7]


@pytest.mark.parametrize(
  ("damage", "received"),
  [
    (lambda piece: piece.write_bytes(b"short"), "5 bytes"),
    (pathlib.Path.unlink, "nothing"),
  ],
)
def test_a_damaged_piece_is_refused(pieces, damage, received):
  piece = pieces.parent / "weights-001"
  damage(piece)
  digest = json.loads(pieces.read_text())["sha256"][piece.name]
  assert testing.refused(imported_training.read_weights, str(pieces)) == (
    f"{piece} must be there, with the SHA-256 of {pieces}, {digest}. "
    f"Received: {received}"
  )


def test_a_list_without_digests_is_refused(pieces):
  pieces.write_text("{}")
  message = testing.refused(imported_training.read_weights, str(pieces))
  assert message.startswith(f"{pieces} must have sha256.")


def test_weights_of_another_network_are_refused(exported, pieces):
  *_, training = exported
  weights = imported_training.read_weights(str(pieces))
  assert testing.refused(imported_training.assign, training, weights) == (
    "--weights must be of the network of --export, which has at place 0 "
    "[[50, 8]]. Received: one [2, 3]"
  )


@pytest.mark.parametrize(
  ("flag", "message"),
  [
    (
      "--params_override=task.train_data.on_bad_records=skip",
      "task.train_data.on_bad_records must be stop. Received: skip",
    ),
    (
      "--steps=11",
      "--steps must be so many that tokens.npy, 40 rows, has their rows. "
      "Received: 11, 44 rows",
    ),
  ],
)
def test_what_cannot_be_exported_is_refused(folder, flag, message):
  assert testing.refused(_export, folder, flag) == message


def _run(*arguments) -> None:
  run_exported_training.main([*map(str, arguments), "--output_dir=out"])


def test_what_cannot_be_run_is_refused(folder, tmp_path, capsys):
  shutil.copytree(folder / "exports/net", tmp_path / "net")
  with pytest.raises(SystemExit):
    _run(tmp_path / "net", "--calls=1")
  rule = "exports: must have tokens.npy beside it. Received: "
  assert f"{rule}{tmp_path}/net" in capsys.readouterr().err
  np.save(tmp_path / "tokens.npy", np.zeros([2, 16], np.uint16))
  with pytest.raises(SystemExit, match="the SHA-256 that the export of net"):
    _run(tmp_path / "net", "--calls=1")
