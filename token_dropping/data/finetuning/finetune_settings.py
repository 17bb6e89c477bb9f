# SPDX-License-Identifier: Apache-2.0
"""The settings of `finetune`: each default, rule and help text, once."""

import dataclasses

from token_dropping.common import errors
from token_dropping.common import plain_text
from token_dropping.data import settings_flags
from token_dropping.data.finetuning import glue_tasks

SQUAD = {"squad_v1.1": "squad/v1.1", "squad_v2.0": "squad/v2.0"}
CLASSIFICATION, REGRESSION = "classification", "regression"
TASKS = (*glue_tasks.TASKS, *SQUAD, CLASSIFICATION, REGRESSION)
TFDS_NAMES = {
  **{f"glue/{name}": name for name in glue_tasks.TASKS},
  **{tfds_name: name for name, tfds_name in SQUAD.items()},
}
CHOICES = {"task": TASKS}
FILES = ("train_file", "validation_file", "test_file")
_LEAST = {"seq_length": 8, "doc_stride": 1, "query_length": 1, "seed": 0}
# Numbers have 31 bits, but for these; longer records fit into no memory.
_BITS = {"seed": 63, "seq_length": 24}
_COLUMNS = ("text_column", "second_text_column", "label_column", "labels")
_NEEDED_FOR_TABLES = (*FILES[:2], "text_column", "label_column")


_setting = settings_flags.setting


@dataclasses.dataclass(frozen=True)
class FinetuneSettings(settings_flags.Checked):
  """What to prepare; each field is a flag of the same name."""

  task: str | None = _setting(
    None,
    "A task of GLUE, squad_v1.1, squad_v2.0, or classification or regression "
    "for a data set of your own. With --tfds_name it may be left out.",
  )
  tfds_name: str = _setting(
    "", "Read this from TensorFlow Datasets: glue/cola, ..., squad/v2.0."
  )
  input_dir: str = _setting("", "Folder with the TSV files of a task of GLUE.")
  train_file: str = _setting(
    "", "SQuAD's JSON, or a table (.csv, .tsv, .jsonl) to train on."
  )
  validation_file: str = _setting("", "Likewise, to evaluate on.")
  test_file: str = _setting(
    "", "A table to predict; its label column may be missing."
  )
  text_column: str = _setting("text", "Column of a table with the text.")
  second_text_column: str = _setting(
    "", "Column with the second text, if examples are pairs."
  )
  label_column: str = _setting("label", "Column of a table with the label.")
  labels: str = _setting(
    "",
    "Comma-separated labels in the order of their ids; none: those of "
    "--train_file, sorted.",
  )
  output_dir: str = _setting("", "Folder for the data. Required.")
  pretrained: str = _setting(
    "",
    "Folder of the pretraining run: its vocab.txt and tokenizer_config.json "
    "are used.",
  )
  vocab_file: str = _setting("", "A vocab.txt, instead of --pretrained.")
  do_lower_case: bool | None = _setting(
    None, "With --vocab_file: fold case. Default true."
  )
  strip_accents: bool | None = _setting(
    None, "With --vocab_file: strip accents. Default: as --do_lower_case."
  )
  seq_length: int | None = _setting(
    None, "Tokens of a sequence. Default 128, for SQuAD 384."
  )
  doc_stride: int = _setting(
    128, "SQuAD: tokens between the starts of two windows of a long context."
  )
  query_length: int = _setting(
    64, "SQuAD: tokens of a question; what is longer is cut."
  )
  seed: int = _setting(12345, "Seed of the order of the training records.")

  def __post_init__(self):
    for name in _COLUMNS:
      value = plain_text.replace_surrogates(getattr(self, name))
      object.__setattr__(self, name, value)
    self._resolve_task()
    self._check("output_dir", self.output_dir, "not be empty")
    self._check_source()
    self._check_tokenizer()
    if self.seq_length is None:
      object.__setattr__(self, "seq_length", 384 if self.is_squad else 128)
    self._check_numbers(_LEAST, _BITS)
    # Beside the question there are [CLS], [SEP] and [SEP].
    room = self.seq_length - self.query_length - 3
    self._check(
      "doc_stride",
      self.doc_stride <= room or not self.is_squad,
      "be at most seq_length - query_length - 3, else windows leave out text "
      f"({room})",
    )

  @property
  def is_squad(self) -> bool:
    return self.task in SQUAD

  @property
  def is_glue(self) -> bool:
    return self.task in glue_tasks.TASKS

  def _resolve_task(self) -> None:
    if self.tfds_name:
      rule = f"be one of {', '.join(TFDS_NAMES)}"
      self._check("tfds_name", self.tfds_name in TFDS_NAMES, rule)
      named = TFDS_NAMES[self.tfds_name]
      rule = f"be {named} with tfds_name {self.tfds_name}"
      self._check("task", self.task in (None, named), rule)
      object.__setattr__(self, "task", named)
    self._check("task", self.task in TASKS, f"be one of {', '.join(TASKS)}")

  def _check_source(self) -> None:
    """Checks that one source is given, and only flags that it reads."""
    must = f"{self.task} must be read"
    if self.is_glue:
      self._require_one_of(must, "tfds_name", "input_dir")
      self._require_unset(*FILES, *_COLUMNS)
    elif self.is_squad:
      self._require_one_of(must, "tfds_name", "train_file")
      self._require_unset("input_dir", "test_file", *_COLUMNS)
      self._check(
        "validation_file",
        bool(self.train_file) == bool(self.validation_file),
        f"be given {'' if self.train_file else 'only '}with train_file",
      )
    else:
      self._require_unset("input_dir")
      for name in _NEEDED_FOR_TABLES:
        self._check(name, getattr(self, name), "not be empty")
      columns = [self.text_column, self.second_text_column, self.label_column]
      once = columns.count(self.label_column) == 1
      self._check("label_column", once, "be no column of text")
      same = self.text_column == self.second_text_column
      self._check("second_text_column", not same, "not be text_column")
    if self.task == REGRESSION:
      self._require_unset("labels")

  def _check_tokenizer(self) -> None:
    self._require_one_of("the tokenizer must come", "pretrained", "vocab_file")
    for name in ("do_lower_case", "strip_accents"):
      unset = getattr(self, name) is None or not self.pretrained
      rule = "not be set with pretrained, whose tokenizer_config.json says it"
      self._check(name, unset, rule)

  def _require_one_of(self, what: str, first: str, second: str) -> None:
    given = [name for name in (first, second) if getattr(self, name)]
    errors.require(
      len(given) == 1,
      f"{what} from exactly one of {first} and {second}",
      " and ".join(given) or "neither",
    )

  def _require_unset(self, *names: str) -> None:
    for name in names:
      default = self.__dataclass_fields__[name].default
      same = getattr(self, name) == default
      self._check(name, same, f"not be set for {self.task}")
