# SPDX-License-Identifier: Apache-2.0
"""Tests of the command: what it prints, writes and refuses."""

import functools
import shutil

import pytest
from absl import flags

from tests import explain_testing
from tests import run_testing
from tests import testing
from token_dropping.explain import __main__ as command
from token_dropping.explain import source_text
from token_dropping.training import trained_run


@pytest.fixture(scope="module")
def made(tmp_path_factory):
  folder = tmp_path_factory.mktemp("explain") / "run"
  explain_testing.make_run(folder)
  return folder


@pytest.fixture
def run(made, tmp_path):
  """A copy of the run that a test may change."""
  return shutil.copytree(made, tmp_path / "run")


_main = functools.partial(testing.run_command, command)


def _refused(*argv: str, **values) -> str:
  return testing.refused(_main, *argv, **values)


def test_text_is_printed_and_the_page_written(made, tmp_path, capsys):
  page = tmp_path / "page.html"
  # What follows word9 is a byte that is not UTF-8, as Python reads it.
  text = "Word9\udcff word8 word7 word1 word2 word3"
  _main(model_dir=made, text=text, output=page)
  printed = capsys.readouterr().out
  # 8 tokens, 4 stay: the special ones and the two most important.
  shown = "[CLS] Word9\ufffd word8 ~word7 word1 word2 word3~ [SEP]"
  assert f"\n{shown}\n" in printed
  assert "  once   33.3%" in printed
  assert "(too few to say more)" in printed
  assert printed.endswith(f"page  {page}\n")
  tip = "word9 · kept\nimportance 0.900 nats\nmasked-LM loss"
  assert tip in page.read_text()


def test_file_is_read_up_to_the_bound(made, tmp_path):
  file = tmp_path / "text.txt"
  file.write_text("word1 word2 " * 1000)
  run = trained_run.TrainedRun.read(str(made))
  source = source_text.from_file(run, str(file), 2)
  assert (source.name, source.cut) == (f"--input={file}", True)
  assert [len(sequence) for sequence in source.sequences] == [16, 16]


def test_validation_records_are_the_default(made):
  values = flags.FlagValues()
  command.define_flags(values)
  values(["explain", "--max_sequences=3"])
  source = command._source(trained_run.TrainedRun.read(str(made)), values)
  assert source.name.startswith("validation records, ") and source.cut
  assert [len(sequence) for sequence in source.sequences] == [16] * 3


@pytest.mark.parametrize(
  ("argv", "message"),
  [
    (
      ["--text=a", "--input=b"],
      "--text and --input must not both be set. Received: --text='a', "
      "--input='b'",
    ),
    (["--text="], "--text must hold at least one token of the vocabulary. Rec"),
    (["--text= \n "], "token of the vocabulary. Received: ' \\n '"),
    (["--text=hello"], "token of the vocabulary. Received: 'hello'"),
    (["--model_dir="], "--model_dir must be set. Received: nothing"),
    (["--model_dir=."], "--model_dir must hold params.yaml. Received: '.'"),
    (["more"], "arguments must be flags, --name=value. Received: 'more'"),
    (["--max_sequences=0"], "max_sequences must be in [1, 1000]. Received: 0"),
    (["--output=no/a.html"], "--output must be a file in an existing folder"),
    (["--output=a.txt"], "--output must end in .html. Received: 'a.txt'"),
    (["--input=no.txt"], "--input must be a readable file. Received: 'no.txt'"),
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
  run_testing.edit(run, "task", "validation_data", "input_path", value="gone/*")
  assert _refused(model_dir=run).startswith(
    "--text or --input must be set where the run's validation records are not "
    "within reach: task.validation_data.input_path must be readable records. "
    "Received: 'gone/*'"
  )


def test_run_that_drops_nothing_is_refused(run):
  encoder = ("task", "model", "encoder", "any")
  run_testing.edit(run, *encoder, "token_keep_ratio", value=1.0)
  assert _refused(model_dir=run, text="word1") == (
    "--model_dir must hold a run that drops tokens "
    "(task.model.encoder.any.token_keep_ratio below 1). Received: "
    f"'{run}', which keeps all"
  )
