# SPDX-License-Identifier: Apache-2.0
"""Exported folders: `transformers` loads them and computes the same."""

import json
import os
import pathlib
import shutil

import pytest
import tensorflow as tf
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


@pytest.mark.parametrize("kind", LOADERS)
def test_logits_agree(exports, kind):
  model, folder = exports[kind]
  loaded, info = LOADERS[kind].from_pretrained(
    folder / "out", output_loading_info=True
  )
  assert not info["missing_keys"]
  assert set(info["unexpected_keys"]) <= POOLER
  inputs = huggingface_testing.random_inputs()
  outputs = huggingface_testing.torch_outputs(loaded.eval(), inputs)
  if kind == "span":
    own = model(huggingface_testing.keras_inputs(inputs))
    huggingface_testing.assert_close(own[0], outputs.start_logits)
    huggingface_testing.assert_close(own[1], outputs.end_logits)
  elif kind == "classification":
    own = model(huggingface_testing.keras_inputs(inputs))
    huggingface_testing.assert_close(own, outputs.logits)
  else:
    own = huggingface_testing.masked_lm_logits(model, inputs)
    huggingface_testing.assert_close(own, outputs.logits)


def test_pooler_is_there_for_who_wants_it(exports):
  model, folder = exports["masked_lm"]
  there = transformers.AutoModel.from_pretrained(folder / "out").eval()
  inputs = huggingface_testing.random_inputs()
  outputs = model.encoder_network(huggingface_testing.keras_inputs(inputs))
  huggingface_testing.assert_close(
    outputs["pooled_output"],
    huggingface_testing.torch_outputs(there, inputs).pooler_output,
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


def _copy(exports, kind, folder):
  return pathlib.Path(shutil.copytree(exports[kind][1] / "run", folder / "run"))


@pytest.mark.parametrize(
  ("field", "value", "message"),
  [
    (
      "norm_first",
      True,
      "task.model.encoder norm_first must be false: Hugging Face's BERT "
      "normalizes after each block. Received: true",
    ),
    (
      "embedding_size",
      4,
      "task.model.encoder embedding_size must be hidden_size (8): Hugging "
      "Face's BERT does not project embeddings. Received: 4",
    ),
    (
      "hidden_activation",
      "mish",
      "hidden_activation must be one of gelu, gelu_exact, relu, swish to be "
      "exported. Received: 'mish'",
    ),
    (
      "mlm_activation",
      "relu",
      "task.model.mlm_activation must be hidden_activation ('gelu'): Hugging "
      "Face's BERT has one for both. Received: 'relu'",
    ),
  ],
)
def test_network_that_transformers_lacks(
  tmp_path, exports, field, value, message
):
  run = _copy(exports, "masked_lm", tmp_path)
  params = yaml.unsafe_load((run / "params.yaml").read_text())
  model = params["task"]["model"]
  if field != "mlm_activation":
    model["encoder"]["any"][field] = value
    value = model["encoder"]["any"]["hidden_activation"]
  model["mlm_activation"] = value
  (run / "params.yaml").write_text(yaml.dump(params))
  with pytest.raises(errors.UserError) as caught:
    exporting.export_run(str(run), str(tmp_path / "out"), "latest")
  assert str(caught.value) == message
  assert os.listdir(tmp_path) == ["run"]


def test_card_has_the_metrics_of_the_step(tmp_path, exports):
  run = _copy(exports, "masked_lm", tmp_path)
  writer = tf.summary.create_file_writer(str(run / "validation"))
  with writer.as_default():
    for step, loss in ((6, 5.0), (7, 4.0)):
      tf.summary.scalar("lm_example_loss", loss, step=step)
      tf.summary.histogram("importance", [1.0, 2.0], step=step)
    tf.summary.scalar("other", 1.0, step=6)
  writer.close()
  exporting.export_run(str(run), str(tmp_path / "out"), "latest")
  card = (tmp_path / "out" / "README.md").read_text()
  rows = card.split("## Validation at step 7")[1].splitlines()[4:]
  assert rows == ["| `lm_example_loss` | 4.0000 |"]


def test_output_exists(exports):
  folder = exports["masked_lm"][1]
  with pytest.raises(errors.UserError, match="must not exist, or be an empty"):
    exporting.export_run(str(folder / "run"), str(folder / "out"), "latest")


@pytest.mark.parametrize("text", ["one\ntwo\nthree\n", "one\none\n", ""])
def test_labels_of_other_classes(tmp_path, exports, text):
  run = _copy(exports, "classification", tmp_path)
  (run / "labels.txt").write_text(text)
  with pytest.raises(errors.UserError) as caught:
    exporting.export_run(str(run), str(tmp_path / "out"), "latest")
  assert str(caught.value) == (
    f"{run}/labels.txt must have a line for each class, 2. "
    f"Received: {text.splitlines()}"
  )
