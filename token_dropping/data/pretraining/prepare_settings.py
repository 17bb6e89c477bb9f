# SPDX-License-Identifier: Apache-2.0
"""The settings of `prepare`: each default, rule and help text, once."""

import dataclasses

from token_dropping.data import settings_flags
from token_dropping.data.pretraining import dataset_folder
from token_dropping.data.text import tokenizer_config

EMBEDDED = "gensim:enwiki"  # the dump in gensim's package
PACKINGS = ("full", "documents", "best-fit", "pairs")
MASKINGS = ("static", "dynamic")
MASKED_LM, CAUSAL_LM = OBJECTIVES = dataset_folder.OBJECTIVES
CHOICES = {"objective": OBJECTIVES, "packing": PACKINGS, "masking": MASKINGS}
# What means nothing to causal_lm.
_OF_MASKED_LM = (
  *("do_lower_case", "strip_accents", "masking", "masking_rate"),
  *("max_predictions_per_seq", "duplicates"),
)
_LEAST = {"max_predictions_per_seq": 1, "vocab_size": 100, "duplicates": 1}
_LEAST_OF_ALL = {"seq_length": 8, "piece_bytes": 1000, "seed": 0}
_LEAST_BYTES = 256 + 2  # tokens of causal_lm: the bytes, padding, end of text
# Numbers have 31 bits, but for these; longer records fit into no memory.
_BITS = {"piece_bytes": 63, "seed": 63, "seq_length": 24}


_setting = settings_flags.setting


@dataclasses.dataclass(frozen=True)
class DatasetSettings(settings_flags.Checked):
  """What a dataset of any kind is made of and how; see `PrepareSettings`."""

  output_dir: str = _setting("", "Folder for the dataset. Required.")
  seq_length: int = _setting(512, "Tokens of a sequence.")
  validation_share: float = _setting(
    0.05, "Share of the documents that validate."
  )
  piece_bytes: int = _setting(
    10 << 20, "Text of a shard; the memory of a worker grows with it."
  )
  seed: int = _setting(12345, "Seed of all that is random.")

  def __post_init__(self):
    self._check("output_dir", bool(self.output_dir), "not be empty")
    self._check_numbers(_LEAST_OF_ALL, _BITS)
    within = 0 < self.validation_share < 1
    self._check("validation_share", within, "be in (0, 1)")


@dataclasses.dataclass(frozen=True)
class PrepareSettings(DatasetSettings):
  """What to make; each field is a flag of the same name."""

  input: str = _setting(
    EMBEDDED,
    "Comma-separated paths or globs, local or gs:// or s3://: text (a sentence "
    "a line, a blank line between documents), JSON lines (.jsonl), Wikipedia "
    "dumps (.xml), each plain or .gz, .bz2 or .zst; gensim:enwiki is the small "
    "dump in gensim's test data.",
  )
  tfds_name: str = _setting(
    "",
    "name[/config][:split] of a TensorFlow Datasets set to read instead of "
    "--input.",
  )
  text_field: str = _setting(
    "text", "Where the text is in JSON lines and TensorFlow Datasets."
  )
  objective: str = _setting(
    MASKED_LM,
    "masked_lm: to predict masked tokens; causal_lm: to predict each next one, "
    "of text encoded by bytes, with an end of text behind each document.",
  )
  document_per_file: bool = _setting(
    False, "A text file is one document; blank lines mean nothing."
  )
  document_per_line: bool = _setting(
    False, "A line of a text file is one document."
  )
  deduplicate: bool = _setting(
    False, "Leave out documents that are exact copies of an earlier one."
  )
  vocab_file: str = _setting(
    "",
    "A vocab.txt (causal_lm: a tokenizer.model) to use as it is; none: learn "
    "one from the training text.",
  )
  vocab_size: int = _setting(30522, "Tokens of a vocabulary to learn.")
  do_lower_case: bool = _setting(True, "Fold case.")
  strip_accents: bool | None = _setting(
    None, "Take accents off letters; unset: as do_lower_case."
  )
  packing: str = _setting(
    "full",
    "full: [CLS] text [SEP] without padding, across documents; documents: one "
    "document a sequence; best-fit: several whole documents a sequence; pairs: "
    "BERT's sentence pairs with next-sentence labels.",
  )
  masking: str = _setting(
    "static",
    "static: masks are in the records; dynamic: the input pipeline draws them.",
  )
  masking_rate: float = _setting(0.15, "Share of the tokens to predict.")
  max_predictions_per_seq: int = _setting(76, "Most predictions a sequence.")
  duplicates: int = _setting(
    1, "Copies of each training sequence, masked differently."
  )

  def __post_init__(self):
    super().__post_init__()
    for name in ("input", "text_field"):
      self._check(name, bool(getattr(self, name)), "not be empty")
    for name, values in CHOICES.items():
      rule = f"be one of {', '.join(values)}"
      self._check(name, getattr(self, name) in values, rule)
    both = self.document_per_line and self.document_per_file
    rule = "not be set together with document_per_file"
    self._check("document_per_line", not both, rule)
    self._check_numbers(_LEAST, {})
    self._check("masking_rate", 0 < self.masking_rate < 1, "be in (0, 1)")
    if self.is_causal:
      self._check_causal()
      return
    fits = self.max_predictions_per_seq <= self.seq_length
    rule = f"be at most seq_length ({self.seq_length})"
    self._check("max_predictions_per_seq", fits, rule)
    once = self.duplicates == 1 or self.masking == "static"
    rule = "be 1 with dynamic masking, which masks every pass anew"
    self._check("duplicates", once, rule)

  def _check_causal(self) -> None:
    for field in dataclasses.fields(self):
      if field.name in _OF_MASKED_LM:
        unset = getattr(self, field.name) == field.default
        self._check(field.name, unset, f"be unset with objective {CAUSAL_LM}")
    rule = f"be full with objective {CAUSAL_LM}"
    self._check("packing", self.packing == "full", rule)
    rule = f"be at least {_LEAST_BYTES} with objective {CAUSAL_LM}"
    self._check("vocab_size", self.vocab_size >= _LEAST_BYTES, rule)

  @property
  def is_causal(self) -> bool:
    return self.objective == CAUSAL_LM

  def recorded(self) -> dict:
    """Returns what decides about the dataset's content, ready for JSON.

    That of masked_lm is what it was before there was another objective.
    """
    unused = {
      "output_dir",
      *(_OF_MASKED_LM if self.is_causal else ["objective"]),
    }
    fields = dataclasses.asdict(self)
    return {name: fields[name] for name in fields if name not in unused}

  @property
  def tokenizer_config(self) -> tokenizer_config.TokenizerConfig:
    return tokenizer_config.TokenizerConfig(
      self.do_lower_case, self.strip_accents
    )
