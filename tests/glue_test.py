# SPDX-License-Identifier: Apache-2.0
"""Tests of all of GLUE in one command, on local files."""

import json

import pytest

from tests import finetune_testing
from tests import run_testing
from tests import testing
from token_dropping import glue
from token_dropping.common import errors

PAIR = "index\tsentence1\tsentence2"
CLASSES = ("entailment", "neutral", "contradiction")
OVERRIDE = (
  "runtime.distribution_strategy=one_device,trainer.train_steps=1,"
  "task.train_data.global_batch_size=2"
)


def _rows(count: int, label=None) -> list[str]:
  """Returns the lines of a file with pairs, and labels if asked for."""
  header = PAIR if label is None else f"{PAIR}\t{label}"
  lines = [header]
  for index in range(count):
    line = f"{index}\tword{index}\tword{index + 1}"
    lines.append(line if label is None else f"{line}\t{CLASSES[index % 3]}")
  return lines


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
  """GLUE's folders of CoLA and MNLI with the diagnostic set, and their runs."""
  path = tmp_path_factory.mktemp("glue")
  run_testing.make_run(path / "pretrained")
  (path / "data").mkdir()
  label = "gold_label"
  finetune_testing.write_glue(
    path / "data" / "MNLI",
    {
      "train.tsv": _rows(6, label),
      "dev_matched.tsv": _rows(3, label),
      "dev_mismatched.tsv": _rows(4, label),
      "test_matched.tsv": _rows(2),
      "test_mismatched.tsv": _rows(3),
    },
  )
  finetune_testing.write_glue(
    path / "data" / "diagnostic", {"diagnostic.tsv": _rows(2)}
  )
  settings = glue.Settings(
    pretrained=str(path / "pretrained"),
    tasks="mnli",
    output_dir=str(path / "out"),
    data_dir=str(path / "data"),
    seq_length=testing.SEQ_LENGTH,
    params_override=OVERRIDE,
  )
  (path / "table.md").write_text(glue.run(settings))
  return path


def test_both_parts_of_mnli_are_scored(folder):
  content = json.loads((folder / "out" / "glue.json").read_text())
  (row,) = content["tasks"]
  assert list(row["scores"]) == ["accuracy_matched", "accuracy_mismatched"]
  assert content["average"] == pytest.approx(sum(row["scores"].values()) / 2)
  table = (folder / "table.md").read_text()
  assert (folder / "out" / "glue.md").read_text() == table + "\n"


@pytest.mark.parametrize(
  ("name", "rows"), [("MNLI-m", 2), ("MNLI-mm", 3), ("AX", 2)]
)
def test_submissions(folder, name, rows):
  lines = (folder / "out" / "submission" / f"{name}.tsv").read_text()
  header, *lines = lines.splitlines()
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
  with pytest.raises(errors.UserError, match=message):
    glue.Settings(**(fields | {"data_dir": "c"} | changes))


def test_a_missing_file_is_one_line(folder, tmp_path):
  settings = glue.Settings(
    pretrained=str(folder / "pretrained"),
    tasks="rte",
    output_dir=str(tmp_path),
    data_dir=str(folder / "data"),
  )
  with pytest.raises(errors.UserError, match="RTE' without train.tsv"):
    glue.run(settings)
