# SPDX-License-Identifier: Apache-2.0
"""Tests of the runs of a plan."""

import dataclasses
import json
import pathlib
import sys

import pytest

from tests import study_testing
from tests import testing
from token_dropping.study import plan as plans
from token_dropping.study import runs
from token_dropping.training import config
from token_dropping.training import grid

STUDIES = pathlib.Path(__file__).parents[2] / "studies"


def _expand(folder, **changes) -> list[runs.Run]:
  path = study_testing.write_plan(folder, **changes)
  return runs.expand(plans.read_plan(path), study_testing.folders(folder))


def test_seed_by_seed_in_the_order_of_the_plan(tmp_path):
  variants = {
    "dense": {study_testing.KEEP_RATIO: 1.0},
    "other": {},
    "few": {"seeds": [2]},
  }
  found = _expand(tmp_path, seeds=[2, 1], variants=variants)
  assert [run.name for run in found] == [
    "dense_seed_2",
    "other_seed_2",
    "few_seed_2",
    "dense_seed_1",
    "other_seed_1",
  ]
  assert found[0].params.task.seed == found[0].params.task.train_data.seed == 2
  assert found[0].params.task.model.encoder.any.token_keep_ratio == 1.0
  assert found[0].model_dir == str(tmp_path / "out/runs/dense_seed_2/model")


def test_identity_is_what_differs_from_the_experiment(tmp_path):
  one, _ = _expand(tmp_path)
  config = one.identity["config"]
  assert config["task.train_data.input_path"] == "train-*"
  assert config[study_testing.KEEP_RATIO] == 1.0
  assert "task.train_data.cycle_length" not in config
  assert json.loads(json.dumps(one.identity)) == one.identity


def test_identity_knows_records_not_folders(tmp_path):
  for name in ("one", "two"):
    (tmp_path / name).mkdir()
  one, two = (_expand(tmp_path / name)[0] for name in ("one", "two"))
  assert one.identity == two.identity
  with open(tmp_path / "two" / "train-0", "ab") as file:
    file.write(b"more")
  plan = plans.read_plan(str(tmp_path / "two" / "tiny.yaml"))
  more, _ = runs.expand(plan, study_testing.folders(tmp_path / "two"))
  difference = grid.first_difference(one.identity, more.identity)
  assert difference.startswith("data is ")


def test_data_of_a_plan(tmp_path):
  overrides = study_testing.OVERRIDES
  run, _ = _expand(tmp_path, overrides=overrides, data={"folder": "records"})
  expected = str(tmp_path / "data/records/train-*")
  assert run.params.task.train_data.input_path == expected


def test_table_of_a_variant(tmp_path):
  (tmp_path / "data").mkdir()
  path = tmp_path / "data" / "losses.npz"
  testing.write_importance_table(path, "pretrained_mlm")
  importance = {"type": "pretrained_mlm", "table_file": "losses.npz"}
  variant = {"task.model.encoder.any.importance": importance}
  (run,) = _expand(tmp_path, variants={"dense": variant})
  found = run.params.task.model.encoder.any.importance
  assert found.table_file == str(path)


FORK = {"variant": "dense", "step": 4}


def _params(run: runs.Run) -> dict:
  """Returns the config that the command of a run stands for."""
  given = dict(flag[2:].split("=", 1) for flag in run.command[3:])
  experiment, override = given["experiment"], given["params_override"]
  flags = config.LaunchFlags(experiment, params_override=override)
  return config.parse(flags).as_dict()


def test_forks_go_on_from_a_trunk_with_the_rate_of_its_whole_training(tmp_path):
  longer = {"trainer.train_steps": 12}
  dense = {"task.keep_schedule.full_last_steps": 0.25}
  variants = {"dense": dense, "longer": longer, "new": {"fork": None}}
  found, longer, new = _expand(tmp_path, fork=FORK, variants=variants)
  trunk = found.trunk
  assert trunk == longer.trunk and new.trunk is trunk.trunk is None
  assert trunk.folder == str(tmp_path / "out/runs/trunks/dense_4_seed_1")
  assert (trunk.last_step, found.last_step, longer.last_step) == (4, 8, 12)
  trainer = {"train_steps": 4}
  whole = found.params.as_dict()
  assert whole["task"]["keep_schedule"]["train_steps"] == 8
  assert _params(trunk) == testing.merged(whole, {"trainer": trainer})
  trainer = {"continue_from": f"{trunk.folder}/model/ckpt-4"}
  expected = testing.merged(longer.params.as_dict(), {"trainer": trainer})
  assert _params(longer) == expected
  assert _params(new) == new.params.as_dict()


