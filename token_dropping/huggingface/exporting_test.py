# SPDX-License-Identifier: Apache-2.0
"""Exported folders: `transformers` loads them and computes the same."""

import functools
import itertools
import json
import os
import pathlib
import shutil

import numpy as np
import pytest
import tensorflow as tf
import transformers

from tests import huggingface_testing as hf
from tests import run_testing
from tests import testing
from token_dropping.data.text import tokenizer_config
from token_dropping.huggingface import __main__ as command
from token_dropping.huggingface import exporting

LOADERS = {
  "masked_lm": transformers.AutoModelForMaskedLM,
  "classification": transformers.AutoModelForSequenceClassification,
  "span": transformers.AutoModelForQuestionAnswering,
}
BERTS = {"bert": {}, "roberta_prelayernorm": run_testing.PRE_NORM}
NETWORKS = BERTS | {"modernbert": run_testing.MODERNBERT}


_run = functools.partial(testing.run_command, command)


@pytest.fixture(scope="module")
def exports(tmp_path_factory):
  """Makes, once, the model and the folder of a kind; its run is in `run`."""

  @functools.cache
  def make(kind, network):
    folder = tmp_path_factory.mktemp(kind)
    model = run_testing.make_run(folder / "run", kind, NETWORKS[network])
    config = tokenizer_config.TokenizerConfig(strip_accents=False)
    config.write(str(folder / "run"))
    if kind == "classification":
      (folder / "run/labels.txt").write_text("bad\ngo\u2028od\n", "utf-8")
    _write_metrics(folder / "run/validation")
    exporting.export_run(str(folder / "run"), str(folder / "out"), "latest")
    return model, folder

  return lambda kind, network="bert": make(kind, network)


def _write_metrics(folder) -> None:
  writer = tf.summary.create_file_writer(str(folder))
  with writer.as_default():
    for step, loss in ((6, 5.0), (7, 4.0)):
      tf.summary.scalar("lm_example_loss", loss, step=step)
    tf.summary.scalar("other", 1.0, step=6)
  writer.close()


@pytest.mark.parametrize(
  ("kind", "network"),
  [
    *itertools.product(LOADERS, BERTS),
    ("masked_lm", "modernbert"),
    # Whose weights `weights_test.py` maps, too.
    pytest.param("classification", "modernbert", marks=pytest.mark.slow),
    pytest.param("span", "modernbert", marks=pytest.mark.slow),
  ],
)
def test_logits_agree(exports, kind, network):
  model, folder = exports(kind, network)
  loaded, info = LOADERS[kind].from_pretrained(
    folder / "out", output_loading_info=True
  )
  assert not info["missing_keys"]
  pooler = {f"{network}.pooler.dense.{name}" for name in ("weight", "bias")}
  assert set(info["unexpected_keys"]) <= pooler
  is_masked_lm = kind == "masked_lm"
  own = hf.masked_lm_logits(model) if is_masked_lm else model(hf.INPUTS)
  hf.assert_agree(own, loaded.eval())


@pytest.mark.parametrize("network", BERTS)
def test_pooler_is_there_for_who_wants_it(exports, network):
  model, folder = exports("masked_lm", network)
  there = transformers.AutoModel.from_pretrained(folder / "out").eval()
  pooled = model.encoder_network(hf.INPUTS)["pooled_output"]
  hf.assert_close(pooled, hf.torch_outputs(there).pooler_output)


@pytest.mark.parametrize("network", NETWORKS)
def test_pipeline_finds_tokenizer_and_model(exports, network):
  """RoBERTa's tokenizer would be that of the second, were it not named.

  ModernBERT takes no types, which its tokenizer thus does not make.
  """
  model, folder = exports("masked_lm", network)
  fill = transformers.pipeline("fill-mask", str(folder / "out"), top_k=1)
  is_bert = type(fill.tokenizer) is transformers.BertTokenizer
  assert is_bert == (network in BERTS)
  text, ids = "word1 [MASK] word7", np.array([[2, 6, 4, 12, 3]])
  tokens = fill.tokenizer(text)
  assert tokens["input_ids"] == ids[0].tolist()
  assert ("token_type_ids" in tokens) == (network in BERTS)
  inputs = {
    "input_word_ids": ids,
    "input_mask": ids**0,
    "input_type_ids": 0 * ids,
    "masked_lm_positions": [[2]],
  }
  inputs = {name: tf.constant(v, tf.int32) for name, v in inputs.items()}
  (found,) = fill(text)
  shares = tf.nn.softmax(model(inputs)["mlm_logits"])[0, 0]
  assert found["token"] == np.argmax(shares)
  np.testing.assert_allclose(found["score"], np.max(shares), 1e-4)


