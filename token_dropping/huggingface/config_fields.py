# SPDX-License-Identifier: Apache-2.0
"""The fields of a `config.json`, one by one; a wrong one is a `UserError`."""

import sys
from collections.abc import Iterable, Mapping
from typing import Any

from token_dropping.common import errors
from token_dropping.models import activations

# Model Garden's `gelu` is the tanh form, which `transformers` calls `gelu_new`.
TO_ACTIVATION = {
  "gelu": "gelu_new",
  activations.EXACT_GELU: "gelu",
  "relu": "relu",
  "swish": "silu",
}
_FROM_ACTIVATION = {there: here for here, there in TO_ACTIVATION.items()} | {
  "gelu_pytorch_tanh": "gelu",
  "swish": "swish",
}
# Any value of these makes another network than ours.
_UNSET = (
  "quantization_config",
  "pruned_heads",
  "is_encoder_decoder",
  "auto_map",
)


class Fields:
  """Reads the content of a file, `source`."""

  def __init__(self, content: Mapping, source: str):
    self.content = content
    self._source = source

  def require(self, condition: bool, name: str, rule: str, value: Any) -> None:
    rule = f"{name} in {self._source} must be {rule}"
    errors.require(condition, rule, errors.shorten(value))

  def check_fixed(self, fixed: Mapping, unset: Iterable[str] = ()) -> None:
    """Refuses another value than the fixed ones, and any of unset fields."""
    for name, wanted in fixed.items():
      value = self.content.get(name, wanted)
      is_fixed = type(value) is type(wanted) and value == wanted
      self.require(is_fixed, name, f"{wanted}", value)
    for name in (*_UNSET, *unset):
      if name in fixed:
        continue
      value = self.content.get(name)
      self.require(not value, name, "unset", value)

  def check_same(self, name: str, of: str) -> None:
    """Refuses another value than that of a field which says it for both."""
    wanted = self.content.get(of)
    value = self.content.get(name, wanted)
    self.require(value == wanted, name, f"that of {of}, {wanted}", value)

  def activation(self, name: str) -> str:
    """Returns what is called so in our configs."""
    names = [*_FROM_ACTIVATION]  # a list, since the value may have no hash
    value = self.content.get(name)
    self.require(value in names, name, f"one of {', '.join(names)}", value)
    return _FROM_ACTIVATION[value]

  def size(self, name: str, default: int | None = None) -> int:
    value = self.content.get(name, default)
    is_size = type(value) is int and value >= 1
    self.require(is_size, name, "a whole number, at least 1", value)
    return value

  def positive(self, name: str, value: Any) -> float:
    """Returns what a field, or a part of it, says."""
    is_number = type(value) in (int, float)
    is_positive = is_number and 0 < value <= sys.float_info.max
    self.require(is_positive, name, "greater than 0", value)
    return float(value)

  def fractions(self, names: Mapping[str, str]) -> dict[str, float]:
    """Returns those that are there, by our names."""
    found = {}
    for here, there in names.items():
      if there in self.content:
        value = self.content[there]
        is_fraction = type(value) in (int, float) and 0 <= value < 1
        self.require(is_fraction, there, "in [0, 1)", value)
        found[here] = float(value)
    return found


def label_fields(labels: list[str]) -> dict:
  """Returns what `config.json` says of classes; one is a regression."""
  one = len(labels) == 1
  return {
    "problem_type": "regression" if one else "single_label_classification",
    "id2label": {str(index): name for index, name in enumerate(labels)},
    "label2id": {name: index for index, name in enumerate(labels)},
  }
