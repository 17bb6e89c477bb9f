# SPDX-License-Identifier: Apache-2.0
"""Tests of the fine-tuning after each run: refusals and commands."""

import json
import types

import pytest

from tests import study_testing
from tests import testing
from token_dropping.study import downstream
from token_dropping.study import plan as plans
from token_dropping.study import runs

PRETRAINING = "bert/token_drop"
DATA = {
  "task": "classification",
  "train_file": "train.tsv",
  "validation_file": "validation.tsv",
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
  """The first run of the tiny plan, of seed 1."""
  folder = tmp_path_factory.mktemp("downstream")
  plan = plans.read_plan(study_testing.write_plan(folder))
  return runs.expand(plan, study_testing.folders(folder))[0]


@pytest.mark.parametrize(
  ("changes", "message"),
  [
    (
      {"experiment": "bert/token_drop"},
      "downstream.a.experiment must be one of bert/token_drop_glue, "
      "bert/token_drop_squad. Received: 'bert/token_drop'",
    ),
    (
      {"overrides": {"task": {"epoch": 1.0}}},
      "downstream.a.overrides must use keys of the experiment; the nearest is "
      "task.epochs. Received: task.epoch=1.0",
    ),
  ],
)
def test_wrong_parts(changes, message):
  part = plans.Downstream(**({"data": DATA} | changes))
  refused = testing.refused(downstream.check_plan, "a", part, PRETRAINING)
  assert refused.startswith(message)


def test_a_task_is_of_the_network_that_is_pretrained():
  names = "modernbert/token_drop_glue, modernbert/token_drop_squad"
  asked = "a", plans.Downstream(DATA), "modernbert/token_drop"
  assert testing.refused(downstream.check_plan, *asked) == (
    f"downstream.a.experiment must be one of {names}. "
    "Received: 'bert/token_drop_glue'"
  )


def test_commands(run):
  part = plans.Downstream(DATA, config_files=["some.yaml"], seeds=[5, 7])
  downstream.check_plan("movies", part, PRETRAINING)
  prepare, *trainings = downstream.commands("movies", part, run, "files")
  assert prepare[2] == "token_dropping.data.finetune"
  assert set(prepare[3:]) == {
    "--task=classification",
    "--train_file=files/train.tsv",
    "--validation_file=files/validation.tsv",
    f"--pretrained={run.model_dir}",
    f"--output_dir={run.folder}/downstream/movies/data",
  }
  for seed, train in zip((5, 7), trainings, strict=True):
    assert train[2:6] == (
      "token_dropping.train",
      "--experiment=bert/token_drop_glue",
      f"--pretrained={run.model_dir}",
      "--config_file=some.yaml",
    )
    assert f'"seed": {seed}' in train[6]
    model_dir = f"{run.folder}/downstream/movies/model_seed_{seed}"
    assert train[7] == f"--model_dir={model_dir}"
  _, train = downstream.commands("movies", plans.Downstream(DATA), run, "files")
  assert train[-2].endswith("/model_seed_1")  # that of the run


def test_the_median_counts(run, monkeypatch):
  scores = {1: 0.75, 2: 0.25, 3: 0.5}

  def prepare(flags):
    task = json.loads(flags.params_override)["task"]
    return types.SimpleNamespace(task=types.SimpleNamespace(**task))

  def read_scores(params, model_dir):
    assert model_dir.endswith(f"model_seed_{params.task.seed}")
    return {"scores": {"accuracy": scores[params.task.seed]}}

  monkeypatch.setattr(downstream.config, "prepare", prepare)
  monkeypatch.setattr(downstream.best_checkpoint, "read_scores", read_scores)
  part = plans.Downstream(DATA, seeds=[1, 2, 3])
  assert downstream.measure("movies", part, run) == {
    "score": 0.5,
    "deviation": 0.25,
    "scores": [{"seed": n, "accuracy": scores[n]} for n in (1, 2, 3)],
  }
  part = plans.Downstream(DATA)
  assert "deviation" not in downstream.measure("movies", part, run)


def test_a_score_knows_its_settings_not_their_files(run, tmp_path):
  (tmp_path / "a.yaml").write_text("task: {epochs: 2.0}")
  part = plans.Downstream(DATA, config_files=[str(tmp_path / "a.yaml")])
  assert downstream.identity(part, run) == {
    "run": run.identity,
    "data": DATA,
    "experiment": "bert/token_drop_glue",
    "config_files": [{"task": {"epochs": 2.0}}],
    "overrides": {},
    "seeds": None,
  }
