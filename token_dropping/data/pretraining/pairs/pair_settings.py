# SPDX-License-Identifier: Apache-2.0
"""The settings of `prepare_pairs`: each default, rule and help text, once."""

import dataclasses
import re

from token_dropping.common import errors
from token_dropping.data import settings_flags
from token_dropping.data.pretraining import prepare_settings

_LANGUAGE = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]+)*")
_LEAST = {
  **{"target_length": 8, "vocab_size": 32, "document_pairs": 1},
  **{"source_column": 1, "target_column": 1},
}
_NOT_RECORDED = ("output_dir", "input", "source_input", "target_input")


_setting = settings_flags.setting


@dataclasses.dataclass(frozen=True)
class PairSettings(prepare_settings.DatasetSettings):
  """What to make; each field is a flag of the same name."""

  input: str = _setting(
    "",
    "Comma-separated paths or globs of files with both languages: .tsv, .jsonl "
    "and .tmx, each plain or .gz, .bz2 or .zst, and .po and .mo.",
  )
  source_input: str = _setting(
    "",
    "Instead: text files of the source language, a sentence a line, plain or "
    "compressed, comma-separated paths or globs.",
  )
  target_input: str = _setting(
    "", "The same lines in the target language, as many files."
  )
  tfds_name: str = _setting(
    "",
    "Instead: name/config[:split] of a translation set of TensorFlow Datasets, "
    "such as wmt14_translate/de-en:train.",
  )
  source_language: str = _setting("", "Such as en. Required.")
  target_language: str = _setting("", "Such as de. Required.")
  source_column: int = _setting(1, "Where the source is in a .tsv, from 1 on.")
  target_column: int = _setting(2, "Where its translation is.")
  message_language: str = _setting(
    "en", "Language of the messages that .po and .mo files translate."
  )
  document_pairs: int = _setting(
    100, "A document ends where the input says so, and after so many pairs."
  )
  max_length_ratio: float = _setting(
    3.0,
    "Leave out pairs of which one side has more than so many times the pieces "
    "of the other, each with its end of sentence.",
  )
  vocab_file: str = _setting(
    "",
    "A SentencePiece model to use as it is, padding 0, end of sentence 1, "
    "unknown 2 and no beginning; none: learn one from the training text.",
  )
  vocab_size: int = _setting(64000, "Pieces of a vocabulary to learn.")
  seq_length: int = _setting(
    256,
    "Positions of the sources in a sequence; longer sentences are left out.",
  )
  target_length: int = _setting(256, "Positions of the translations, likewise.")

  def __post_init__(self):
    super().__post_init__()
    for name in ("source_language", "target_language", "message_language"):
      fits = _LANGUAGE.fullmatch(getattr(self, name)) is not None
      self._check(name, fits, "be a code such as en, de or pt-BR")
    rule = f"be another than the source language, {self.source_language}"
    differs = self.target_language != self.source_language
    self._check("target_language", differs, rule)
    self._check_inputs()
    self._check_numbers(_LEAST, {"target_length": 24})
    fits = 1 <= self.max_length_ratio < float("inf")
    self._check("max_length_ratio", fits, "be at least 1 and finite")

  @property
  def languages(self) -> tuple[str, str]:
    return self.source_language, self.target_language

  def recorded(self) -> dict:
    """Returns what decides about the dataset's content, ready for JSON."""
    fields = dataclasses.asdict(self)
    return {n: value for n, value in fields.items() if n not in _NOT_RECORDED}

  def _check_inputs(self) -> None:
    both = self.source_input and self.target_input
    given = [
      *(name for name in ("input", "tfds_name") if getattr(self, name)),
      *["source_input and target_input"] * bool(both),
    ]
    one = len(given) == 1 and bool(both) == bool(
      self.source_input or self.target_input
    )
    errors.require(
      one,
      "one of input, tfds_name, or source_input and target_input together must "
      "be set",
      ", ".join(given) or "none",
    )
