# SPDX-License-Identifier: Apache-2.0
"""Tests of the command: what it prints, writes and refuses."""

import re
import shutil
import subprocess
import sys

import pytest
from absl import flags

from tests import explain_testing
from tests import run_testing
from token_dropping.common import errors
from token_dropping.explain import __main__ as command


@pytest.fixture(scope="module")
def made(tmp_path_factory):
  folder = tmp_path_factory.mktemp("explain") / "run"
  explain_testing.make_run(folder)
  return folder


@pytest.fixture
def run(made, tmp_path):
  """A copy of the run that a test may change."""
  return shutil.copytree(made, tmp_path / "run")


def _main(*argv: str, **values) -> None:
  names = flags.FlagValues()
  command.define_flags(names)
  given = [f"--{name}={value}" for name, value in values.items()]
  command.main(names(["explain", *argv, *given]), names)


def _refused(*argv: str, **values) -> str:
  with pytest.raises(errors.UserError) as caught:
    _main(*argv, **values)
  assert "\n" not in str(caught.value)
  return str(caught.value)


def test_text_is_printed_and_the_page_written(made, tmp_path, capsys):
  page = tmp_path / "page.html"
  text = "Word9 word8 word7 word1 word2 word3"
  _main(model_dir=made, text=text, output=page)
  printed = capsys.readouterr().out
  # 8 tokens, 4 stay: the special ones and the two most important.
  assert "\n[CLS] Word9 word8 ~word7 word1 word2 word3~ [SEP]\n" in printed
  assert "  once   33.3%" in printed
  assert "(too few to say more)" in printed
  assert printed.endswith(f"page  {page}\n")
  assert "word9 · kept\nimportance 0.900 nats\nmasked-LM loss" in (
    page.read_text()
  )


def test_file_is_read_up_to_the_bound(made, tmp_path, capsys):
  file = tmp_path / "text.txt"
  file.write_text("word1 word2 " * 1000)
  _main(model_dir=made, input=file, output=tmp_path / "p.html", max_sequences=2)
  printed = re.sub(r"\s+", " ", capsys.readouterr().out)
  assert f"the first 28 tokens in 2 sequences of --input={file}" in printed


def test_validation_records_are_the_default(made, tmp_path, capsys):
  _main(model_dir=made, output=tmp_path / "p.html", max_sequences=3)
  printed = capsys.readouterr().out
  assert "the first 48 tokens in 3 sequences of validation records" in printed


@pytest.mark.parametrize(
  ("argv", "message"),
  [
    (
      ["--text=a", "--input=b"],
      "--text and --input must not both be set. Received: --text='a', "
      "--input='b'",
    ),
    (
      ["--text="],
      "--text must hold at least one token of the vocabulary. Received: ''",
    ),
    (["--text= \n "], "token of the vocabulary. Received: ' \\n '"),
    (["--text=hello"], "token of the vocabulary. Received: 'hello'"),
    (["--model_dir="], "--model_dir must be set. Received: nothing"),
    (["more"], "arguments must be flags, --name=value. Received: ['more']"),
    (
      ["--max_sequences=0"],
      "--max_sequences must be in [1, 1000]. Received: 0",
    ),
    (
      ["--output=none/page.html"],
      "--output must be a file in an existing folder. Received: "
      "'none/page.html'",
    ),
    (["--output=a.txt"], "--output must end in .html. Received: 'a.txt'"),
    (
      ["--input=none.txt"],
      "--input must be a readable file. Received: 'none.txt'",
    ),
    (
      ["--input=bytes.txt"],
      "--input must be UTF-8 text. Received: 'bytes.txt' (invalid start byte "
      "at byte 6)",
    ),
  ],
)
def test_wrong_flags(made, tmp_path, monkeypatch, argv, message):
  monkeypatch.chdir(tmp_path)
  (tmp_path / "bytes.txt").write_bytes(b"word1 \xff\xfe")
  assert message in _refused(f"--model_dir={made}", *argv)


def test_records_out_of_reach_name_the_flags(run):
  explain_testing.edit(
    run, "task", "validation_data", "input_path", value="gone/validation-*"
  )
  assert _refused(model_dir=run).startswith(
    "--text or --input must be set where the run's validation records are not "
    "within reach: task.validation_data.input_path must be readable records. "
    "Received: 'gone/validation-*'"
  )


def test_fine_tuned_run_is_refused(tmp_path):
  folder = tmp_path / "run"
  run_testing.make_run(folder, "classification")
  assert _refused(model_dir=folder, text="word1") == (
    f"--model_dir must hold a masked_lm run. Received: '{folder}', a "
    "classification run"
  )


def test_run_that_drops_nothing_is_refused(run):
  encoder = ("task", "model", "encoder", "any")
  explain_testing.edit(run, *encoder, "token_keep_ratio", value=1.0)
  assert _refused(model_dir=run, text="word1") == (
    "--model_dir must hold a run that drops tokens "
    "(task.model.encoder.any.token_keep_ratio below 1). Received: "
    f"'{run}', which keeps all"
  )


def test_command_ends_with_one_line(tmp_path):
  process = subprocess.run(
    [sys.executable, "-m", "token_dropping.explain", f"--model_dir={tmp_path}"],
    capture_output=True,
    text=True,
    env={"TF_CPP_MIN_LOG_LEVEL": "3", "PATH": "/usr/bin:/bin"},
    cwd=command.__file__.rsplit("/", 3)[0],
  )
  assert process.returncode == errors.EXIT_CODE
  assert process.stderr.strip().split("\n")[-1] == (
    f"error: --model_dir must hold params.yaml. Received: '{tmp_path}' without "
    "it"
  )
