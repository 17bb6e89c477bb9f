# SPDX-License-Identifier: Apache-2.0
"""What a tokenizer does to letters, as a file beside its vocabulary.

File and names are Hugging Face's, whose `BertTokenizerFast.from_pretrained`
reads a folder with `vocab.txt` and this file.
"""

import dataclasses

from token_dropping.common import errors
from token_dropping.common import files

FILE = "tokenizer_config.json"


@dataclasses.dataclass(frozen=True)
class TokenizerConfig:
  """How text is normalized before it is cut into pieces.

  `strip_accents` may be None, for the same as `do_lower_case`. A value of
  another type is a `UserError`.

  >>> TokenizerConfig(do_lower_case=False).strips_accents
  False
  """

  do_lower_case: bool = True
  strip_accents: bool | None = None

  def __post_init__(self):
    _check(self.do_lower_case, "do_lower_case", "true or false", (bool,))
    _check(
      self.strip_accents,
      "strip_accents",
      "true, false or null",
      (bool, type(None)),
    )

  @property
  def strips_accents(self) -> bool:
    """Whether accents are taken off letters."""
    if self.strip_accents is None:
      return self.do_lower_case
    return self.strip_accents

  @classmethod
  def from_dict(cls, values: dict, source: str) -> "TokenizerConfig":
    """Takes its two values out of a dictionary that `source` names in errors.

    Others than the two mean nothing; missing ones have defaults.
    """
    _check(values, source, "a JSON object", (dict,))
    names = [field.name for field in dataclasses.fields(cls)]
    return cls(**{name: values[name] for name in names if name in values})

  @classmethod
  def from_folder(cls, folder: str) -> "TokenizerConfig":
    """Reads `tokenizer_config.json`; other keys of Hugging Face mean nothing.

    Raises:
      UserError: no such file, not a JSON object, or a value of another type.
    """
    path = files.join(folder, FILE)
    values = files.read_json(path, f"{FILE} must be a readable file")
    return cls.from_dict(values, path)

  def write(self, folder: str) -> None:
    """Writes `tokenizer_config.json` to a folder that exists."""
    values = {**dataclasses.asdict(self), "tokenizer_class": "BertTokenizer"}
    files.write_json(files.join(folder, FILE), values)


def _check(value, name: str, rule: str, types: tuple[type, ...]) -> None:
  errors.require(
    isinstance(value, types), f"{name} must be {rule}", errors.shorten(value)
  )
