# SPDX-License-Identifier: Apache-2.0
"""Tests of the command that translates and of the SavedModel."""

import pytest
import tensorflow as tf

from tests import testing
from tests import translation_testing
from token_dropping import export
from token_dropping import translate
from token_dropping.serving import translation_signatures
from token_dropping.training import trained_run

TEXTS = translation_testing.TEXTS


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
  """A folder with a run."""
  path = tmp_path_factory.mktemp("made")
  translation_testing.make_run(path / "run", num_decoder_layers=1)
  return path


def _wanted(folder, texts: list[str], **decoding) -> list[str]:
  kinds = [trained_run.TRANSLATION]
  run = trained_run.TrainedRun.read(str(folder / "run"), kinds=kinds)
  translator = translation_signatures.make_translator(run, **decoding)
  return translator.translate_all(texts)


def _run(folder, **values) -> None:
  values = {"model_dir": folder / "run", "input": folder / "text"} | values
  testing.run_command(translate, **values)


def test_each_line_is_translated_and_long_ones_are_told(folder, capsys):
  texts = [*TEXTS, " ".join(TEXTS)]
  (folder / "text").write_text("".join(f"{text}\n" for text in texts))
  _run(folder, beam_size=1)
  captured, wanted = capsys.readouterr(), _wanted(folder, texts, beam_size=1)
  assert captured.out == "".join(f"{line}\n" for line in wanted)
  assert wanted[2] == ""
  assert captured.err == (
    "warning: 1 of 5 lines have more than 16 tokens and are cut off there\n"
  )


@pytest.mark.parametrize(
  ("values", "message"),
  [
    ({"input": "none"}, "--input must be a readable file. Received: 'none'"),
    ({"beam_size": 0}, "--beam_size must be in [1, 100]. Received: 0"),
    ({"alpha": -1}, "--alpha must be in [0, 100]. Received: -1.0"),
  ],
)
def test_wrong_flags_are_refused(folder, values, message):
  assert testing.refused(_run, folder, **values) == message


def test_a_saved_model_translates_text(folder, tmp_path):
  out = tmp_path / "out"
  testing.run_command(export, model_dir=folder / "run", output_dir=out)
  assert [made.name for made in out.iterdir()] == ["text"]
  extra = {file.name for file in (out / "text/1/assets.extra").iterdir()}
  assert extra == {"spiece.model", "tf_serving_warmup_requests"}
  served = tf.saved_model.load(str(out / "text/1"))
  serve = served.signatures["serve_translate"]
  found = serve(text=tf.constant(TEXTS))["text"].numpy()
  assert [text.decode() for text in found] == _wanted(folder, TEXTS)
  with pytest.raises(tf.errors.InvalidArgumentError, match="must be UTF-8"):
    serve(text=tf.constant([b"a\xff"]))
