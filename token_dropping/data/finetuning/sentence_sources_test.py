# SPDX-License-Identifier: Apache-2.0
"""GLUE as it is distributed, TensorFlow Datasets without a network, tables."""

import re
import types

import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from tests import finetune_testing
from tests import testing
from token_dropping.data.finetuning import finetune_settings
from token_dropping.data.finetuning import glue_tasks
from token_dropping.data.finetuning import sentence_sources
from token_dropping.data.finetuning import tfds_examples

PAIR_TEST = ["index\tsentence1\tsentence2", "0\ta\tb", "1\tc\td"]
RTE = ["index\tsentence1\tsentence2\tlabel", "0\ta\tb\tnot_entailment"]
WNLI = ["index\tsentence1\tsentence2\tlabel", "0\ta\tb\t1"]
QNLI = ["index\tquestion\tsentence\tlabel", "0\ta\tb\tnot_entailment"]
QQP = ["id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate"]
MNLI = "index\tpromptID\tpairID\tgenre\tsentence1\tsentence2"
MNLI_TRAIN = [f"{MNLI}\tlabel1\tgold_label", "0\t1\t2\tg\ta\tb\tn\tneutral"]
STSB = "\t".join(["index", *"defghi", "sentence1", "sentence2"])
STSB_ROW = "0\tg\tf\ty\t1\ts\ts\ta\tb"
BAD_SCORE = r"finite numbers in \[0, 5\]. Received: '{}' in .*dev.tsv, line 2"
MRPC = "Quality\t#1 ID\t#2 ID\t#1 String\t#2 String"


def _scored(*scores: str) -> list[str]:
  return [f"{STSB}\tscore", *(f"{STSB_ROW}\t{score}" for score in scores)]


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
    _scored("0", "5", "3.800"), [STSB, "0\tg\tf\ty\t1\ts\ts\ta\tb"]
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
LAST = dict.fromkeys(FOLDERS, (("a", "b"), 1)) | {
  "cola": (('"Sat cat',), 0),
  "sst2": (("good ",), 1),
  "stsb": (("a", "b"), 3.8),
}


def _read_glue(folder, name, files):
  task = glue_tasks.TASKS[name]
  path = finetune_testing.write_glue(folder / "glue", files)
  paths = sentence_sources.find_glue_files(task, path)
  return sentence_sources.read_glue(task, paths)


@pytest.mark.parametrize("name", glue_tasks.TASKS)
def test_files_of_glue(tmp_path, name):
  splits = _read_glue(tmp_path, name, FOLDERS[name])
  assert set(splits) == set(glue_tasks.TASKS[name].files)
  for split_name, split in splits.items():
    last = split.examples[-1]
    if split_name.startswith("test"):
      assert not split.labelled and last.label == 0
    else:
      assert split.labelled and (last.texts, last.label) == LAST[name]
      # Broken rows of QQP are counted.
      assert split.short_rows == (name == "qqp")
  if name == "mnli":  # test examples keep their numbers
    assert [e.id for e in splits["test_mismatched"].examples] == [7]


def test_a_folder_without_test_file_has_no_test_split(tmp_path):
  files = {k: v for k, v in FOLDERS["rte"].items() if k != "test.tsv"}
  assert set(_read_glue(tmp_path, "rte", files)) == {"train", "validation"}


@pytest.mark.parametrize(
  ("name", "changes", "message"),
  [
    ("rte", {"dev.tsv": None}, "hold train.tsv, dev.tsv, .* without dev.tsv"),
    ("ax", {"diagnostic.tsv": None}, "without diagnostic.tsv"),
    ("rte", {"train.tsv": [*RTE, "1\ta\tb"]}, "column label. .*line 3"),
    ("rte", {"train.tsv": [RTE[0], "0\ta\tb\tneutral"]}, "'neutral' in .* 2$"),
    ("rte", {"test.tsv": [*PAIR_TEST, "1\te\tf"]}, "another in .* '1' in .*4"),
    ("rte", {"test.tsv": [*PAIR_TEST, "00\te\tf"]}, "in every row.* '00' in"),
    ("rte", {"test.tsv": [*PAIR_TEST, "x\te\tf"]}, "a whole number.* 'x' in"),
    ("rte", {"test.tsv": [*PAIR_TEST, "9" * 19 + "\te\tf"]}, "number.* '999"),
    *(
      ("stsb", {"dev.tsv": _scored(text)}, BAD_SCORE.format(text))
      for text in ("x", "", "nan", "inf", "5.1", "-0.1")
    ),
  ],
)
def test_bad_files_of_glue(tmp_path, name, changes, message):
  files = {k: v for k, v in (FOLDERS[name] | changes).items() if v is not None}
  found = testing.refused(_read_glue, tmp_path, name, files)
  assert re.search(message, found)


@pytest.mark.parametrize("name", glue_tasks.TASKS)
def test_every_set_has_the_splits_texts_and_labels_of_its_task(name):
  task = glue_tasks.TASKS[name]
  with tfds.testing.mock_data(num_examples=3):
    builder = tfds_examples.load_builder(f"glue/{name}")
    splits = sentence_sources.read_glue(task, builder)
  assert set(splits) == set(task.files)
  for split_name, split in splits.items():
    assert split.labelled == (not split_name.startswith("test"))
    for number, example in enumerate(split.examples):
      assert len(example.texts) == len(task.texts)
      assert not split.labelled or example.id == number
      if task.labels:
        assert 0 <= example.label < (len(task.labels) if split.labelled else 1)


