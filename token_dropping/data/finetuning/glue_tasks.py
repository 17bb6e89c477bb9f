# SPDX-License-Identifier: Apache-2.0
"""The tasks of GLUE (Wang et al., 2019, arXiv 1804.07461), one table.

Labels have the order of TensorFlow Datasets, so that both sources give the same
ids; `values` are what GLUE's files and its submissions hold instead.
"""

import dataclasses
from collections.abc import Mapping

_HALVES = {"train": "train.tsv", "validation": "dev.tsv", "test": "test.tsv"}
_ENTAILMENT = ("entailment", "not_entailment")
_THREE_WAY = ("entailment", "neutral", "contradiction")
_NUMBERS = ("0", "1")
_PAIR = ("sentence1", "sentence2")


@dataclasses.dataclass(frozen=True)
class SentenceTask:
  """What a task about sentences or pairs is and how its files are written.

  Attributes:
    texts: columns of the text or the pair of texts.
    metrics: the scores to report.
    label: column of the label.
    labels: names, in the order of their ids; none for regression.
    values: what stands for each label in files and submissions, if not its
      name.
    label_range: least and greatest value of a regression, if there are.
    folder: the name of GLUE's folder.
    files: GLUE's file, by split. Splits are named as in TensorFlow Datasets.
    submissions: file of GLUE's submission, by test split.
    tfds_texts: features of the texts in TensorFlow Datasets, if others.
    header: columns of training and validation files that have no header.
    test_id: column of the test file with the number of the example.
    skip_short_rows: whether broken rows of training and validation files are
      known and to be left out, as TensorFlow Datasets leaves them out.
  """

  texts: tuple[str, ...]
  metrics: tuple[str, ...]
  label: str = "label"
  labels: tuple[str, ...] = ()
  values: tuple[str, ...] = ()
  label_range: tuple[float, float] | None = None
  folder: str = ""
  files: Mapping[str, str] = dataclasses.field(default_factory=lambda: _HALVES)
  submissions: Mapping[str, str] = dataclasses.field(default_factory=dict)
  tfds_texts: tuple[str, ...] = ()
  header: tuple[str, ...] = ()
  test_id: str = "index"
  skip_short_rows: bool = False


TASKS = {
  "cola": SentenceTask(
    folder="CoLA",
    texts=("sentence",),
    metrics=("matthews_corrcoef",),
    submissions={"test": "CoLA.tsv"},
    labels=("unacceptable", "acceptable"),
    values=_NUMBERS,
    header=("source", "label", "original_label", "sentence"),
  ),
  "sst2": SentenceTask(
    folder="SST-2",
    texts=("sentence",),
    metrics=("accuracy",),
    submissions={"test": "SST-2.tsv"},
    labels=("negative", "positive"),
    values=_NUMBERS,
  ),
  "mrpc": SentenceTask(
    folder="MRPC",
    texts=("#1 String", "#2 String"),
    tfds_texts=_PAIR,
    metrics=("accuracy", "f1"),
    submissions={"test": "MRPC.tsv"},
    label="Quality",
    labels=("not_equivalent", "equivalent"),
    values=_NUMBERS,
  ),
  "stsb": SentenceTask(
    folder="STS-B",
    texts=_PAIR,
    metrics=("pearson", "spearman"),
    submissions={"test": "STS-B.tsv"},
    label="score",
    label_range=(0.0, 5.0),
  ),
  "qqp": SentenceTask(
    folder="QQP",
    texts=("question1", "question2"),
    metrics=("accuracy", "f1"),
    submissions={"test": "QQP.tsv"},
    label="is_duplicate",
    labels=("not_duplicate", "duplicate"),
    values=_NUMBERS,
    test_id="id",
    skip_short_rows=True,
  ),
  "mnli": SentenceTask(
    folder="MNLI",
    texts=_PAIR,
    tfds_texts=("premise", "hypothesis"),
    metrics=("accuracy",),
    submissions={
      "test_matched": "MNLI-m.tsv",
      "test_mismatched": "MNLI-mm.tsv",
    },
    label="gold_label",
    labels=_THREE_WAY,
    values=_THREE_WAY,
    files={
      "train": "train.tsv",
      "validation_matched": "dev_matched.tsv",
      "validation_mismatched": "dev_mismatched.tsv",
      "test_matched": "test_matched.tsv",
      "test_mismatched": "test_mismatched.tsv",
    },
  ),
  "qnli": SentenceTask(
    folder="QNLI",
    texts=("question", "sentence"),
    metrics=("accuracy",),
    submissions={"test": "QNLI.tsv"},
    labels=_ENTAILMENT,
    values=_ENTAILMENT,
  ),
  "rte": SentenceTask(
    folder="RTE",
    texts=_PAIR,
    metrics=("accuracy",),
    submissions={"test": "RTE.tsv"},
    labels=_ENTAILMENT,
    values=_ENTAILMENT,
  ),
  "wnli": SentenceTask(
    folder="WNLI",
    texts=_PAIR,
    metrics=("accuracy",),
    submissions={"test": "WNLI.tsv"},
    labels=("not_entailment", "entailment"),
    values=_NUMBERS,
  ),
  # The diagnostic set, to be answered by a model of MNLI.
  "ax": SentenceTask(
    folder="diagnostic",
    texts=_PAIR,
    tfds_texts=("premise", "hypothesis"),
    metrics=("matthews_corrcoef",),
    submissions={"test": "AX.tsv"},
    labels=_THREE_WAY,
    values=_THREE_WAY,
    files={"test": "diagnostic.tsv"},
  ),
}


def is_test(split: str) -> bool:
  """Says whether a split is one whose labels GLUE keeps to itself."""
  return split.startswith("test")
