# SPDX-License-Identifier: Apache-2.0
"""Tests of sweeps: grid, report, and going on."""

import json
import math
import os
import pathlib

import pytest

from tests import finetune_testing
from tests import run_testing
from tests import testing
from token_dropping.training import sweep


def test_summary_and_report():
  results = [
    {"learning_rate": rate, "seed": seed, "scores": {"accuracy": score}}
    | {"model_dir": f"runs/{seed}", "step": 40}
    for rate, seed, score in (
      (2e-5, 1, 0.5),
      (2e-5, 2, 0.75),
      (5e-5, 1, 0.75),
      (5e-5, 2, 0.25),
    )
  ]
  report = sweep.summarize(results)
  assert report["chosen"] == results[1]  # the first of the best
  assert (report["median"], report["best"]) == (0.625, 0.75)
  assert report["learning_rates"] == [
    {"learning_rate": 2e-5, "median": 0.625, "best": 0.75},
    {"learning_rate": 5e-5, "median": 0.5, "best": 0.75},
  ]
  assert sweep.format_report(report).splitlines() == [
    "| learning rate | median accuracy | best |",
    "| --- | --- | --- |",
    "| 2e-05 | 0.6250 | 0.7500 |",
    "| 5e-05 | 0.5000 | 0.7500 |",
    "| all 4 runs | 0.6250 | 0.7500 |",
    "",
    "Chosen: learning rate 2e-05, seed 2, step 40: runs/2",
  ]


@pytest.mark.parametrize(
  ("rates", "seeds", "message"),
  [
    ((), (1,), "--sweep_learning_rates must be different numbers between 0"),
    ((2e-5, 2e-5), (1,), "--sweep_learning_rates must be different numbers"),
    *(
      ((1e-5, rate), (1,), f"between 0 and 1e38. Received: [1e-05, {rate}]")
      for rate in (0.0, math.nan, math.inf, 1e39, 1.00000001e-5)
    ),
    ((2e-5,), (-1,), "--sweep_seeds must be different numbers between -1 and"),
    ((2e-5,), (2**31,), "between -1 and 2^31. Received: [2147483648]"),
  ],
)
def test_wrong_grid(rates, seeds, message):
  assert message in testing.refused(sweep.Grid, rates, seeds)


def _launch(folder, *overrides, **values) -> None:
  override = [
    f"task.data_dir={folder / 'data'}",
    "runtime.distribution_strategy=one_device,trainer.train_steps=1",
    *overrides,
  ]
  defaults = {
    "experiment": finetune_testing.GLUE,
    "pretrained": folder / "pretrained",
    "params_override": ",".join(override),
    "model_dir": folder / "sweep",
    "sweep": True,
    "sweep_learning_rates": "1e-3",
    "sweep_seeds": "1",
  }
  testing.launch(**(defaults | values))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
  """A folder with a sweep of one setting."""
  path = tmp_path_factory.mktemp("sweeps")
  run_testing.make_run(path / "pretrained")
  finetune_testing.prepare_classes(path / "data", path / "pretrained")
  with testing.eagerly():
    _launch(path)
  return path


def _report(folder) -> dict:
  report = json.loads((folder / "sweep" / "sweep.json").read_text())
  for result in report["results"]:
    name = f"rate_{result['learning_rate']:g}_seed_1"
    assert result["model_dir"] == str(folder / "sweep" / name)
  return report


def test_every_setting_is_a_run(folder):
  (result,) = _report(folder)["results"]
  assert os.path.exists(f"{result['model_dir']}/best/info.json")
  assert "median accuracy" in (folder / "sweep" / "sweep.md").read_text()


def test_a_sweep_goes_on(folder, monkeypatch):
  trained = []

  def launch(params, mode, model_dir, strategy) -> None:
    """Stands in for a training."""
    schedule = params.trainer.optimizer_config.learning_rate.get()
    trained.append((schedule.initial_learning_rate, params.task.seed, mode))
    info = {"accuracy": 2.0, "best_ckpt_global_step": 1.0}
    os.makedirs(f"{model_dir}/best")
    testing.write_json(pathlib.Path(model_dir, "best", "info.json"), info)

  monkeypatch.setattr(sweep.launch, "launch", launch)
  (first,) = _report(folder)["results"]
  for _ in range(2):
    _launch(folder, sweep_learning_rates="1e-3,1e-2")
    report = _report(folder)
    assert report["results"][0] == first
    assert report["chosen"]["learning_rate"] == 1e-2
  assert trained == [(1e-2, 1, "train_and_eval")]


def test_a_sweep_of_another_experiment_is_refused(folder):
  message = testing.refused(_launch, folder, "task.warmup_share=0.5")
  assert "results of the same experiment" in message


def test_numbers_must_be_numbers(folder):
  message = testing.refused(_launch, folder, sweep_seeds="one")
  assert "--sweep_seeds must be numbers" in message