@pytest.mark.parametrize(
  ("network", "name", "size"),
  [
    ("bert", "BertForMaskedLM", "2,570"),
    ("roberta_prelayernorm", "RobertaPreLayerNormForMaskedLM", "2,594"),
    ("modernbert", "ModernBertForMaskedLM", "2,498"),
  ],
)
def test_there_and_back_is_the_same_bytes(
  exports, tmp_path, capsys, network, name, size
):
  out = exports("masked_lm", network)[1] / "out"
  capsys.readouterr()
  back, again = tmp_path / "back", tmp_path / "again"
  _run("import", f"--input={out}", f"--output_dir={back}")
  _run("export", f"--model_dir={back}", f"--output_dir={again}")
  assert capsys.readouterr().out.splitlines() == [
    f"Imported {out} to {back}: 3 layers, hidden size 8, 50 tokens.",
    f"Exported step 0 of {back} to {again}: {name}, {size} parameters.",
  ]
  for file in sorted(os.listdir(again)):
    if file != "README.md":  # another run, at step 0
      assert (again / file).read_bytes() == (out / file).read_bytes(), file


def test_config_names_the_tanh_gelu_and_the_labels(exports):
  path = exports("classification")[1] / "out/config.json"
  config = json.loads(path.read_text())
  assert config["hidden_act"] == "gelu_new"
  assert config["id2label"] == {"0": "bad", "1": "go\u2028od"}
  assert config["problem_type"] == "single_label_classification"


def test_files_can_be_read_by_all(exports):
  out = exports("span")[1] / "out"
  assert {path.stat().st_mode & 0o044 for path in out.iterdir()} == {0o044}


@pytest.fixture
def copy(exports, tmp_path):
  """Makes a copy of the run of a kind, to be changed, in `run`."""
  return lambda *kind: pathlib.Path(
    shutil.copytree(exports(*kind)[1] / "run", tmp_path / "run")
  )


def _refused(run) -> str:
  folders = str(run), str(run.parent / "out")
  message = testing.refused(exporting.export_run, *folders, "latest")
  assert os.listdir(run.parent) == ["run"]
  return message


@pytest.mark.parametrize(
  ("network", "activation", "kind"),
  [
    ("bert", "gelu", "bert"),
    ("roberta_prelayernorm", "gelu_exact", "roberta-prelayernorm"),
    ("modernbert", "gelu_exact", "modernbert"),
  ],
)
def test_heads_activation_that_transformers_lacks(
  copy, network, activation, kind
):
  run = copy("masked_lm", network)
  run_testing.edit(run, "task", "model", "mlm_activation", value="relu")
  assert _refused(run) == (
    f"task.model.mlm_activation must be {activation!r}, as in the masked-LM "
    f"head of Hugging Face's {kind}. Received: 'relu'"
  )


def test_no_final_norm(copy):
  run = copy("masked_lm", "roberta_prelayernorm")
  path = "task", "model", "encoder", "any", "final_norm"
  run_testing.edit(run, *path, value=False)
  assert _refused(run).startswith(
    "task.model.encoder final_norm must be true with norm_first"
  )


@pytest.mark.parametrize("text", ["one\ntwo\nthree\n", "one\none\n", ""])
def test_labels_of_other_classes(copy, text):
  run = copy("classification")
  (run / "labels.txt").write_text(text)
  assert _refused(run) == (
    f"{run}/labels.txt must have a line for each class, 2. "
    f"Received: {text.split()}"
  )


def test_card_has_the_metrics_of_the_step(exports):
  card = (exports("masked_lm")[1] / "out/README.md").read_text()
  rows = card.split("## Validation at step 7")[1].splitlines()[4:]
  assert rows == ["| `lm_example_loss` | 4.0000 |"]


def test_output_exists(exports):
  folder = exports("masked_lm")[1]
  folders = str(folder / "run"), str(folder / "out")
  message = testing.refused(exporting.export_run, *folders, "latest")
  assert "must not exist, or be an empty" in message
