# SPDX-License-Identifier: Apache-2.0
"""Parts of charts: inline SVG, coloured by the page's style sheet.

Every chart has a title, axes with units, and its figures as text: in the
`<title>` of each mark, and in a table for those who do not see it.
"""

import html

import numpy as np

WIDTH = 560


def round_ticks(top: float) -> list[float]:
  """Returns ticks from 0 to the first round one that is not below `top`."""
  step = _step(top)
  return [step * i for i in range(int(np.ceil(top / step - 1e-9)) + 1)]


def ticks(low: float, high: float) -> list[float]:
  """Returns the round numbers between two, a few of them."""
  step = _step(high - low)
  first, last = int(np.ceil(low / step)), int(np.floor(high / step))
  return [step * i for i in range(first, last + 1)]


def _step(span: float) -> float:
  """Returns 1, 2 or 5 times a power of ten, so that a few ticks fit."""
  rough = span / 5
  power = 10.0 ** np.floor(np.log10(rough))
  return float(next(n * power for n in (1, 2, 5, 10) if n * power >= rough))


def path(points: list[tuple[float, float]]) -> str:
  """Returns the `d` of a line through points."""
  return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)


def text(x: float, y: float, content: str, style: str, anchor: str) -> str:
  """Returns a text of a CSS class, its start, middle or end at `x`."""
  return (
    f'<text class="{style}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">'
    f"{escape(content)}</text>"
  )


def drawing(height: float, marks: str, label: str, table: str) -> str:
  """Returns a drawing of `WIDTH` units, and its table, folded."""
  return (
    f'<svg viewBox="0 0 {WIDTH} {height}" role="img" '
    f'aria-label="{escape(label)}">{marks}</svg>'
    f"<details><summary>As a table</summary>{table}</details>"
  )


def figure(title: str, content: str) -> str:
  """Returns content with a caption above it."""
  return f"<figure><figcaption>{escape(title)}</figcaption>{content}</figure>"


def escape(content: str) -> str:
  """Returns text that cannot be markup."""
  return html.escape(content)
