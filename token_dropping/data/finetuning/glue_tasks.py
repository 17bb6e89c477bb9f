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
_SENTENCE, _PAIR = ("sentence",), ("sentence1", "sentence2")
_PREMISE = ("premise", "hypothesis")
_ACCURACY, _AND_F1 = ("accuracy",), ("accuracy", "f1")
_MATTHEWS = ("matthews_corrcoef",)


@dataclasses.dataclass(frozen=True)
class SentenceTask:
  """What a task about sentences or pairs is and how its files are written.

  Attributes:
    texts: columns of the text or the pair of texts.
    labels: names, in the order of their ids; none for regression.
    values: what stands for each label in files and submissions, if not its
      name.
    label_range: least and greatest value of a regression, if there are.
    files: GLUE's file, by split. Splits are named as in TensorFlow Datasets.
    submissions: file of GLUE's submission, by test split.
    tfds_texts: features of the texts in TensorFlow Datasets, if others.
    header: columns of training and validation files that have no header.
    test_id: column of the test file with the number of the example.
    skip_short_rows: whether broken rows of training and validation files are
      left out, as TensorFlow Datasets leaves them out.
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


def _glue(folder, texts, metrics, labels=(), values=(), **others):
  """Returns a task of GLUE; most have one test set to submit."""
  given = {"folder": folder, "labels": labels, "values": values or labels}
  given["submissions"] = {"test": f"{folder}.tsv"}
  return SentenceTask(texts, metrics, **(given | others))


TASKS = {
  "cola": _glue(
    "CoLA",
    _SENTENCE,
    _MATTHEWS,
    ("unacceptable", "acceptable"),
    _NUMBERS,
    header=("source", "label", "original_label", "sentence"),
  ),
  "sst2": _glue(
    "SST-2", _SENTENCE, _ACCURACY, ("negative", "positive"), _NUMBERS
  ),
  "mrpc": _glue(
    "MRPC",
    ("#1 String", "#2 String"),
    _AND_F1,
    ("not_equivalent", "equivalent"),
    _NUMBERS,
    label="Quality",
    tfds_texts=_PAIR,
  ),
  "stsb": _glue(
    "STS-B",
    _PAIR,
    ("pearson", "spearman"),
    label="score",
    label_range=(0.0, 5.0),
  ),
  "qqp": _glue(
    "QQP",
    ("question1", "question2"),
    _AND_F1,
    ("not_duplicate", "duplicate"),
    _NUMBERS,
    label="is_duplicate",
    test_id="id",
    skip_short_rows=True,
  ),
  "mnli": _glue(
    "MNLI",
    _PAIR,
    _ACCURACY,
    _THREE_WAY,
    label="gold_label",
    files={
      "train": "train.tsv",
      "validation_matched": "dev_matched.tsv",
      "validation_mismatched": "dev_mismatched.tsv",
      "test_matched": "test_matched.tsv",
      "test_mismatched": "test_mismatched.tsv",
    },
    submissions={
      "test_matched": "MNLI-m.tsv",
      "test_mismatched": "MNLI-mm.tsv",
    },
    tfds_texts=_PREMISE,
  ),
  "qnli": _glue("QNLI", ("question", "sentence"), _ACCURACY, _ENTAILMENT),
  "rte": _glue("RTE", _PAIR, _ACCURACY, _ENTAILMENT),
  "wnli": _glue("WNLI", _PAIR, _ACCURACY, _ENTAILMENT[::-1], _NUMBERS),
  # The diagnostic set, to be answered by a model of MNLI.
  "ax": _glue(
    "diagnostic",
    _PAIR,
    _MATTHEWS,
    _THREE_WAY,
    files={"test": "diagnostic.tsv"},
    submissions={"test": "AX.tsv"},
    tfds_texts=_PREMISE,
  ),
}


def is_test(split: str) -> bool:
  """Says whether a split is one whose labels GLUE keeps to itself."""
  return split.startswith("test")
