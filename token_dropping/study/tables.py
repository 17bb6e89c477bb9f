# SPDX-License-Identifier: Apache-2.0
"""The tables of a study, as rows of text."""

import functools
import operator
from collections.abc import Callable

Table = list[list[str]]
_NONE, _T = "–", 1e-12


def number(pair, digits: int, scale: float = 1.0) -> str:
  """Returns mean and spread as text.

  >>> number((3.14159, 0.01), 2), number((1000.0, None), 0), number(None, 1)
  ('3.14 ± 0.01', '1,000', '–')
  """
  if pair is None:
    return _NONE
  figures = [f"{scale * one:,.{digits}f}" for one in pair if one is not None]
  return " ± ".join(figures)


def _figure(digits: int, *keys: str, scale: float = 1.0) -> Callable:
  """Returns a function from a row of `comparison.compare` to a cell."""
  return lambda row: number(
    functools.reduce(operator.getitem, keys, row), digits, scale
  )


# Losses, and what variants take to equal loss over what dense takes.
MAIN = (
  ("variant", lambda row: row["variant"]),
  ("seeds", lambda row: ", ".join(map(str, row["seeds"]))),
  ("steps", lambda row: f"{row['train_steps']:,}"),
  ("loss", _figure(4, "loss")),
  ("accuracy", _figure(4, "accuracy")),
  ("dropped loss", _figure(4, "dropped_loss")),
  ("kept", _figure(2, "kept_share")),
  ("step / dense", _figure(3, "step_ratio")),
  ("to equal loss: steps", _figure(3, "shares", "step")),
  ("time", _figure(3, "shares", "time")),
  ("seconds", _figure(3, "shares", "seconds")),
  ("multiply-adds", _figure(3, "shares", "multiply_adds")),
  ("downstream", _figure(4, "downstream")),
)
# What training took, and what equal losses took.
TIME = (
  ("variant", lambda row: row["variant"]),
  ("time, s", _figure(0, "time")),
  ("s", _figure(0, "seconds")),
  ("ms / step", _figure(1, "step_time", scale=1e3)),
  ("T multiply-adds", _figure(2, "multiply_adds", scale=_T)),
  ("dense's loss after: steps", _figure(0, "to_dense_loss", "step")),
  ("s", _figure(0, "to_dense_loss", "time")),
  ("T multiply-adds", _figure(2, "to_dense_loss", "multiply_adds", scale=_T)),
  ("dense has its loss after: steps", _figure(0, "dense_to_loss", "step")),
  ("s", _figure(0, "dense_to_loss", "time")),
  ("T multiply-adds", _figure(2, "dense_to_loss", "multiply_adds", scale=_T)),
)


def make_table(columns: tuple, rows: list[dict]) -> Table:
  """Returns head and rows; `columns` is `MAIN` or `TIME`."""
  heads, cells = zip(*columns, strict=True)
  return [list(heads), *([cell(row) for cell in cells] for row in rows)]


def markdown(table: Table) -> str:
  """Returns a table in Markdown."""
  head, *rows = (f"| {' | '.join(row)} |" for row in table)
  return "\n".join([head, "| --- " * len(table[0]) + "|", *rows])


def dropped_table(results: list[dict], order: list[str]) -> Table:
  """Returns what the first run of each variant kept."""
  first = {result["variant"]: result for result in reversed(results)}
  table = [["variant", "kept", "most important", "least important"]]
  for name in order:
    if result := first.get(name):
      tokens = result["most_important"], result["least_important"]
      kept = f"{result['kept_share']:.2f}"
      table.append([name, kept, *map(" ".join, tokens)])
  return table