def test_a_fork_from_itself_is_the_training_that_it_was(tmp_path):
  dense, other = _expand(tmp_path, fork=FORK)
  plain, unforked = _expand(tmp_path)
  assert dense.identity == plain.identity
  begun = plain.identity | {"step": 4}
  assert other.identity == unforked.identity | {"fork": begun}


def test_forks_of_forks(tmp_path):
  last = {"fork": {"variant": "other", "step": 8}, "trainer.train_steps": 9}
  variants = {"dense": {}, "other": {"trainer.train_steps": 9}, "last": last}
  _, other, last = _expand(tmp_path, fork=FORK, variants=variants)
  names = [other.trunk.name, last.trunk.name, last.trunk.trunk.name]
  dense = "trunks/dense_4_seed_1"
  assert names == [dense, "trunks/other_8_seed_1", dense]


@pytest.mark.parametrize(
  ("step", "override", "message"),
  [
    (12, {}, "fork.step must be at most the steps of dense (8). Received: 12"),
    (8, {}, "fork.step must be below trainer.train_steps (8). Received: 8"),
    (
      3,
      {},
      "fork.step must be a multiple of trainer.validation_interval (4). "
      "Received: 3",
    ),
    (
      4,
      {"task.model.encoder.any.hidden_size": 16},
      "fork must be null, to train from the beginning, or of the same network; "
      "dense has task.model.encoder.any.hidden_size=8. Received: 16",
    ),
  ],
)
def test_a_fork_that_is_no_training_is_refused(
  tmp_path, step, override, message
):
  other = override | {"fork": {"variant": "dense", "step": step}}
  variants = {"dense": {}, "other": other}
  refused = testing.refused(_expand, tmp_path, variants=variants)
  assert refused == f"variants.other: {message}"


def _prepare(folder, source: plans.DataSource | None) -> None:
  plan = plans.Plan("bert/token_drop", {}, "dense", [1], data=source)
  runs.prepare_data(plan, str(folder))


@pytest.mark.parametrize("source", [None, plans.DataSource()])
def test_no_data_to_make(tmp_path, source):
  _prepare(tmp_path, source)
  assert not list(tmp_path.iterdir())


def test_data_that_cannot_be_made_are_one_line(tmp_path, monkeypatch):
  python = tmp_path / "python"
  python.write_text('#!/bin/sh\necho "error: $*\n" >&2; exit 2')
  python.chmod(0o700)
  monkeypatch.setattr(sys, "executable", str(python))
  source = plans.DataSource(prepare={"input": "none.txt"})
  assert testing.refused(_prepare, tmp_path, source) == (
    "data.prepare must be settings of token_dropping.data.prepare that work. "
    "Received: error: -m token_dropping.data.prepare "
    f"--input={tmp_path}/none.txt --output_dir={tmp_path}/records"
  )


@pytest.mark.parametrize(
  ("override", "message"),
  [
    (
      {"task.sede": 1},
      "variants.other: --params_override must use keys of the experiment; the "
      "nearest is task.seed. Received: task.sede=1",
    ),
    (
      {study_testing.KEEP_RATIO: 2.0},
      "variants.other: task.model.encoder.any: token_keep_ratio must be in "
      "(0, 1]. Received: 2.0",
    ),
    (
      {"task.model.encoder.any.importance": "random"},
      "variants.other: --params_override: task.model.encoder.any.importance "
      "must be a mapping. Received: 'random'",
    ),
  ],
)
def test_a_wrong_variant_is_named(tmp_path, override, message):
  variants = {"dense": {}, "other": override}
  assert testing.refused(_expand, tmp_path, variants=variants) == message


TABLES = {
  "losses.npz": "pretrained_mlm",
  "information.npz": "mutual_information",
}


@pytest.mark.parametrize(
  "name",
  [
    *("quick", "quality", "quality_forked", "quality_long"),
    *("quality_post_norm", "pays", "pays_post_norm"),
  ],
)
def test_plans_of_the_project(tmp_path, name):
  plan = plans.read_plan(str(STUDIES / f"{name}.yaml"))
  (tmp_path / "data").mkdir()
  for file, kind in TABLES.items():
    testing.write_importance_table(tmp_path / "data" / file, kind, 1000)
  variants = {  # runs of other seeds differ in nothing else
    name: dataclasses.replace(variant, seeds=[1])
    for name, variant in plan.variants.items()
  }
  plan = dataclasses.replace(plan, seeds=[1], variants=variants)
  found = runs.expand(plan, study_testing.folders(tmp_path))
  assert plan.dense in [run.variant for run in found]
  assert len(found) == len(variants)
  for run in found:
    trainer = run.params.trainer
    # A run that goes on has lost no evaluation.
    assert trainer.validation_interval == trainer.checkpoint_interval
