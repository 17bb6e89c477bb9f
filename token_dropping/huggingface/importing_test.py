# SPDX-License-Identifier: Apache-2.0
"""Imported folders: the same logits, and pretraining goes on from them."""

import json
import os

import numpy as np
import pytest
import tensorflow as tf
import torch
import transformers
from safetensors import numpy as safetensors

from tests import huggingface_testing
from tests import testing as token_testing
from token_dropping.common import errors
from token_dropping.huggingface import importing
from token_dropping.training import trained_run


def _import(source, folder) -> tuple[trained_run.TrainedRun, list[str]]:
  lines = importing.import_folder(str(source), str(folder)).splitlines()
  return trained_run.TrainedRun.read(str(folder)), lines


def test_masked_lm_logits_agree(tmp_path):
  """With the exact GELU, which Model Garden does not have by itself."""
  there = huggingface_testing.save_bert(
    tmp_path / "in", "BertForMaskedLM", hidden_act="gelu"
  )
  run, lines = _import(tmp_path / "in", tmp_path / "out")
  assert lines[1:] == ["It has no pooler: a new one was made."]
  inputs = huggingface_testing.random_inputs()
  huggingface_testing.assert_close(
    huggingface_testing.masked_lm_logits(run.build_masked_lm(), inputs),
    huggingface_testing.torch_outputs(there, inputs).logits,
  )


def _rename(tensors: dict, old: str, new: str) -> dict:
  return {name.replace(old, new): value for name, value in tensors.items()}


def test_first_published_form(tmp_path):
  """A pickle, `LayerNorm.gamma` and `beta`, a next-sentence head.

  Its embeddings have six rows more than the vocabulary has tokens.
  """
  there = huggingface_testing.save_bert(
    tmp_path / "in", "BertForPreTraining", vocab_size=56
  )
  path = tmp_path / "in/model.safetensors"
  tensors = safetensors.load_file(path)
  tensors = _rename(tensors, "LayerNorm.weight", "LayerNorm.gamma")
  tensors = _rename(tensors, "LayerNorm.bias", "LayerNorm.beta")
  torch.save(
    {name: torch.tensor(value) for name, value in tensors.items()},
    tmp_path / "in/pytorch_model.bin",
  )
  path.unlink()
  run, lines = _import(tmp_path / "in", tmp_path / "out")
  assert lines == [
    f"Imported {tmp_path / 'in'} to {tmp_path / 'out'}: 2 layers, hidden size "
    "8, 50 tokens."
  ]
  inputs = huggingface_testing.random_inputs()
  huggingface_testing.assert_close(
    huggingface_testing.masked_lm_logits(run.build_masked_lm(), inputs),
    huggingface_testing.torch_outputs(there, inputs).prediction_logits,
  )


def test_encoder_alone(tmp_path):
  """A `BertModel`'s names have no `bert.`; no head is made up."""
  there = huggingface_testing.save_bert(tmp_path / "in", "BertModel")
  run, lines = _import(tmp_path / "in", tmp_path / "out")
  assert lines[1:] == [
    "It has no masked-LM head: training begins with a new one."
  ]
  inputs = huggingface_testing.random_inputs()
  outputs = run.build_encoder()(huggingface_testing.keras_inputs(inputs))
  huggingface_testing.assert_close(
    outputs["pooled_output"],
    huggingface_testing.torch_outputs(there, inputs).pooler_output,
  )
  assert not _checkpoint(tmp_path / "out", "masked_lm/")


def _checkpoint(folder, prefix: str) -> dict[str, np.ndarray]:
  """Returns the values of the latest checkpoint whose names so begin."""
  reader = tf.train.load_checkpoint(str(folder))
  names = reader.get_variable_to_shape_map()
  return {n: reader.get_tensor(n) for n in names if n.startswith(prefix)}


def test_tokenizer_of_either_form(tmp_path):
  """Newer versions of `transformers` save no `vocab.txt`."""
  huggingface_testing.save_bert(tmp_path / "in", "BertForMaskedLM")
  tokenizer = transformers.BertTokenizer.from_pretrained(
    tmp_path / "in", do_lower_case=False, strip_accents=True
  )
  words = (tmp_path / "in/vocab.txt").read_text().splitlines()
  (tmp_path / "in/vocab.txt").unlink()
  tokenizer.save_pretrained(tmp_path / "in")
  run, _ = _import(tmp_path / "in", tmp_path / "out")
  assert list(run.vocabulary.tokens) == words
  config = json.loads((tmp_path / "out/tokenizer_config.json").read_text())
  assert config["do_lower_case"] is False
  assert config["strip_accents"] is True


