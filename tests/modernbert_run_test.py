# SPDX-License-Identifier: Apache-2.0
"""Tests of what is made of a run of ModernBERT: fine-tuned, and served.

What BERT's runs show as well, of the launcher and of SavedModels, is slow.
"""

import json

import numpy as np
import pytest
import tensorflow as tf
from official.core import task_factory

from tests import config_testing
from tests import finetune_testing
from tests import run_testing
from tests import serving_testing
from tests import testing
from token_dropping import export
from token_dropping.serving import heads
from token_dropping.tasks.masked_lm import task as masked_lm
from token_dropping.training import sentence_predictions
from token_dropping.training import trained_run

GLUE, SQUAD = "modernbert/token_drop_glue", "modernbert/token_drop_squad"
POOLER = "task.model.use_encoder_pooler=true"
# Two steps, in which tokens drop.
SHORT = (
  "trainer.train_steps=2,task.train_data.global_batch_size=2",
  "task.model.encoder.any.token_keep_ratio=0.5",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
  """A pretraining run, `pretrained`, and a folder for everything else."""
  path = tmp_path_factory.mktemp("modernbert")
  run_testing.make_run(path / "pretrained", network=run_testing.MODERNBERT)
  return path


@pytest.mark.parametrize("network", [{}, run_testing.MODERNBERT])
def test_a_checkpoint_of_another_network_is_one_line(folder, tmp_path, network):
  params = config_testing.changed()
  source = folder / "pretrained"
  if network:
    run_testing.make_run(tmp_path / "run")
    params = config_testing.changed({}, "modernbert/token_drop")
    params.override({"task": {"model": network}})
    source = tmp_path / "run"
  params.task.init_checkpoint = str(source)
  task = masked_lm.TokenDropMaskedLMTask(params.task)
  refused = testing.refused(task.initialize, task.build_model())
  rule = "task.init_checkpoint must hold every weight of the configured model"
  assert refused.startswith(f"{rule}. Received: '{source}/ckpt-7' without ")


@pytest.fixture(scope="module")
def classes(folder):
  """Data of two classes."""
  return finetune_testing.prepare_classes(
    folder / "classes", folder / "pretrained"
  )


def test_fine_tuning_begins_with_the_weights_of_the_run(folder, classes):
  """With which it drops in training, and evaluates whole sequences."""
  pretrained = folder / "pretrained"
  params = finetune_testing.parse(GLUE, pretrained, classes, *SHORT)
  config_testing.check_experiment(params)
  task = task_factory.get_task(params.task)
  model = task.build_model()
  task.initialize(model)
  encoder = trained_run.TrainedRun.read(str(pretrained)).build_encoder()
  inputs = serving_testing.inputs("classification", testing.SEQ_LENGTH)
  wanted = model.classifier(encoder(inputs)["sequence_output"])
  whole = model(inputs, training=False)
  np.testing.assert_allclose(whole, wanted, atol=1e-5)
  assert np.abs(model(inputs, training=True) - whole).max() > 1e-4


def test_there_is_no_pooler_to_be_used(folder, classes):
  params = finetune_testing.parse(GLUE, folder / "pretrained", classes, POOLER)
  assert testing.refused(config_testing.check_experiment, params) == (
    "task.model.use_encoder_pooler must be false: the network has none. "
    "Received: true"
  )


@pytest.mark.slow
@testing.eagerly()
def test_a_fine_tuned_classifier_predicts_as_it_was_scored(folder, classes):
  finetune_testing.launch(GLUE, folder, "classifier", classes, *SHORT)
  run = trained_run.TrainedRun.read(str(folder / "classifier"), "best")
  found = sentence_predictions.predict(run, classes, "validation", batch_size=5)
  right = np.argmax(found.outputs, axis=-1) == found.labels
  info = json.loads((folder / "classifier/best/info.json").read_text())
  assert np.mean(right) == pytest.approx(info["accuracy"])


@pytest.mark.slow
@testing.eagerly()
def test_answers_are_found_without_windows_where_a_document_fits(folder):
  data = finetune_testing.prepare_spans(folder / "spans", folder / "pretrained")
  records = finetune_testing.read(folder / "spans/train.tfrecord")
  assert len(records) == 2  # one a question
  finetune_testing.launch(SQUAD, folder, "span_run", data, *SHORT)
  run = trained_run.TrainedRun.read(str(folder / "span_run"))
  run.build_span_labeler()  # restores every weight


def test_one_graph_serves_all_lengths_up_to_the_trained_one(folder):
  """And gives what the network, run as Python, gives."""
  run = trained_run.TrainedRun.read(str(folder / "pretrained"))
  head = heads.make_head("", run)
  spec = tf.TensorSpec([None, None], tf.int32)
  graph = tf.function(head.outputs, [dict.fromkeys(head.inputs, spec)])
  for length in (serving_testing.LENGTH, testing.SEQ_LENGTH):
    inputs = serving_testing.inputs("masked_lm", length)
    serving_testing.assert_equal(graph(inputs), head.outputs(inputs))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["masked_lm", "classification", "span"])
def test_what_is_served_is_what_was_trained(folder, kind):
  run, out = folder / kind, folder / f"{kind}_out"
  model = run_testing.make_run(run, kind, run_testing.MODERNBERT)
  testing.run_command(export, model_dir=run, output_dir=out)
  loaded = tf.saved_model.load(str(out / "ids/1")).signatures["serve"]
  inputs = serving_testing.inputs(kind)
  there = serving_testing.outputs(kind, model, inputs)
  serving_testing.assert_equal(loaded(**inputs), there)
