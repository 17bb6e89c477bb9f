# SPDX-License-Identifier: Apache-2.0
"""Imported folders: the same logits, and pretraining goes on from them."""

import json
import os
import shutil

import pytest
import tensorflow as tf
import torch
import transformers
from safetensors import numpy as safetensors

from tests import huggingface_testing as hf
from tests import testing
from token_dropping.huggingface import importing
from token_dropping.training import trained_run

PRE_NORM = "RobertaPreLayerNorm"


def _import(source, folder) -> tuple[trained_run.TrainedRun, list[str]]:
  lines = importing.import_folder(str(source), str(folder)).splitlines()
  return trained_run.TrainedRun.read(str(folder)), lines


@pytest.mark.parametrize(
  ("network", "field"),
  [
    ("Bert", {"hidden_act": "gelu"}),
    (PRE_NORM, {"hidden_act": "relu"}),
    ("ModernBert", {"hidden_activation": "relu", "local_attention": 16}),
  ],
)
def test_masked_lm_logits_agree_and_pretraining_begins_with_them(
  tmp_path, network, field
):
  """With the exact GELU, which Model Garden does not have by itself.

  RoBERTa's and ModernBERT's heads have it whatever the layers have.
  """
  name = f"{network}ForMaskedLM"
  there = hf.save(tmp_path / "in", name, **field)
  run, lines = _import(tmp_path / "in", tmp_path / "out")
  has_pooler = run.encoder.has_pooler
  assert lines[1:] == ["It has no pooler: a new one was made."] * has_pooler
  name = f"{run.encoder.network}/token_drop"
  begun = hf.begin(tmp_path / "out", name, max_predictions_per_seq=3)
  for model in (run.build_masked_lm(), begun):
    hf.assert_agree(hf.masked_lm_logits(model), there)


def test_a_window_may_be_longer_than_the_sequence(tmp_path):
  there = hf.save(tmp_path / "in", "ModernBertForMaskedLM", local_attention=64)
  run, _ = _import(tmp_path / "in", tmp_path / "out")
  hf.assert_agree(hf.masked_lm_logits(run.build_masked_lm()), there)


def test_first_published_form(tmp_path):
  """A pickle, `LayerNorm.gamma` and `beta`, a next-sentence head.

  Its embeddings have six rows more than the vocabulary has tokens.
  """
  there = hf.save(tmp_path / "in", "BertForPreTraining", vocab_size=56)
  path = tmp_path / "in/model.safetensors"
  tensors = {}
  for name, value in safetensors.load_file(path).items():
    name = name.replace("LayerNorm.weight", "LayerNorm.gamma")
    name = name.replace("LayerNorm.bias", "LayerNorm.beta")
    tensors[name] = torch.tensor(value)
  torch.save(tensors, tmp_path / "in/pytorch_model.bin")
  path.unlink()
  run, lines = _import(tmp_path / "in", tmp_path / "out")
  assert lines == [
    f"Imported {tmp_path / 'in'} to {tmp_path / 'out'}: 2 layers, hidden size "
    "8, 50 tokens.",
    "Other heads were left out: cls.seq_relationship.",
  ]
  hf.assert_close(
    hf.masked_lm_logits(run.build_masked_lm()),
    hf.torch_outputs(there).prediction_logits,
  )


@pytest.mark.parametrize("network", hf.NETWORKS)
def test_encoder_alone(tmp_path, network):
  """A `BertModel`'s names have no `bert.`; no head is made up."""
  there = hf.save(tmp_path / "in", f"{network}Model")
  run, (_, line) = _import(tmp_path / "in", tmp_path / "out")
  assert line == "It has no masked-LM head: training begins with a new one."
  pooled = run.build_encoder()(hf.INPUTS)["pooled_output"]
  wanted = hf.torch_outputs(there)
  if run.encoder.has_pooler:
    hf.assert_close(pooled, wanted.pooler_output)
  else:
    hf.assert_close(pooled, wanted.last_hidden_state[:, 0])
  saved = [name for name, _ in tf.train.list_variables(str(tmp_path / "out"))]
  assert not [name for name in saved if name.startswith("masked_lm/")]


NO_POOLER = ["It has no pooler: a new one was made."]


@pytest.mark.parametrize(
  ("network", "pooler", "head"),
  [
    (PRE_NORM, NO_POOLER, "classifier.dense, classifier.out_proj"),
    ("ModernBert", [], "classifier, head.dense, head.norm"),
  ],
)
def test_head_of_a_classifier_is_left_out(tmp_path, network, pooler, head):
  hf.save(tmp_path / "in", f"{network}ForSequenceClassification")
  _, lines = _import(tmp_path / "in", tmp_path / "out")
  assert lines[1:] == [
    "It has no masked-LM head: training begins with a new one.",
    *pooler,
    f"Other heads were left out: {head}.",
  ]