def test_examples_of_a_set_are_read_as_they_are():
  task = glue_tasks.TASKS["cola"]
  rows = {"sentence": ["é", "b"], "label": [1, 0], "idx": [5, 3]}
  label = types.SimpleNamespace(names=task.labels)
  builder = types.SimpleNamespace(
    info=types.SimpleNamespace(features={"label": label}, full_name="a/b"),
    as_dataset=lambda **_: tf.data.Dataset.from_tensor_slices(rows),
  )
  splits = sentence_sources.read_glue(task, builder)
  example = sentence_sources.Example
  train = [example(("é",), 1, 0), example(("b",), 0, 1)]
  assert splits["train"].examples == train
  test = [example(("é",), 0, 5), example(("b",), 0, 3)]
  assert splits["test"].examples == test
  label.names = task.labels[::-1]
  assert testing.refused(sentence_sources.read_glue, task, builder) == (
    "labels of a/b must be unacceptable, acceptable. Received: acceptable, "
    "unacceptable"
  )


@pytest.mark.parametrize(
  "failure", [OSError("no\nnetwork"), tfds.download.DownloadError("404")]
)
def test_a_set_without_a_network(monkeypatch, failure):
  def fail(self, **options):
    raise failure

  with tfds.testing.mock_data(), monkeypatch.context() as patch:
    patch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", fail)
    message = testing.refused(tfds_examples.load_builder, "glue/cola")
  rule = f"downloadable .*'glue/cola' .*{type(failure).__name__}"
  assert re.search(rule, message)


def _read_tables(tmp_path, train, validation=None, test=None, **options):
  tables = {"train": train, "validation": validation or train, "test": test}
  values = {"task": "classification", "vocab_file": "v", "output_dir": "o"}
  for name, lines in tables.items():
    if lines:
      path = tmp_path / f"{name}.csv"
      values[f"{name}_file"] = finetune_testing.write_lines(path, *lines)
  return sentence_sources.read_tables(
    finetune_settings.FinetuneSettings(**(values | options))
  )


@pytest.mark.parametrize(
  ("rows", "given", "labels"),
  [
    (["a,spam", "b,ham", "c,spam"], "", ("ham", "spam")),
    (["a,10", "b,9", "c,x"], "", ("9", "10", "x")),  # numbers by their value
    (["a,2", "b,01", "c,0", "d,1"], "", ("0", "01", "1", "2")),
    (["a,b\u2028a", "b,b\x85a"], "", ("b\x85a", "b\u2028a")),
    (["a,spam", "b,ham"], "spam, ham, other", ("spam", "ham", "other")),
  ],
)
def test_labels_are_sorted_or_given(tmp_path, rows, given, labels):
  task, splits = _read_tables(tmp_path, ["text,label", *rows], labels=given)
  assert (task.labels, task.metrics) == (labels, ("accuracy",))
  shown = [labels[e.label] for e in splits["train"].examples]
  assert shown == [row.split(",")[1] for row in rows]


def test_two_texts(tmp_path):
  _, splits = _read_tables(
    tmp_path,
    ["answer,question,right", "a,q,yes", "b,q,no"],
    text_column="question",
    second_text_column="answer",
    label_column="right",
  )
  expected = sentence_sources.Example(("q", "a"), 1, 0)
  assert splits["train"].examples[0] == expected


def test_regression(tmp_path):
  lines = ["text,label", "a,1.5", "b,-2", "c,-1e6"]
  task, splits = _read_tables(tmp_path, lines, task="regression")
  assert (task.labels, task.metrics) == ((), ("pearson", "spearman"))
  assert [e.label for e in splits["train"].examples] == [1.5, -2.0, -1e6]


def test_a_test_file_has_labels_or_not(tmp_path):
  train = ["text,label", "a,x", "b,y"]
  labelled = _read_tables(tmp_path, train, test=train)[1]["test"]
  assert labelled.labelled and labelled.examples[1].label == 1
  unlabelled = _read_tables(tmp_path, train, test=["text", "c"])[1]["test"]
  assert not unlabelled.labelled
  assert unlabelled.examples == [sentence_sources.Example(("c",), 0, 0)]


@pytest.mark.parametrize(
  ("rows", "options", "message"),
  [
    (["a,x"], {}, "two or more, .* Received: 'x' in"),
    (["a,x"], {"labels": "x,x"}, "each named once.*'x, x'$"),
    (["a,x"], {"labels": "y,z"}, "one of 'y, z'. .*'x' in .*train.csv, line 2"),
    (["a,x", "b,y"], {"validation": ["text,label", "a,z"]}, "'z' in .*valid"),
    (["a,x"], {"label_column": "kind"}, "the columns text, kind, each once. R"),
    (["a,x", "b, "], {}, "a label must be one line .* ' ' in .*csv, line 3"),
    (["a,", "b,x"], {}, "a label must be one .*: '' in .*train.csv, line 2"),
    (['a,"x\ny"'], {}, r"a label must be one .*: 'x\\ny' in .*csv, line 3"),
    (["a,x"], {"labels": "x,,y"}, "a label must be one line .*'' in --labels"),
    (["a,x", "b,x "], {}, "each named once. Received: 'x, x ' in"),
    (["a,1", "b,1.0"], {}, "each named once. Received: '1, 1.0' in"),
    (["a,1_0"], {"task": "regression"}, "finite numbers in .*'1_0' in"),
    (["a,1e39"], {"task": "regression"}, r", 3.4e\+38\]. Received: '1e39'"),
  ],
)
def test_bad_tables(tmp_path, rows, options, message):
  lines = ["text,label", *rows]
  found = testing.refused(_read_tables, tmp_path, lines, **options)
  assert re.search(message, found)
