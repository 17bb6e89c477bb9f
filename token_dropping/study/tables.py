# SPDX-License-Identifier: Apache-2.0
"""The tables of a study, as rows of text."""

Table = list[list[str]]
_NONE = "–"


def main_table(rows: list[dict]) -> Table:
  """Returns losses, and what variants take to equal loss over what dense takes.

  Args:
    rows: what `comparison.compare` returned.
  """
  head = ["variant", "seeds", "steps", "loss", "accuracy", "dropped loss"]
  head += ["kept", "step / dense", "to equal loss: steps", "time"]
  head += ["seconds", "multiply-adds", "downstream"]
  return [head, *(_main_row(row) for row in rows)]


def _main_row(row: dict) -> list[str]:
  shares = row["shares"]
  return [
    row["variant"],
    ", ".join(map(str, row["seeds"])),
    f"{row['train_steps']:,}",
    number(row["loss"], 4),
    number(row["accuracy"], 4),
    number(row["dropped_loss"], 4),
    number(row["kept_share"], 2),
    number(row["step_ratio"], 3),
    number(shares["step"], 3),
    number(shares["time"], 3),
    number(shares["seconds"], 3),
    number(shares["multiply_adds"], 3),
    number(row["downstream"], 4),
  ]


def time_table(rows: list[dict]) -> Table:
  """Returns what training took, and what equal losses took.

  Args:
    rows: what `comparison.compare` returned.
  """
  head = ["variant", "time, s", "s", "ms / step", "T multiply-adds"]
  head += ["dense's loss after: steps", "s", "T multiply-adds"]
  head += ["dense has its loss after: steps", "s", "T multiply-adds"]
  return [head, *(_time_row(row) for row in rows)]


def _time_row(row: dict) -> list[str]:
  cells = [
    row["variant"],
    number(row["time"], 0),
    number(row["seconds"], 0),
    number(row["step_time"], 1, 1e3),
    number(row["multiply_adds"], 2, 1e-12),
  ]
  for key in ("to_dense_loss", "dense_to_loss"):
    cells += [
      number(row[key]["step"], 0),
      number(row[key]["time"], 0),
      number(row[key]["multiply_adds"], 2, 1e-12),
    ]
  return cells


def dropped_table(results: list[dict], order: list[str]) -> Table:
  """Returns what the first run of each variant kept.

  Args:
    results: what `measurements.measure` returned.
    order: names of the variants.
  """
  first = {}
  for result in results:
    first.setdefault(result["variant"], result)
  head = ["variant", "kept", "most important", "least important"]
  rows = [
    [
      name,
      f"{first[name]['kept_share']:.2f}",
      " ".join(first[name]["most_important"]),
      " ".join(first[name]["least_important"]),
    ]
    for name in order
    if name in first
  ]
  return [head, *rows]


def number(pair, digits: int, scale: float = 1.0) -> str:
  """Returns mean and spread as text.

  >>> number((3.14159, 0.01), 2), number((1000.0, None), 0), number(None, 1)
  ('3.14 ± 0.01', '1,000', '–')
  """
  if pair is None:
    return _NONE
  mean, deviation = pair
  text = f"{scale * mean:,.{digits}f}"
  if deviation is None:
    return text
  return f"{text} ± {scale * deviation:,.{digits}f}"


def markdown(table: Table) -> str:
  """Returns a table in Markdown."""
  head, *rows = (f"| {' | '.join(row)} |" for row in table)
  return "\n".join([head, "| --- " * len(table[0]) + "|", *rows])