def _id_of_padding(folder):
  _edit_config(pad_token_id=3, max_position_embeddings=20)(folder)
  path = folder / "model.safetensors"
  tensors = safetensors.load_file(path)
  name = "roberta_prelayernorm.embeddings.position_embeddings.weight"
  tensors[name] = tensors[name][[0, 0, 0, *range(17)]]
  safetensors.save_file(tensors, path)


@pytest.mark.parametrize(
  ("edit", "message"),
  [
    (
      _id_of_padding,
      "pad_token_id in config.json must be the id of [PAD], 0. Received: 3 in ",
    ),
    (  # its AutoTokenizer is RoBERTa's
      lambda folder: (folder / "tokenizer_config.json").unlink(),
      "pad_token of ",
    ),
    (
      lambda folder: (folder / "tokenizer_config.json").write_text(
        '{"tokenizer_class": "RobertaTokenizer"}'
      ),
      "tokenizer_class in ",
    ),
  ],
)
def test_what_roberta_may_have_and_bert_has_not(tmp_path, edit, message):
  hf.save(tmp_path / "in", f"{PRE_NORM}ForMaskedLM")
  edit(tmp_path / "in")
  folders = str(tmp_path / "in"), str(tmp_path / "out")
  refused = testing.refused(importing.import_folder, *folders)
  assert refused.startswith(message)
  assert os.listdir(tmp_path) == ["in"]


def test_tokenizer_of_either_form(tmp_path):
  """Newer versions of `transformers` save no `vocab.txt`."""
  hf.save(tmp_path / "in", "BertForMaskedLM")
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


@pytest.fixture
def folder(tmp_path):
  hf.save(tmp_path / "in", "BertForPreTraining")
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


SIZES = {"num_hidden_layers": 2, "vocab_size": 50, "hidden_size": 8}
SIZES |= {"intermediate_size": 16, "max_position_embeddings": 16}
SIZES |= {"type_vocab_size": 2}


@pytest.mark.parametrize(
  ("edit", "message"),
  [
    (shutil.rmtree, "--input must be a folder that exists. Received: {}"),
    (
      lambda folder: (folder / "config.json").unlink(),
      "--input must hold config.json. Received: {} without it",
    ),
    *(
      (
        _edit_config(**{name: 10**9}),
        f"{name} in {{folder}}/config.json must be that of the tensors, "
        f"{size}. Received: 1000000000",
      )
      for name, size in SIZES.items()
    ),
    (
      lambda folder: (folder / "adapter_config.json").touch(),
      "--input must hold a whole model, into which adapters are merged. "
      "Received: '{folder}/adapter_config.json'",
    ),
    (
      _drop_biases,
      "a BERT must have all tensors of its config. Received: {} without "
      "bert.encoder.layer.0.attention.self.query.bias, "
      "bert.encoder.layer.1.attention.self.query.bias, "
      "cls.predictions.transform.dense.bias",
    ),
    (
      lambda folder: testing.write_vocabulary(
        folder / "vocab.txt", [*testing.TOKENS, "more"]
      ),
      "the vocabulary must have at most the vocab_size tokens of config.json, "
      "50. Received: 51 in {}",
    ),
  ],
)
def test_wrong_input_is_one_line(folder, edit, message):
  edit(folder)
  folders = str(folder), str(folder.parent / "out")
  refused = testing.refused(importing.import_folder, *folders)
  assert refused == message.format(repr(str(folder)), folder=folder)
  assert set(os.listdir(folder.parent)) <= {"in"}


@pytest.mark.parametrize(
  ("name", "value", "rule"),
  [
    ("max_position_embeddings", 10**9, "in [1, 10000000]"),
    ("local_attention", 7, "even: half of it is how far a token sees"),
  ],
)
def test_values_are_those_that_a_run_may_have(tmp_path, name, value, rule):
  hf.save(tmp_path / "in", "ModernBertForMaskedLM")
  _edit_config(**{name: value})(tmp_path / "in")
  folders = str(tmp_path / "in"), str(tmp_path / "out")
  assert testing.refused(importing.import_folder, *folders) == (
    f"{folders[0]}/config.json: {name} must be {rule}. Received: {value}"
  )
  assert os.listdir(tmp_path) == ["in"]
