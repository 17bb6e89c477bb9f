# SPDX-License-Identifier: Apache-2.0
"""Runs of a network that ends with a norm: on, over, and out of the house."""

import functools
import re

import numpy as np
import pytest
import tensorflow as tf
import yaml

from tests import fault_testing
from tests import finetune_testing
from tests import serving_testing
from tests import testing
from token_dropping import export
from token_dropping.explain import dropping
from token_dropping.training import trained_run

NORM = "final_norm/gamma/.ATTRIBUTES/VARIABLE_VALUE"
FIELD = "task.model.encoder.any.final_norm"
NETWORK = {"task": {"model": {"encoder": {"any": {"norm_first": True}}}}}
STEPS = {"trainer": {"train_steps": 4, "validation_interval": 4}}


# Nothing here is evaluated.
_train = functools.partial(fault_testing.launch, mode="train")


def _variables(run, step: int) -> dict[str, np.ndarray]:
  return fault_testing.variables(run / f"ckpt-{step}")


def _encoder_config(run) -> dict:
  params = yaml.unsafe_load((run / "params.yaml").read_text())
  return params["task"]["model"]["encoder"]["any"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
  """Records, a config and the run `pretrained` of four steps."""
  folder = tmp_path_factory.mktemp("norm")
  fault_testing.write_records(folder)
  fault_testing.write_tiny(folder, NETWORK, STEPS)
  with testing.eagerly():
    _train(folder, folder / "pretrained")
  return folder


@testing.eagerly()
def test_a_run_goes_on_with_its_norm(folder):
  whole, stopped = folder / "pretrained", folder / "stopped"
  assert _encoder_config(whole)["final_norm"] is True
  moved = _variables(whole, 4)
  assert not np.array_equal(moved[NORM], np.ones_like(moved[NORM]))
  testing.copy_as_it_was(whole, 2, stopped)
  _train(folder, stopped)
  fault_testing.assert_same(moved, _variables(stopped, 4))


@testing.eagerly()
def test_what_was_trained_without_one_goes_on_without(folder, capsys):
  bare, begun = folder / "bare", folder / "begun"
  one, two = (
    f"trainer.train_steps={n},trainer.validation_interval={n}" for n in (1, 2)
  )
  _train(folder, bare, params_override=f"{FIELD}=false,{one}")
  path = bare / "params.yaml"
  # Older runs do not say it.
  path.write_text(re.sub(r"\n *final_norm: false", "", path.read_text()))
  start = f"task.init_checkpoint={bare}/ckpt-1"
  for run, override in ((bare, two), (begun, f"{start},{two}")):
    capsys.readouterr()
    _train(folder, run, params_override=override)
    warned = f"warning: {FIELD} should be true with norm_first"
    assert warned in capsys.readouterr().err
    assert _encoder_config(run)["final_norm"] is False
    assert NORM not in _variables(run, 2)


@testing.eagerly()
def test_what_is_made_of_a_run_ends_with_its_norm(folder):
  """A model for explaining, an export, and a run of fine-tuning."""
  pretrained = folder / "pretrained"
  data = finetune_testing.prepare_classes(folder / "classes", pretrained)
  finetune_testing.launch(
    finetune_testing.GLUE,
    folder,
    "classifier",
    data,
    f"{finetune_testing.RATE}=0.0,trainer.train_steps=1",
  )
  testing.run_command(
    export, model_dir=pretrained, output_dir=folder / "out", head="encoder"
  )
  run = trained_run.TrainedRun.read(str(pretrained))
  inputs = serving_testing.inputs("encoder")
  explained = dropping.build_model(run)(inputs)
  expected = serving_testing.outputs("encoder", run.build_encoder(), inputs)
  served = tf.saved_model.load(str(folder / "out" / "ids" / "1"))
  tuned = trained_run.TrainedRun.read(str(folder / "classifier"))
  for found in (
    {name: explained[name] for name in expected},
    served.signatures["serve"](**inputs),
    serving_testing.outputs("encoder", tuned.build_encoder(), inputs),
  ):
    serving_testing.assert_equal(found, expected)
  gamma, beta = (
    tf.train.load_variable(run.checkpoint, NORM.replace("gamma", name))
    for name in ("gamma", "beta")
  )
  states = (expected["sequence_output"] - beta) / gamma
  np.testing.assert_allclose(tf.reduce_mean(states, -1), 0.0, atol=1e-5)
