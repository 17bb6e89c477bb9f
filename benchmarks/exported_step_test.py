# SPDX-License-Identifier: Apache-2.0
"""Tests of a step that is written here and run with JAX."""

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from absl import flags

from benchmarks import exported_step
from benchmarks import run_exported_step
from tests import testing

SIZES = (
  *("--widths=8", "--num_layers=2", "--vocab_size=150", "--seq_lengths=8"),
  *("--keep_ratios=0.5", "--batch_sizes=2", "--xla=on", "--dtypes=float32"),
)
RUNNER = pathlib.Path(run_exported_step.__file__)


def _export(*argv: str) -> None:
  values = flags.FlagValues()
  exported_step.define_flags(values)
  exported_step.main(values(["exported_step", *SIZES, *argv]), values)


@pytest.fixture(scope="module")
def exports(tmp_path_factory):
  folder = tmp_path_factory.mktemp("exports")
  _export(f"--output_dir={folder}", "--contenders=ours", "--values")
  return folder


def test_meta_has_the_parameters_in_order(exports):
  meta = json.loads((exports / "ours/meta.json").read_text())
  sizes = ("keep", "heads", "predictions", "width", "batch_size")
  assert [meta[name] for name in sizes] == [4, 1, 1, 8, 2]
  assert meta["macs"] < meta["dense_macs"]
  parameters = meta["parameters"]
  assert parameters[0] == {
    "name": "input_mask",
    "shape": [2, 8],
    "dtype": "int32",
  }
  names = [each["name"] for each in parameters]
  values = np.load(exports / "ours/values.npz")
  (index,) = (
    index
    for index, name in enumerate(names)
    if name.endswith("/word_embeddings/embeddings:0")
  )
  before, after = (values[f"{when}_{index}"] for when in ("before", "after"))
  assert before.shape == (150, 8) and (before != after).any()


def test_jax_makes_tensorflows_steps(exports, tmp_path):
  alone = tmp_path / RUNNER.name
  alone.write_text(RUNNER.read_text("utf-8"))
  command = [sys.executable, "-P", alone, exports / "ours", "--rounds=2"]
  command += ["--chain", "3", "1", f"--programs={tmp_path}"]
  done = subprocess.run(
    command, cwd=tmp_path, capture_output=True, text=True, env=os.environ
  )
  assert done.returncode == 0, done.stderr
  result = json.loads(done.stdout.splitlines()[-1])
  name = f"{exports.name}/ours"
  step = result["steps"][name]
  np.testing.assert_allclose(step["losses"], step["tensorflow"], rtol=1e-6)
  assert step["error_over_movement"] < 1e-5
  for times in (step["chain 3"], step["chain 1"]):
    tokens = times["tokens_per_s"] * times["seconds"]
    assert tokens == pytest.approx(2 * 8)
  assert (tmp_path / name / run_exported_step.COMPILED).exists()


@pytest.mark.parametrize(
  ("flag", "message"),
  [
    (
      "--keep_ratios=0.5,0.25",
      "--widths, --seq_lengths, --keep_ratios, --xla and --dtypes must have "
      "one value each. Received: 2 cases",
    ),
    (
      "--contenders=torch",
      "--xla must be on and --contenders those on TensorFlow. Received: "
      "2 x 8, S = 8, B = 2, keep 0.5, XLA on, float32, dropout 0.1, of torch",
    ),
  ],
)
def test_what_cannot_be_exported_is_refused(flag, message):
  assert testing.refused(_export, flag) == message


@pytest.mark.parametrize(
  ("arguments", "message"),
  [
    (["--chain", "0"], "--chain: must be a whole number above 0. Received: 0"),
    (
      ["nowhere"],
      "exports: must be a folder with program.hlo.gz, meta.json, values.npz. "
      "Received: nowhere",
    ),
  ],
)
def test_what_cannot_be_run_is_refused(arguments, message, capsys):
  with pytest.raises(SystemExit):
    run_exported_step.main(arguments)
  assert message in capsys.readouterr().err
