# SPDX-License-Identifier: Apache-2.0
"""Exported folders: `transformers` loads them and computes the same."""

import json
import os
import pathlib
import shutil

import numpy as np
import pytest
import transformers
import yaml

from tests import huggingface_testing
from tests import run_testing
from token_dropping.common import errors
from token_dropping.data.text import tokenizer_config
from token_dropping.huggingface import exporting
from token_dropping.huggingface import importing

LOADERS = {
  "masked_lm": transformers.AutoModelForMaskedLM,
  "classification": transformers.AutoModelForSequenceClassification,
  "span": transformers.AutoModelForQuestionAnswering,
}
POOLER = {"bert.pooler.dense.weight", "bert.pooler.dense.bias"}


def _make_run(folder, kind="masked_lm"):
  model = run_testing.make_run(folder, kind)
  tokenizer_config.TokenizerConfig(strip_accents=False).write(str(folder))
  if kind == "classification":
    (folder / "labels.txt").write_text("bad\ngood\n")
  return model


@pytest.fixture(scope="module")
def exports(tmp_path_factory):
  """Returns the model and the folder of each kind; run in `run`, made once."""
  found = {}
  for kind in LOADERS:
    folder = tmp_path_factory.mktemp(kind)
    model = _make_run(folder / "run", kind)
    exporting.export_run(str(folder / "run"), str(folder / "out"), "latest")
    found[kind] = (model, folder)
  return found


@pytest.fixture(scope="module")
def both(exports):
  """Returns, by kind, the outputs of `transformers` and of Keras."""
  inputs = huggingface_testing.random_inputs()

  def compute(kind):
    model, folder = exports[kind]
    there, info = LOADERS[kind].from_pretrained(
      folder / "out", output_loading_info=True
    )
    assert not info["missing_keys"]
    assert set(info["unexpected_keys"]) <= POOLER
    outputs = huggingface_testing.torch_outputs(there.eval(), inputs)
    if kind == "masked_lm":
      return outputs, huggingface_testing.masked_lm_logits(model, inputs)
    return outputs, model(huggingface_testing.keras_inputs(inputs))

  return compute


def test_masked_lm_logits_agree(both):
  there, here = both("masked_lm")
  np.testing.assert_allclose(
    there.logits, here, atol=huggingface_testing.TOLERANCE
  )


def test_class_logits_agree(both):
  there, here = both("classification")
  np.testing.assert_allclose(
    there.logits, here, atol=huggingface_testing.TOLERANCE
  )


def test_span_logits_agree(both):
  there, (starts, ends) = both("span")
  for other, own in ((there.start_logits, starts), (there.end_logits, ends)):
    np.testing.assert_allclose(other, own, atol=huggingface_testing.TOLERANCE)


def test_pooler_is_there_for_who_wants_it(exports):
  model, folder = exports["masked_lm"]
  there = transformers.AutoModel.from_pretrained(folder / "out").eval()
  inputs = huggingface_testing.random_inputs()
  encoder = model.encoder_network
  np.testing.assert_allclose(
    huggingface_testing.torch_outputs(there, inputs).pooler_output,
    encoder(huggingface_testing.keras_inputs(inputs))["pooled_output"],
    atol=huggingface_testing.TOLERANCE,
  )


def test_there_and_back_is_the_same_bytes(exports, tmp_path):
  _, folder = exports["masked_lm"]
  back, again = str(tmp_path / "back"), str(tmp_path / "again")
  importing.import_folder(str(folder / "out"), back)
  exporting.export_run(back, again, "latest")
  for name in sorted(os.listdir(again)):
    if name != "README.md":  # another run, at step 0
      once = (folder / "out" / name).read_bytes()
      assert (tmp_path / "again" / name).read_bytes() == once, name


def test_config_names_the_tanh_gelu_and_the_labels(exports):
  config = json.loads(
    (exports["classification"][1] / "out/config.json").read_text()
  )
  assert config["hidden_act"] == "gelu_new"
  assert config["id2label"] == {"0": "bad", "1": "good"}
  assert config["problem_type"] == "single_label_classification"


def test_files_can_be_read_by_all(exports):
  out = exports["span"][1] / "out"
  assert {path.stat().st_mode & 0o044 for path in out.iterdir()} == {0o044}


def _copy(source, folder):
  return pathlib.Path(shutil.copytree(source, folder))


def _edit(folder, change):
  path = folder / "params.yaml"
  params = yaml.unsafe_load(path.read_text())
  change(params["task"]["model"])
  path.write_text(yaml.dump(params))


@pytest.mark.parametrize(
  ("change", "message"),
  [
    (
      lambda model: model["encoder"]["any"].update(norm_first=True),
      "task.model.encoder norm_first must be false: Hugging Face's BERT "
      "normalizes after each block. Received: true",
    ),
    (
      lambda model: model["encoder"]["any"].update(embedding_size=4),
      "task.model.encoder embedding_size must be hidden_size (8): Hugging "
      "Face's BERT does not project embeddings. Received: 4",
    ),
    (
      lambda model: model["encoder"]["any"].update(hidden_activation="mish"),
      "hidden_activation must be one of gelu, gelu_exact, relu, swish to be "
      "exported. Received: 'mish'",
    ),
    (
      lambda model: model.update(mlm_activation="relu"),
      "task.model.mlm_activation must be hidden_activation ('gelu'): Hugging "
      "Face's BERT has one for both. Received: 'relu'",
    ),
  ],
)
def test_network_that_transformers_lacks(tmp_path, exports, change, message):
  run = _copy(exports["masked_lm"][1] / "run", tmp_path / "run")
  _edit(run, change)
  if "mlm_activation" not in message:
    _edit(run, lambda m: m.update(mlm_activation=_activation(m)))
  with pytest.raises(errors.UserError) as caught:
    exporting.export_run(str(run), str(tmp_path / "out"), "latest")
  assert str(caught.value) == message
  assert os.listdir(tmp_path) == ["run"]


def _activation(model):
  return model["encoder"]["any"]["hidden_activation"]


def test_output_exists(tmp_path, exports):
  folder = exports["masked_lm"][1]
  with pytest.raises(errors.UserError) as caught:
    exporting.export_run(str(folder / "run"), str(folder / "out"), "latest")
  assert str(caught.value) == (
    "--output_dir must not exist, or be an empty folder. "
    f"Received: '{folder / 'out'}'"
  )


@pytest.mark.parametrize("text", ["one\ntwo\nthree\n", "one\none\n", ""])
def test_labels_of_other_classes(tmp_path, exports, text):
  run = _copy(exports["classification"][1] / "run", tmp_path / "run")
  (run / "labels.txt").write_text(text)
  with pytest.raises(errors.UserError) as caught:
    exporting.export_run(str(run), str(tmp_path / "out"), "latest")
  assert str(caught.value) == (
    f"{run}/labels.txt must have a line for each class, 2. "
    f"Received: {text.splitlines()}"
  )
