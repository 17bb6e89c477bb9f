# SPDX-License-Identifier: Apache-2.0
"""Tests of plans: what they mean, and what is refused."""

import pytest
import yaml

from tests import testing
from token_dropping.study import forks
from token_dropping.study import plan as plans

TREE = {
  "experiment": "bert/token_drop",
  "seeds": [1, 2],
  "dense": "dense",
  "variants": {"dense": {"task.seed": 3}, "other": None, "few": {"seeds": [2]}},
}
GLUE = {"task": "cola", "input_dir": "CoLA"}
SEEDS = (
  "seeds must be a list of different whole numbers in [0, 2^31). Received:"
)


def _read(folder, **changes) -> plans.Plan:
  path = folder / "some.yaml"
  path.write_text(yaml.safe_dump(TREE | changes))
  return plans.read_plan(str(path))


def test_plan(tmp_path):
  plan = _read(
    tmp_path,
    config_files=["a.yaml", "../b.yaml"],
    overrides={"trainer": {"train_steps": 5}, "trainer.max_to_keep": 1},
    data={"prepare": {"input": "text/*.txt"}},
    downstream={"cola": {"data": GLUE, "seeds": [4]}},
  )
  assert plan == plans.Plan(
    experiment="bert/token_drop",
    variants={
      "dense": plans.Variant("dense", {"task": {"seed": 3}}, [1, 2]),
      "other": plans.Variant("other", {}, [1, 2]),
      "few": plans.Variant("few", {}, [2]),
    },
    dense="dense",
    seeds=[1, 2],
    config_files=[str(tmp_path / "a.yaml"), str(tmp_path.parent / "b.yaml")],
    overrides={"trainer": {"train_steps": 5, "max_to_keep": 1}},
    data=plans.DataSource("records", {"input": "text/*.txt"}),
    downstream={"cola": plans.Downstream(GLUE, seeds=[4])},
  )


DENSE = {"variant": "dense", "step": 4}


def test_forks(tmp_path):
  shorter = {"variant": "short", "step": 8}
  variants = {
    "dense": {},
    "short": {"fork": None, "seeds": [], "data": {"folder": "short"}},
    "other": {"fork": shorter},
    "later": {"fork": {"variant": "other", "step": 9}},
  }
  found = _read(tmp_path, variants=variants, fork=DENSE).variants
  assert found["dense"].fork == forks.Fork("dense", 4)
  short = plans.Variant("short", {}, [], plans.DataSource("short"))
  assert found["short"] == short
  assert found["other"].fork == forks.Fork("short", 8)
  assert found["later"].fork == forks.Fork("other", 9)


def _forked(**variants) -> dict:
  return {"fork": DENSE, "variants": {"dense": {}} | variants}


@pytest.mark.parametrize(
  ("changes", "message"),
  [
    ({"sedes": [1]}, "keys of a plan; the nearest is seeds. Received: sedes="),
    ({"data": {"folders": "x"}}, "the nearest is data.folder. Received: data."),
    ({"data": {"prepare": {"vocab": 9}}}, "nearest is data.prepare.vocab_size"),
    (
      {"data": {"prepare": {"output_dir": "x"}}},
      "must use keys of a plan. Received: data.prepare.output_dir",
    ),
    ({"data": {"folder": "../x"}}, "folder below --data_dir. Received: '../x'"),
    ({"data": [1]}, "data must be a mapping or null. Received: [1]"),
    (
      {"downstream": {"a": {"data": {}, "config": "x"}}},
      "is downstream.a.config_files",
    ),
    (
      {"downstream": {"a": {"data": {"tsak": "x"}}}},
      "is downstream.a.data.task",
    ),
    (
      {"downstream": {"a": {"data": GLUE, "seeds": [1, 1]}}},
      f"downstream.a.{SEEDS}",
    ),
    (
      {"downstream": {"a": {"data": GLUE | {"seq_length": 0}}}},
      ": downstream.a.data.seq_length must be at least 8. Received: 0",
    ),
    (
      {"downstream": {"data": "x"}},
      "downstream.data must be a mapping with data. Received: 'x'",
    ),
    (
      {"downstream": {"a": {"data": GLUE, "variants": ["dense", "x"]}}},
      "downstream.a.variants must be some of the variants. Received: ['x']",
    ),
    ({"downstream": {"a/b": {}}}, "a name in downstream must be at most 100"),
    (
      {"data": {"prepare": {"masking_rate": 1.5}}},
      ": data.prepare.masking_rate must be in (0, 1). Received: 1.5",
    ),
    (
      {"data": {"prepare": {"vocab_size": "30k"}}},
      ": data.prepare.vocab_size must be an integer. Received: '30k'",
    ),
    (
      {"dense": "dens"},
      "dense must be one of the variants; the nearest is dense. "
      "Received: 'dens'",
    ),
    ({"variants": {}}, "variants must be a mapping of variants. Received: {}"),
    (
      {"variants": {"dense": [1]}},
      "variants.dense must be a mapping of overrides. Received: [1]",
    ),
    (
      {"variants": {"a/b": {}}},
      "a name in variants must be at most 100 letters, digits, _ . -. "
      "Received: 'a/b'",
    ),
    (
      {"variants": {"dense": {"seeds": [3]}}},
      "variants.dense.seeds must be some of the plan's seeds [1, 2]. "
      "Received: [3]",
    ),
    ({"seeds": [1, 1]}, f"{SEEDS} [1, 1]"),
    ({"seeds": [True]}, f"{SEEDS} [True]"),
    (
      {"overrides": {"task.seed": 1, "task": {"seed": 2}}},
      "overrides must name every key once. Received: seed twice",
    ),
    ({"variants": {"dense": {"a.b": 1, "a": 2}}}, "once. Received: a twice"),
    (
      {"variants": {"dense": {"seeds": []}}},
      "variants.dense.seeds must be some, since it is dense. Received: []",
    ),
    (
      {"variants": {"dense": {"data": {"folder": "/x"}}}},
      "variants.dense.data.folder must be the name of a folder below",
    ),
    ({"fork": DENSE | {"step": 0}}, "fork.step must be at least 1. Received:"),
    ({"fork": [1]}, "fork must be a mapping or null. Received: [1]"),
    (
      _forked(other={"fork": {"variant": "dens", "step": 5}}),
      "variants.other.fork.variant must be one of the variants; the nearest is "
      "dense. Received: 'dens'",
    ),
    (
      _forked(other={}, last={"fork": {"variant": "other", "step": 4}}),
      "variants.last.fork.step must be above that at which other itself forks "
      "(4). Received: 4",
    ),
  ],
)
def test_wrong_plans(tmp_path, changes, message):
  refused = testing.refused(_read, tmp_path, **changes)
  assert refused.startswith(str(tmp_path / "some.yaml"))
  assert message in refused
