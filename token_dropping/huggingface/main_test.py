# SPDX-License-Identifier: Apache-2.0
"""The command line of both directions."""

import sys

import pytest
from absl import flags

from tests import run_testing
from token_dropping.common import errors
from token_dropping.huggingface import __main__ as command


def _run(*argv: str) -> None:
  values = flags.FlagValues()
  command.define_flags(values)
  command.main(values(["huggingface", *argv]), values)


def test_export_and_import(tmp_path, capsys):
  run = tmp_path / "run"
  run_testing.make_run(run)
  out, back = tmp_path / "out", tmp_path / "back"
  _run("export", f"--model_dir={run}", f"--output_dir={out}")
  _run("import", f"--input={out}", f"--output_dir={back}")
  assert capsys.readouterr().out.splitlines() == [
    f"Exported step 7 of {run} to {out}: BertForMaskedLM, 2,570 parameters.",
    f"Imported {out} to {back}: 3 layers, hidden size 8, 50 tokens.",
  ]


@pytest.mark.parametrize(
  ("argv", "message"),
  [
    ([], "arguments must be export or import, and flags"),
    (["convert"], "arguments must be export or import, and flags"),
    (["export", "runs/base"], "arguments must be export or import, and flags"),
    (
      ["export", "--output_dir=a"],
      "--model_dir must be set. Received: nothing",
    ),
    (["import", "--output_dir=a"], "--input must be set. Received: nothing"),
    (["import", "--input=a"], "--output_dir must be set. Received: nothing"),
    (
      ["import", "--input=a", "--output_dir=b", "--checkpoint=best"],
      "--checkpoint must be unset for import. Received: 'best'",
    ),
    (
      ["export", "--model_dir=/nothing", "--output_dir=/nowhere/b"],
      "--model_dir must be the folder of a run. Received: '/nothing'",
    ),
  ],
)
def test_wrong_arguments(argv, message):
  with pytest.raises(errors.UserError) as caught:
    _run(*argv)
  assert str(caught.value).startswith(message)


def test_missing_package_is_named(monkeypatch):
  name = "token_dropping.huggingface.exporting"
  monkeypatch.setitem(sys.modules, name, None)  # importing it fails
  with pytest.raises(errors.UserError) as caught:
    _run("export", "--model_dir=run", "--output_dir=out")
  assert str(caught.value) == (
    "conversion needs safetensors and tokenizers: pip install "
    "'token-dropping[huggingface]'. Received: import of "
    f"{name} halted; None in sys.modules"
  )
