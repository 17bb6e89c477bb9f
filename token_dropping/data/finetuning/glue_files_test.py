# SPDX-License-Identifier: Apache-2.0
"""Tests for glue_files: a small folder for each task, as GLUE writes it."""

import pytest

from tests import finetune_testing
from token_dropping.common import errors
from token_dropping.data.finetuning import glue_files
from token_dropping.data.finetuning import glue_tasks
from token_dropping.data.finetuning import sentence_data

PAIR_TEST = ["index\tsentence1\tsentence2", "0\ta\tb", "1\tc\td"]
RTE = ["index\tsentence1\tsentence2\tlabel", "0\ta\tb\tnot_entailment"]
WNLI = ["index\tsentence1\tsentence2\tlabel", "0\ta\tb\t1"]
QNLI = ["index\tquestion\tsentence\tlabel", "0\ta\tb\tnot_entailment"]
QQP = ["id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate"]
MNLI = "index\tpromptID\tpairID\tgenre\tsentence1\tsentence2"
MNLI_TRAIN = [f"{MNLI}\tlabel1\tgold_label", "0\t1\t2\tg\ta\tb\tn\tneutral"]
STSB = "index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\t" + (
  "sentence1\tsentence2"
)
MRPC = "Quality\t#1 ID\t#2 ID\t#1 String\t#2 String"


def _three(train, test):
  return {"train.tsv": train, "dev.tsv": train, "test.tsv": test}


FOLDERS = {
  "cola": _three(
    ["gj04\t1\t\tThe cat sat.", 'ks08\t0\t*\t"Sat cat'],
    ["index\tsentence", "0\tthe dog"],
  ),
  "sst2": _three(["sentence\tlabel", "good \t1"], ["index\tsentence", "0\tb"]),
  "mrpc": _three(
    [f"\ufeff{MRPC}", "1\t702\t705\ta\tb"],
    ["index\t#1 ID\t#2 ID\t#1 String\t#2 String", "0\t10\t11\ta\tb"],
  ),
  "stsb": _three(
    [f"{STSB}\tscore", "0\tg\tf\ty\t1\ts\ts\ta\tb\t3.800"],
    [STSB, "0\tg\tf\ty\t1\ts\ts\ta\tb"],
  ),
  "qqp": _three(
    [*QQP, "1\t2\t3\ta", "4\t5\t6\ta\tb\t1"],
    ["id\tquestion1\tquestion2", "0\ta\tb"],
  ),
  "mnli": {
    "train.tsv": MNLI_TRAIN,
    "dev_matched.tsv": MNLI_TRAIN,
    "dev_mismatched.tsv": MNLI_TRAIN,
    "test_matched.tsv": [MNLI, "0\t1\t2\tg\ta\tb"],
    "test_mismatched.tsv": [MNLI, "7\t1\t2\tg\ta\tb"],
  },
  "qnli": _three(QNLI, ["index\tquestion\tsentence", "0\ta\tb"]),
  "rte": _three(RTE, PAIR_TEST),
  "wnli": _three(WNLI, PAIR_TEST),
  "ax": {"diagnostic.tsv": PAIR_TEST},
}
# Texts and label of the last training example.
EXPECTED = {
  "cola": (('"Sat cat',), 0),
  "sst2": (("good ",), 1),
  "mrpc": (("a", "b"), 1),
  "stsb": (("a", "b"), 3.8),
  "qqp": (("a", "b"), 1),
  "mnli": (("a", "b"), 1),
  "qnli": (("a", "b"), 1),
  "rte": (("a", "b"), 1),
  "wnli": (("a", "b"), 1),
}


def _read(folder, name):
  task = glue_tasks.TASKS[name]
  return glue_files.read(task, glue_files.paths(task, folder))


@pytest.mark.parametrize("name", FOLDERS)
def test_folder(tmp_path, name):
  folder = finetune_testing.write_glue(tmp_path / "glue", FOLDERS[name])
  data = _read(folder, name)
  assert set(data.splits) == set(glue_tasks.TASKS[name].files)
  assert set(data.submissions) == {s for s in data.splits if "test" in s}
  for split_name, split in data.splits.items():
    last = split.examples[-1]
    if split_name.startswith("test"):
      assert not split.labelled and last.label == 0
    else:
      assert split.labelled and (last.texts, last.label) == EXPECTED[name]


def test_all_tasks_are_here():
  assert set(FOLDERS) == set(glue_tasks.TASKS)


def test_test_examples_keep_their_numbers(tmp_path):
  folder = finetune_testing.write_glue(tmp_path / "glue", FOLDERS["mnli"])
  split = _read(folder, "mnli").splits["test_mismatched"]
  assert split.examples == [sentence_data.Example(("a", "b"), 0, 7)]


def test_broken_rows_of_qqp_are_counted(tmp_path):
  folder = finetune_testing.write_glue(tmp_path / "glue", FOLDERS["qqp"])
  split = _read(folder, "qqp").splits["train"]
  assert (len(split.examples), split.short_rows) == (1, 1)


def test_a_folder_without_test_file_has_no_test_split(tmp_path):
  files = {k: v for k, v in FOLDERS["rte"].items() if k != "test.tsv"}
  data = _read(finetune_testing.write_glue(tmp_path / "glue", files), "rte")
  assert set(data.splits) == {"train", "validation"}
  assert not data.submissions


@pytest.mark.parametrize(
  ("name", "changes", "message"),
  [
    ("rte", {"dev.tsv": None}, "hold train.tsv, dev.tsv, .* without dev.tsv"),
    ("ax", {"diagnostic.tsv": None}, "without diagnostic.tsv"),
    ("rte", {"train.tsv": RTE[:1]}, "at least one row. Received"),
    (
      "rte",
      {"train.tsv": ["index\tsentence1\tlabel", "0\ta\tentailment"]},
      "have the columns sentence1, sentence2, label. Received",
    ),
    (
      "rte",
      {"train.tsv": [RTE[0], "0\ta\tb\tneutral"]},
      "one of 'entailment, not_entailment'. Received: 'neutral' in .*line 2",
    ),
    ("rte", {"train.tsv": [*RTE, "1\ta\tb"]}, "column label. .*line 3"),
    (
      "stsb",
      {"train.tsv": [f"{STSB}\tscore", "0\tg\tf\ty\t1\ts\ts\ta\tb\thigh"]},
      r"finite numbers in \[0, 5\]. Received: 'high' in .*line 2",
    ),
    ("rte", {"test.tsv": [*PAIR_TEST, "1\te\tf"]}, "another in .* '1' in .*4"),
    ("rte", {"test.tsv": [*PAIR_TEST, "x\te\tf"]}, "a whole number.* 'x' in"),
  ],
)
def test_bad_folders(tmp_path, name, changes, message):
  files = {k: v for k, v in (FOLDERS[name] | changes).items() if v is not None}
  folder = finetune_testing.write_glue(tmp_path / "glue", files)
  with pytest.raises(errors.UserError, match=message):
    _read(folder, name)
