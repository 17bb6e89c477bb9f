# SPDX-License-Identifier: Apache-2.0
"""Examples of classification and regression, wherever they come from."""

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence

from token_dropping.common import errors
from token_dropping.data.finetuning import text_tables


@dataclasses.dataclass(frozen=True, slots=True)
class Example:
  """A text or a pair of texts.

  Attributes:
    texts: one or two str.
    label: int, id of the label, or float; 0 where there is none.
    id: int, number of the example in its file, or as the file says.
  """

  texts: tuple[str, ...]
  label: int | float
  id: int


@dataclasses.dataclass(frozen=True)
class Split:
  """Examples that are trained, evaluated or predicted together.

  Attributes:
    examples: in the order of the source.
    labelled: bool, whether labels are known.
    short_rows: int, broken rows that were left out.
  """

  examples: list[Example]
  labelled: bool
  short_rows: int = 0


@dataclasses.dataclass(frozen=True)
class SentenceData:
  """A data set.

  Attributes:
    labels: names in the order of their ids; none for regression.
    metrics: names of the scores to report.
    splits: by name.
    label_range: least and greatest value of a regression, if there are.
    submissions: file of a submission, by split.
    submission_labels: what a submission holds for each label.
  """

  labels: tuple[str, ...]
  metrics: tuple[str, ...]
  splits: Mapping[str, Split]
  label_range: tuple[float, float] | None = None
  submissions: Mapping[str, str] = dataclasses.field(default_factory=dict)
  submission_labels: tuple[str, ...] = ()


class LabelReader:
  """Turns the text of a label into its id, or into a number for regression.

  Args:
    values: str, the possible texts in the order of the ids; none: numbers.
    limits: least and greatest number; none: any.
  """

  def __init__(
    self,
    values: Sequence[str] = (),
    limits: tuple[float, float] | None = None,
  ):
    self._ids = {value: index for index, value in enumerate(values)}
    self._limits = limits

  def read(self, text: str, place: str) -> int | float:
    """Returns the id or the number.

    Args:
      text: the label.
      place: where it is, for messages.

    Raises:
      UserError: an unknown label, or not a number in its limits.
    """
    if not self._ids:
      return self._number(text, place)
    if text not in self._ids:
      raise errors.UserError(
        "labels must be one of "
        f"{errors.shorten(', '.join(self._ids))}. Received: {text!r} in {place}"
      )
    return self._ids[text]

  def _number(self, text: str, place: str) -> float:
    try:
      number = float(text)
    except ValueError:
      number = math.nan
    low, high = self._limits or (-math.inf, math.inf)
    if not (math.isfinite(number) and low <= number <= high):
      within = f" in [{low:g}, {high:g}]" if self._limits else ""
      raise errors.UserError(
        f"labels must be finite numbers{within}. Received: {text!r} in {place}"
      )
    return number


def labelled_examples(
  rows: Iterable[text_tables.Row], reader: LabelReader
) -> list[Example]:
  """Returns examples of rows whose last value is the label."""
  return [
    Example(row.values[:-1], reader.read(row.values[-1], row.place), number)
    for number, row in enumerate(rows)
  ]