def test_pretraining_goes_on_with_token_dropping(tmp_path, capsys):
  huggingface_testing.save_bert(tmp_path / "in", "BertForMaskedLM")
  _import(tmp_path / "in", tmp_path / "out")
  features = [token_testing.random_features(seed) for seed in range(4)]
  records = token_testing.write_records(tmp_path / "records", features)
  sizes = "global_batch_size=4,task.{0}.max_predictions_per_seq=3"
  data = ",".join(
    f"task.{name}.input_path={records},task.{name}." + sizes.format(name)
    for name in ("train_data", "validation_data")
  )
  rate = "trainer.optimizer_config.learning_rate.polynomial"
  token_testing.launch(
    experiment="bert/token_drop",
    config_file=str(tmp_path / "out/params.yaml"),
    params_override=f"{data},trainer.train_steps=1,trainer.steps_per_loop=1,"
    "trainer.summary_interval=1,runtime.distribution_strategy=one_device,"
    f"runtime.enable_xla=false,{rate}.initial_learning_rate=0.0",
    mode="train",
    model_dir=str(tmp_path / "run"),
  )
  assert "Trained 1 steps, to step 1" in capsys.readouterr().out
  for item in ("encoder/_", "masked_lm/"):  # the rate is 0: nothing moves
    before = _checkpoint(tmp_path / "out", item)
    after = _checkpoint(tmp_path / "run", item)
    assert before
    for name, value in before.items():
      np.testing.assert_array_equal(after[name], value)


@pytest.fixture
def folder(tmp_path):
  huggingface_testing.save_bert(tmp_path / "in", "BertForPreTraining")
  return tmp_path / "in"


def _edit_config(**changes):
  def edit(folder):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))

  return edit


def _drop_biases(folder):
  path = folder / "model.safetensors"
  tensors = safetensors.load_file(path)
  for name in [n for n in tensors if n.endswith("self.query.bias")]:
    del tensors[name]
  del tensors["cls.predictions.transform.dense.bias"]
  safetensors.save_file(tensors, path)


@pytest.mark.parametrize(
  ("edit", "message"),
  [
    (
      lambda folder: (folder / "config.json").unlink(),
      "--input must hold config.json. Received: {0!r} without it",
    ),
    (
      lambda folder: (folder / "config.json").write_text("{"),
      "config.json must be JSON. Received: {0}/config.json (",
    ),
    (
      _edit_config(hidden_act="gelu_10"),
      "hidden_act in {0}/config.json must be one of gelu_new, gelu, relu, ",
    ),
    (
      _edit_config(intermediate_size=32),
      "bert.encoder.layer.0.intermediate.dense.weight must have the shape that "
      "config.json gives, [32, 8]. Received: [16, 8] in {0!r}",
    ),
    (
      _edit_config(num_hidden_layers=3),
      "a BERT must have all tensors of its config. Received: {0!r} without "
      "bert.encoder.layer.2.attention.self.query.weight, "
      "bert.encoder.layer.2.attention.self.query.bias, "
      "bert.encoder.layer.2.attention.self.key.weight and 13 more",
    ),
    (
      _drop_biases,
      "a BERT must have all tensors of its config. Received: {0!r} without "
      "bert.encoder.layer.0.attention.self.query.bias, "
      "bert.encoder.layer.1.attention.self.query.bias, "
      "cls.predictions.transform.dense.bias",
    ),
    (
      _edit_config(vocab_size=49),
      "the vocabulary must have at most the vocab_size tokens of config.json, "
      "49. Received: 50 in {0!r}",
    ),
    (
      lambda folder: (folder / "tokenizer_config.json").write_text(
        '{"do_lower_case": "yes"}'
      ),
      "do_lower_case must be true or false. Received: 'yes'",
    ),
  ],
)
def test_wrong_input_is_one_line(folder, edit, message):
  edit(folder)
  with pytest.raises(errors.UserError) as caught:
    importing.import_folder(str(folder), str(folder.parent / "out"))
  text = message.replace("{0!r}", repr(str(folder))).replace("{0}", str(folder))
  assert str(caught.value).startswith(text)
  assert "\n" not in str(caught.value)
  assert os.listdir(folder.parent) == ["in"]


def test_no_such_input(tmp_path):
  with pytest.raises(errors.UserError) as caught:
    importing.import_folder("/nothing", str(tmp_path / "out"))
  assert str(caught.value) == (
    "--input must be a folder that exists. Received: '/nothing'"
  )
