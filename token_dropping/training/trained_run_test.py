# SPDX-License-Identifier: Apache-2.0
"""Tests of reading a run folder and of the models built from it."""

import re
import shutil

import numpy as np
import pytest
import tensorflow as tf

from tests import run_testing
from tests import serving_testing
from tests import testing
from token_dropping.training import trained_run

INPUTS = serving_testing.inputs("encoder")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
  """A masked-LM run's folder and model."""
  folder = tmp_path_factory.mktemp("made") / "run"
  return folder, run_testing.make_run(folder)


@pytest.fixture
def folder(made, tmp_path):
  """A copy of the run that a test may change."""
  return shutil.copytree(made[0], tmp_path / "run")


def _read(model_dir, *args) -> trained_run.TrainedRun:
  return trained_run.TrainedRun.read(str(model_dir), *args)


def _refused(model_dir, checkpoint="latest") -> str:
  return testing.refused(lambda: _read(model_dir, checkpoint).build_encoder())


def test_run_is_read(made):
  run = _read(made[0])
  assert (run.kind, run.step) == ("masked_lm", run_testing.STEP)
  assert run.encoder.hidden_size == 8
  assert run.vocabulary.id("word0") == 5
  assert run.checkpoint == str(made[0] / "ckpt-7")


@pytest.mark.parametrize(
  ("columns", "fields"),
  [
    (None, ("text",)),
    (["question1", "premise"], ("question1", "premise")),
    (["Review Text"], ("text",)),
    (["überschrift", "text"], ("text", "second_text")),
    (["self"], ("text",)),
    (["1", "_a"], ("text", "second_text")),
  ],
)
def test_names_of_texts(folder, columns, fields):
  run_testing.edit(
    folder, *["task", "train_data", "text_fields"], value=columns
  )
  assert _read(folder).text_fields == fields


def test_names_of_classes(folder):
  run = _read(folder)
  assert run.label_names(2) == []
  path = folder / "labels.txt"
  path.write_bytes("p\u2028o\x0b\r\nneg".encode())
  assert run.label_names(2) == ["p\u2028o\x0b", "neg"]
  path.write_bytes(b"p\xe9\nneg\n")
  message = testing.refused(run.label_names, 2)
  rule = "labels.txt must be UTF-8 text"
  assert message.startswith(f"{rule}. Received: '{path}' (invalid continuation")


def test_encoder_is_an_ordinary_bert_with_the_trained_weights(made):
  folder, model = made
  bert = _read(folder).build_encoder()
  assert type(bert).__name__ == "BertEncoderV2"
  trained = model.encoder_network
  assert [w.name.partition("/")[2] for w in bert.weights] == [
    w.name.partition("/")[2] for w in trained.weights
  ]
  there, here = trained(INPUTS), bert(INPUTS)
  for name in ("sequence_output", "pooled_output"):
    np.testing.assert_allclose(here[name], there[name], atol=1e-6)


def test_masked_lm_gives_the_trained_logits(made):
  folder, model = made
  built = _read(folder).build_masked_lm()
  inputs = serving_testing.inputs("masked_lm")
  np.testing.assert_allclose(
    built(inputs)["mlm_logits"], model(inputs)["mlm_logits"], atol=1e-5
  )


@pytest.mark.parametrize("kind", ["classification", "span"])
def test_fine_tuned_run_has_its_encoder(tmp_path, kind):
  model = run_testing.make_run(tmp_path / "run", kind)
  run = _read(tmp_path / "run")
  assert run.kind == kind
  trained = model.checkpoint_items["encoder"]
  np.testing.assert_allclose(
    run.build_encoder()(INPUTS)["pooled_output"],
    trained(INPUTS)["pooled_output"],
    atol=1e-6,
  )
  assert "must hold a masked_lm run" in testing.refused(run.build_masked_lm)


def test_best_checkpoint_and_step(folder):
  shutil.copytree(folder, folder / "best_ckpt")
  names = "trainer", "best_checkpoint_export_subdir"
  run_testing.edit(folder, *names, value="best_ckpt")
  best = folder / "best_ckpt" / "ckpt-7"
  assert _read(folder, "best").checkpoint == str(best)
  assert _read(folder, "7").checkpoint == str(folder / "ckpt-7")


