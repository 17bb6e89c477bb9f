# SPDX-License-Identifier: Apache-2.0
"""What a tokenizer does to letters, in a file for `BertTokenizerFast`, too."""

import dataclasses

from token_dropping.common import errors
from token_dropping.common import files

FILE = "tokenizer_config.json"


@dataclasses.dataclass(frozen=True)
class TokenizerConfig:
  """How text is normalized; unset, `strip_accents` is as `do_lower_case`.

  >>> TokenizerConfig(do_lower_case=False).strips_accents
  False
  """

  do_lower_case: bool = True
  strip_accents: bool | None = None

  def __post_init__(self):
    _check(self.do_lower_case, "do_lower_case", "true or false", bool)
    rule = "true, false or null"
    _check(self.strip_accents, "strip_accents", rule, bool | None)

  @property
  def strips_accents(self) -> bool:
    is_set = self.strip_accents is not None
    return self.strip_accents if is_set else self.do_lower_case

  @classmethod
  def from_dict(cls, values: dict, source: str) -> "TokenizerConfig":
    """Takes the two values, or defaults, from what was read from `source`."""
    _check(values, source, "a JSON object", dict)
    names = [field.name for field in dataclasses.fields(cls)]
    return cls(**{name: values[name] for name in names if name in values})

  @classmethod
  def from_folder(cls, folder: str) -> "TokenizerConfig":
    """Reads `tokenizer_config.json`; Hugging Face's other keys mean nothing."""
    path = files.join(folder, FILE)
    values = files.read_json(path, f"{FILE} must be a readable file")
    return cls.from_dict(values, path)

  def write(self, folder: str) -> None:
    """Writes `tokenizer_config.json` to a folder that exists."""
    values = {**dataclasses.asdict(self), "tokenizer_class": "BertTokenizer"}
    files.write_json(files.join(folder, FILE), values)


def _check(value, name: str, rule: str, kind) -> None:
  received = errors.shorten(value)
  errors.require(isinstance(value, kind), f"{name} must be {rule}", received)
