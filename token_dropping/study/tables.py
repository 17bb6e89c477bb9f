# SPDX-License-Identifier: Apache-2.0
"""The tables of a study, as rows of text."""

import collections
import functools
import itertools
import math
import operator
import re
import statistics
from collections.abc import Callable

Table = list[list[str]]
_NONE, _T = "–", 1e-12
_SHOWN_STEPS = 8


def number(pair, digits: int, scale: float = 1.0) -> str:
  """Returns mean and spread as text.

  >>> number((3.14159, 0.01), 2), number((1000.0, None), 0), number(None, 1)
  ('3.14 ± 0.01', '1,000', '–')
  """
  if pair is None:
    return _NONE
  figures = [f"{scale * one:,.{digits}f}" for one in pair if one is not None]
  return " ± ".join(figures)


def between(figures, form: str) -> str:
  """Returns a mean and the ends of its interval, if it has two, as text.

  >>> between((0.5, 0.25, 1.0), ".2f"), between((0.1, None, None), "+.1f")
  ('0.50 [0.25, 1.00]', '+0.1')
  """
  if figures is None:
    return _NONE
  mean, low, high = (
    one if one is None else format(one, form) for one in figures
  )
  return mean if figures[1] == figures[2] else f"{mean} [{low}, {high}]"


def _figure(digits: int, key: str, scale: float = 1.0) -> Callable:
  """Returns a function from a row of `comparison.compare` to a cell."""
  return lambda row: number(row[key], digits, scale)


def _between(form: str, *keys: str) -> Callable:
  return lambda row: between(
    functools.reduce(operator.getitem, keys, row), form
  )


_VARIANT = ("variant", lambda row: row["variant"])
_SEEDS = ("seeds", lambda row: ", ".join(map(str, row["seeds"])))
LOSSES = (
  _VARIANT,
  _SEEDS,
  ("steps", lambda row: f"{row['train_steps']:,}"),
  ("loss", _figure(4, "loss")),
  ("minus dense", _between("+.4f", "loss_difference")),
  ("accuracy", _figure(4, "accuracy")),
  ("dropped loss", _figure(4, "dropped_loss")),
  ("kept", _figure(2, "kept_share")),
)
# What variants take to equal loss over what dense takes.
SHARES = (
  _VARIANT,
  ("time", _between(".3f", "shares", "time")),
  ("multiply-adds", _between(".3f", "shares", "multiply_adds")),
  ("steps", _between(".3f", "shares", "step")),
  ("seconds", _between(".3f", "shares", "seconds")),
  ("time of a step", _figure(3, "step_ratio")),
)
TIME = (
  _VARIANT,
  ("time, s", _figure(0, "time")),
  ("seconds", _figure(0, "seconds")),
  ("ms / step", _figure(1, "step_time", scale=1e3)),
  ("T multiply-adds", _figure(2, "multiply_adds", scale=_T)),
)
# Of rows of one run each.
RUNS = (
  _VARIANT,
  ("seed", _SEEDS[1]),
  *LOSSES[3:7],
  *TIME[1:2],
  TIME[4],
  ("to equal loss: time", SHARES[1][1]),
  SHARES[2],
)


def make_table(columns: tuple, rows: list[dict]) -> Table:
  """Returns head and rows; `columns` are those of a table above."""
  heads, cells = zip(*columns, strict=True)
  return [list(heads), *([cell(row) for cell in cells] for row in rows)]


def downstream_columns(rows: list[dict]) -> tuple:
  """Returns the columns of the scores: three a task, behind the variant's."""

  def of(task: str, show: Callable) -> Callable:
    return lambda row: (
      show(row["downstream"][task]) if task in row["downstream"] else _NONE
    )

  columns = [_VARIANT]
  for task in dict.fromkeys(task for row in rows for task in row["downstream"]):
    columns += [
      (task, of(task, _figure(4, "score"))),
      ("minus dense", of(task, _between("+.4f", "difference"))),
      ("± of fine-tunings", of(task, _figure(4, "deviation"))),
    ]
  return tuple(columns)


def by_step(results: list[dict], dense: str, order: list[str]) -> Table:
  """Returns mean losses over seeds at some of dense's evaluations."""
  steps = [
    p["step"] for r in results if r["variant"] == dense for p in r["curve"]
  ]
  steps = sorted(set(steps))
  steps = steps[:: -math.ceil(len(steps) / _SHOWN_STEPS) or -1][::-1]
  table = [["variant", *map("{:,}".format, steps)]]
  for name in order:
    curves = [r["curve"] for r in results if r["variant"] == name]
    losses = collections.defaultdict(list)
    for point in itertools.chain(*curves):
      losses[point["step"]].append(point["loss"])
    means = [
      f"{statistics.fmean(losses[step]):.4f}" if losses[step] else _NONE
      for step in steps
    ]
    table += [[name, *means]] * bool(curves)
  return table


def at_equal(leads: dict[str, dict]) -> Table:
  """Returns what `comparison.compare_at_equal` found, row less column.

  >>> lead = (0.5, 0.25, 0.75)
  >>> at_equal({"a": {"a": (0.0, 0.0, 0.0), "b": lead}, "b": {}})[:2]
  [['variant', 'a', 'b'], ['a', '–', '+0.5000 [+0.2500, +0.7500]']]
  """
  rows = [
    [
      one,
      *(
        between(None if one == other else figures, "+.4f")
        for other, figures in row.items()
      ),
    ]
    for one, row in leads.items()
  ]
  return [["variant", *leads], *rows]


def markdown(table: Table) -> str:
  """Returns a table in Markdown, in which tokens stand for themselves.

  >>> print(markdown([["token"], ["|"]]))
  | token |
  | --- |
  | \\| |
  """
  escaped = ([re.sub(r"([\\|`<&*])", r"\\\1", c) for c in row] for row in table)
  head, *rows = (f"| {' | '.join(row)} |" for row in escaped)
  return "\n".join([head, "| --- " * len(table[0]) + "|", *rows])


def dropped_table(results: list[dict], order: list[str]) -> Table:
  """Returns what the first run of each variant kept, if it ranks tokens."""
  first = {result["variant"]: result for result in reversed(results)}
  table = [["variant", "kept", "most important", "least important"]]
  for name in order:
    result = first.get(name)
    if result and result["most_important"]:
      tokens = result["most_important"], result["least_important"]
      kept = f"{result['kept_share']:.2f}"
      table.append([name, kept, *map(" ".join, tokens)])
  return table