@pytest.mark.parametrize(
  ("which", "message"),
  [
    ("8", "must hold the checkpoint '8', one of latest, best or a step."),
    ("newest", "must hold the checkpoint 'newest'"),
    ("best", "of a run with trainer.best_checkpoint_export_subdir."),
  ],
)
def test_other_checkpoint_is_refused(made, which, message):
  assert message in _refused(made[0], which)


@pytest.mark.parametrize(
  ("name", "message"),
  [
    ("params.yaml", "params.yaml."),
    ("vocab.txt", "vocab.txt."),
    ("tokenizer_config.json", "tokenizer_config.json."),
    ("checkpoint", "the checkpoint 'latest'"),
  ],
)
def test_missing_file(folder, name, message):
  (folder / name).unlink()
  assert _refused(folder).startswith(f"--model_dir must hold {message}")


def test_missing_folder(tmp_path):
  message = _refused(tmp_path / "none")
  assert message.startswith("--model_dir must be the folder of a run.")
  message = testing.refused(trained_run.TrainedRun.read, "s3://bucket/run")
  assert message.startswith("--model_dir must be local or gs://: TensorFlow ")


def test_vocabulary_of_another_run(folder):
  with (folder / "vocab.txt").open("a") as file:
    file.write("one_more\n")
  message = _refused(folder)
  assert message.endswith("vocab_size tokens of params.yaml, 50. Received: 51")


MODEL = "task model"
BERT = f"{MODEL} encoder any"
WEIGHTS = "--model_dir must hold every weight of the configured .*"


@pytest.mark.parametrize(
  ("path", "value", "message"),
  [
    ("task", 3, "must have a mapping task. Received: 3"),
    (f"{MODEL} encoder type", "x", "type any, bert or bert_v2. Received: 'x'"),
    (f"{BERT} width", 1, "encoder.any must use keys of .*: width=1"),
    (MODEL, {"encoder": {"type": "bert", "bert": {}}}, "translation task"),
    (
      f"{MODEL} mlm_activation",
      3,
      "mlm_activation must be a text. Received: 3",
    ),
    (f"{MODEL} mlm_activation", "x", "task.model.mlm_activation must be one o"),
    (f"{BERT} hidden_size", "8", "any: hidden_size must be an int.*: '8'"),
    (f"{BERT} hidden_activation", "x", "any.hidden_activation must be one "),
    (f"{BERT} num_attention_heads", 3, r"any.hidden_size must be .*\(3\). R"),
    (f"{BERT} num_layers", 4, f"{WEIGHTS}without .*_layers/3/.* and 13 more"),
    (f"{BERT} num_layers", 2, f"{WEIGHTS}with 16 more weights in encoder"),
    (
      *(f"{BERT} max_position_embeddings", 9),
      WEIGHTS + r"of shape \[16, 8\], not \[9, 8\]",
    ),
    (f"{BERT} embedding_size", 4, f"{WEIGHTS}without .*_embedding_projection/"),
  ],
)
def test_params_of_another_kind_or_model(folder, path, value, message):
  run_testing.edit(folder, *path.split(), value=value)
  assert re.search(message, _refused(folder))


def test_missing_pooler(folder, made):
  encoder = made[1].encoder_network
  layers = {
    name: child
    for name, child in tf.train.TrackableView.children(encoder).items()
    if name != "_pooler_layer"
  }
  checkpoint = tf.train.Checkpoint(
    encoder=tf.train.Checkpoint(**layers), global_step=tf.Variable(7)
  )
  checkpoint.write(str(folder / "ckpt-7"))
  assert re.search(
    "without encoder/_pooler_layer/(kernel|bias), "
    "encoder/_pooler_layer/(kernel|bias)$",
    _refused(folder),
  )


def test_checkpoint_cut_short(folder):
  path = folder / "ckpt-7.index"
  path.write_bytes(path.read_bytes()[:100])
  assert "must name a whole checkpoint" in _refused(folder)
