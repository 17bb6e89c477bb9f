# SPDX-License-Identifier: Apache-2.0
"""Tests of the launcher with fine-tuning: whole runs, and what they leave."""

import functools
import json

import numpy as np
import pytest
import tensorflow_datasets as tfds

from tests import finetune_testing
from tests import run_testing
from tests import testing
from token_dropping.training import sentence_predictions
from token_dropping.training import trained_run

GLUE, SQUAD = finetune_testing.GLUE, finetune_testing.SQUAD

# Long enough for a network of width 8 to learn: 400 steps, scored twice.
LONG = (
  f"task.seed=1,{finetune_testing.RATE}=0.01,trainer.validation_interval=200",
  "trainer.checkpoint_interval=200,trainer.steps_per_loop=100",
)
CLASSIFIER = (
  "task.train_data.global_batch_size=6,task.epochs=100.0",
  "task.model.encoder.any.token_keep_ratio=0.75",
  *LONG,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
  """A pretraining run, `pretrained`, and a folder for everything else."""
  path = tmp_path_factory.mktemp("runs")
  run_testing.make_run(path / "pretrained")
  return path


_launch = functools.partial(finetune_testing.launch, GLUE)


@pytest.fixture(scope="module")
def classes(folder):
  """Data of two classes."""
  return finetune_testing.prepare_classes(
    folder / "classes", folder / "pretrained"
  )


@pytest.fixture(scope="module")
def spans(folder):
  """Data of two questions."""
  return finetune_testing.prepare_spans(folder / "spans", folder / "pretrained")


@pytest.fixture(scope="module")
def classifier(folder, classes):
  """A classifier that has learnt its task, dropping tokens in training."""
  _launch(folder, "classifier", classes, *CLASSIFIER)
  return folder / "classifier"


def test_classifier_folder_is_whole(classifier, folder):
  names = {"params.yaml", "vocab.txt", "tokenizer_config.json", "labels.txt"}
  assert names < {path.name for path in classifier.iterdir()}
  assert (classifier / "labels.txt").read_text() == "bad\ngood\n"
  words = (folder / "pretrained" / "vocab.txt").read_bytes()
  assert (classifier / "vocab.txt").read_bytes() == words


def test_predictions_are_those_that_were_scored(classifier, classes):
  run = trained_run.TrainedRun.read(str(classifier), trained_run.BEST)
  assert run.kind == trained_run.CLASSIFICATION
  found = sentence_predictions.predict(run, classes, "validation", batch_size=3)
  assert found.ids.tolist() == list(range(10))
  assert found.labels.tolist() == [0, 1] * 5
  right = np.argmax(found.outputs, axis=-1) == found.labels
  info = json.loads((classifier / "best" / "info.json").read_text())
  assert np.mean(right) == pytest.approx(info["accuracy"])
  assert info["accuracy"] >= 0.9  # words tell the class


@testing.eagerly()
def test_a_complete_run_is_evaluated_again(classifier, classes, folder, capsys):
  _launch(folder, "classifier", classes, *CLASSIFIER)
  out = capsys.readouterr().out
  assert "Nothing to train: the run is at step 400." in out
  assert "\n  validation       loss " in out
  assert "\n  best             acc" in out


def test_another_number_of_classes_is_another_model(classifier, folder):
  table = finetune_testing.write_table(folder / "three.tsv", 6, ["a", "b"])
  with open(table, "a") as file:
    file.write("word1\tc\n")
  data = finetune_testing.prepare(
    folder / "three",
    folder / "pretrained",
    task="classification",
    train_file=table,
    validation_file=table,
  )
  message = testing.refused(_launch, folder, "classifier", data)
  assert "task.model.num_classes=2. Received: 3" in message


def test_answers_of_squad(spans, folder, capsys):
  fields = "task.train_data.global_batch_size=2,task.epochs=200.0"
  finetune_testing.launch(SQUAD, folder, "spans_run", spans, fields, *LONG)
  out = capsys.readouterr().out
  assert "start accuracy" in out and "evaluation: f1 " in out
  run = trained_run.TrainedRun.read(str(folder / "spans_run"), trained_run.BEST)
  assert run.kind == trained_run.SPAN
  run.build_span_labeler()  # restores every weight
  info = json.loads((folder / "spans_run" / "best" / "info.json").read_text())
  assert info["f1"] >= 50.0  # at least one of two questions


@pytest.mark.parametrize(
  ("experiment", "words"),
  [(GLUE, ["loss 0.", "parameters "]), (SQUAD, ["of BERT", "parameters "])],
)
def test_dry_run(folder, classes, spans, capsys, experiment, words):
  data = classes if experiment == GLUE else spans
  half = "task.model.encoder.any.token_keep_ratio=0.5"
  values = experiment, folder, "nothing", data, half
  finetune_testing.launch(*values, dry_run=True)
  out = capsys.readouterr().out
  assert all(word in out for word in words)
  assert not (folder / "nothing").exists()


def test_sweeps_are_for_fine_tuning():
  flags = {"experiment": "bert/token_drop", "sweep": True, "model_dir": "no"}
  message = testing.refused(testing.launch, **flags)
  assert message.startswith("--sweep must be used with a fin")


@testing.eagerly()
def test_mock_data_of_tensorflow_datasets_train(folder, capsys):
  """A regression; mock sentences are letters, all unknown: it only runs."""
  with tfds.testing.mock_data(num_examples=4):
    data = finetune_testing.prepare(
      folder / "stsb_data", folder / "pretrained", tfds_name="glue/stsb"
    )
  short = "trainer.train_steps=1,task.train_data.global_batch_size=2"
  _launch(folder, "stsb", data, short)
  assert "pearson" in capsys.readouterr().out
