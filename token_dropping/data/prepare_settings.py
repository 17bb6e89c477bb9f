# SPDX-License-Identifier: Apache-2.0
"""The settings of `prepare`: each default, rule and help text, once."""

import dataclasses

from token_dropping import errors
from token_dropping.data import wikipedia

PACKINGS = ("full", "pairs")


def _setting(default, text: str):
  return dataclasses.field(default=default, metadata={"help": text})


@dataclasses.dataclass(frozen=True)
class PrepareSettings:
  """What to make; each field is a flag of the same name.

  Raises:
    UserError: a value breaks its rule.
  """

  input: str = _setting(
    wikipedia.EMBEDDED,
    "Comma-separated paths or globs of UTF-8 text (a sentence a line, a blank "
    "line between documents) or Wikipedia dumps (.xml.bz2); gensim:enwiki is "
    "the small dump in gensim's test data.",
  )
  output_dir: str = _setting("", "Folder for the dataset. Required.")
  document_per_file: bool = _setting(
    False, "A text file is one document; blank lines mean nothing."
  )
  vocab_file: str = _setting(
    "", "A vocab.txt to use as it is; none: learn one from the training text."
  )
  vocab_size: int = _setting(30522, "Tokens of a vocabulary to learn.")
  do_lower_case: bool = _setting(True, "Fold case and strip accents.")
  packing: str = _setting(
    "full",
    "full: [CLS] text [SEP] without padding, across documents; pairs: BERT's "
    "sentence pairs with next-sentence labels.",
  )
  seq_length: int = _setting(512, "Tokens of a sequence.")
  masking_rate: float = _setting(0.15, "Share of the tokens to predict.")
  max_predictions_per_seq: int = _setting(76, "Most predictions a sequence.")
  duplicates: int = _setting(
    1, "Copies of each training sequence, masked differently."
  )
  validation_share: float = _setting(
    0.05, "Share of the documents that validate."
  )
  num_shards: int = _setting(4, "Most training files.")
  seed: int = _setting(12345, "Seed of split, packing, shuffling and masks.")

  def __post_init__(self):
    self._check(bool(self.input), "input", "not be empty")
    self._check(bool(self.output_dir), "output_dir", "not be empty")
    self._check(
      self.packing in PACKINGS, "packing", f"be one of {', '.join(PACKINGS)}"
    )
    self._check_at_least("seq_length", 8)
    self._check_at_least("max_predictions_per_seq", 1)
    self._check(
      self.max_predictions_per_seq <= self.seq_length,
      "max_predictions_per_seq",
      f"be at most seq_length ({self.seq_length})",
    )
    self._check_share("masking_rate")
    self._check_share("validation_share")
    self._check_at_least("vocab_size", 100)
    self._check_at_least("duplicates", 1)
    self._check_at_least("num_shards", 1)
    self._check_at_least("seed", 0)

  def _check(self, condition: bool, name: str, rule: str) -> None:
    if not condition:
      value = getattr(self, name)
      raise errors.UserError(f"{name} must {rule}. Received: {value!r}")

  def _check_at_least(self, name: str, least: int) -> None:
    self._check(getattr(self, name) >= least, name, f"be at least {least}")

  def _check_share(self, name: str) -> None:
    self._check(0 < getattr(self, name) < 1, name, "be in (0, 1)")
