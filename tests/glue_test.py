# SPDX-License-Identifier: Apache-2.0
"""Tests of all of GLUE in one command, on local files."""

import json
import re

import pytest

from tests import finetune_testing
from tests import run_testing
from tests import testing
from token_dropping import glue

CLASSES = ("entailment", "neutral", "contradiction")
OVERRIDE = (
  "runtime.distribution_strategy=one_device,trainer.train_steps=1,"
  "task.train_data.global_batch_size=2"
)


def _write(folder, name: str, rows: int, is_labelled: bool = False) -> None:
  """Writes a file of pairs, with labels if asked for."""
  lines = ["index\tsentence1\tsentence2" + "\tgold_label" * is_labelled]
  for i in range(rows):
    label = f"\t{CLASSES[i % 3]}" * is_labelled
    lines.append(f"{i}\tword{i}\tword{i + 1}{label}")
  folder.mkdir(parents=True, exist_ok=True)
  finetune_testing.write_lines(folder / f"{name}.tsv", *lines)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
  """GLUE's folders of MNLI with the diagnostic set, and their run."""
  path = tmp_path_factory.mktemp("glue")
  run_testing.make_run(path / "pretrained")
  mnli = path / "data" / "MNLI"
  _write(mnli, "train", 6, is_labelled=True)
  _write(mnli, "dev_matched", 3, is_labelled=True)
  _write(mnli, "dev_mismatched", 4, is_labelled=True)
  _write(mnli, "test_matched", 2)
  _write(mnli, "test_mismatched", 3)
  _write(path / "data" / "diagnostic", "diagnostic", 2)
  settings = glue.Settings(
    pretrained=str(path / "pretrained"),
    tasks="mnli",
    output_dir=str(path / "out"),
    data_dir=str(path / "data"),
    seq_length=testing.SEQ_LENGTH,
    params_override=OVERRIDE,
  )
  with testing.eagerly():
    (path / "table.md").write_text(glue.run(settings))
  return path


def test_both_parts_of_mnli_are_scored(folder):
  content = json.loads((folder / "out" / "glue.json").read_text())
  (row,) = content["tasks"]
  assert list(row["scores"]) == ["accuracy_matched", "accuracy_mismatched"]
  assert content["average"] == pytest.approx(sum(row["scores"].values()) / 2)
  table = (folder / "table.md").read_text()
  assert (folder / "out" / "glue.md").read_text() == table + "\n"


def test_submissions(folder):
  for name, rows in {"MNLI-m": 2, "MNLI-mm": 3, "AX": 2}.items():
    text = (folder / "out" / "submission" / f"{name}.tsv").read_text()
    header, *lines = text.splitlines()
    assert header == "index\tprediction"
    indices, labels = zip(*(line.split("\t") for line in lines), strict=True)
    assert indices == tuple(map(str, range(rows)))
    assert set(labels) <= set(CLASSES)


def test_table():
  rows = [
    {"task": "cola", "scores": {"matthews_corrcoef": 0.5}, "step": 1200},
    {"task": "mrpc", "scores": {"accuracy": 0.7, "f1": 0.8}, "step": 40},
  ]
  assert glue.format_table(rows).splitlines() == [
    "| task | dev scores | step |",
    "| --- | --- | --- |",
    "| cola | matthews_corrcoef 50.0 | 1,200 |",
    "| mrpc | accuracy 70.0, f1 80.0 | 40 |",
    "| average of 2 | 62.5 | |",
  ]


@pytest.mark.parametrize(
  ("changes", "message"),
  [
    ({"pretrained": ""}, "--pretrained must be set"),
    ({"output_dir": ""}, "--output_dir must be set"),
    ({"data_dir": ""}, "exactly one of --data_dir and --tfds. Received: neith"),
    ({"tfds": True}, "exactly one of --data_dir and --tfds. Received: both"),
    ({"tasks": "cola,ax"}, "--tasks must be all, or some of cola, .*'ax'"),
  ],
)
def test_wrong_settings(changes, message):
  fields = {"pretrained": "a", "tasks": "cola", "output_dir": "b"}
  fields |= {"data_dir": "c"} | changes
  assert re.search(message, testing.refused(glue.Settings, **fields))


def test_a_missing_file_is_one_line(folder, tmp_path):
  settings = glue.Settings(
    pretrained=str(folder / "pretrained"),
    tasks="rte",
    output_dir=str(tmp_path),
    data_dir=str(folder / "data"),
  )
  assert "RTE' without train.tsv" in testing.refused(glue.run, settings)
