# SPDX-License-Identifier: Apache-2.0
"""Importance over training: bands of all ids, and lines of some tokens."""

import numpy as np

from token_dropping.explain import svg
from token_dropping.explain import table_history

_HEIGHT, _LEFT, _RIGHT, _TOP, _AXIS = 300, 52, 112, 14, 44  # of the drawing
_DASHES = ("none", "7 3", "2 3", "9 3 2 3", "1 4", "12 4")


def lines(
  title: str,
  history: table_history.TableHistory,
  words: dict[str, dict[int, float]],
) -> str:
  """Returns a figure of the learnt scores over training.

  Args:
    title: of the figure.
    history: at least one step.
    words: scores of some tokens by step; drawn as lines with their names.
  """
  note = (
    "<p>Line: median of the ids that were ever predicted. Bands: half and nine "
    "tenths of them. Dashed: tokens of this text, in the checkpoints that are "
    "left.</p>"
  )
  return svg.figure(title, _History(history, words).draw() + note)


class _History:
  """Draws quantile bands of the table, and lines of single tokens."""

  def __init__(self, history, words):
    self._history, self._words = history, words
    values = [
      history.quantiles.ravel(),
      *(list(scores.values()) for scores in words.values()),
    ]
    values = np.concatenate([np.asarray(each, float) for each in values])
    self._low, self._high = values.min(), values.max()
    pad = 0.05 * (self._high - self._low) or 0.5
    self._low, self._high = self._low - pad, self._high + pad
    self._last = max(1, history.steps[-1])

  def draw(self) -> str:
    """Returns the chart and its table."""
    marks = [self._grid()]
    for low, high, style in ((0, 4, "outer"), (1, 3, "inner")):
      marks.append(self._band(low, high, style))
    marks.append(self._line(self._history.quantiles[:, 2], "median"))
    marks += self._word_lines()
    axis = "importance, nats, over training steps"
    return svg.drawing(_HEIGHT + _AXIS, "".join(marks), axis, self._table())

  def _x(self, step: float) -> float:
    return _LEFT + (svg.WIDTH - _LEFT - _RIGHT) * step / self._last

  def _y(self, value: float) -> float:
    share = (value - self._low) / (self._high - self._low)
    return _TOP + (_HEIGHT - _TOP) * (1 - share)

  def _grid(self) -> str:
    right, marks = svg.WIDTH - _RIGHT, []
    for value in svg.ticks(self._low, self._high):
      y = self._y(value)
      marks.append(f'<path class="grid" d="M{_LEFT} {y:.1f}H{right}"/>')
      marks.append(svg.text(_LEFT - 8, y + 4, f"{value:g}", "tick", "end"))
    for value in svg.ticks(0, self._last):
      marks.append(
        svg.text(
          self._x(value),
          _HEIGHT + 16,
          f"{value:,.0f}",
          "tick",
          "middle",
        )
      )
    middle = (_LEFT + right) / 2
    marks.append(
      svg.text(middle, _HEIGHT + 36, "training step", "axis", "middle")
    )
    side = _HEIGHT / 2
    marks.append(
      f'<text class="axis" text-anchor="middle" '
      f'transform="translate(13 {side}) rotate(-90)">importance, nats</text>'
    )
    return "".join(marks)

  def _band(self, low: int, high: int, style: str) -> str:
    steps, values = self._history.steps, self._history.quantiles
    there = [
      (self._x(s), self._y(v[high])) for s, v in zip(steps, values, strict=True)
    ]
    back = [
      (self._x(s), self._y(v[low])) for s, v in zip(steps, values, strict=True)
    ]
    return f'<path class="band {style}" d="{svg.path(there + back[::-1])}Z"/>'

  def _line(self, values, style: str) -> str:
    points = [
      (self._x(s), self._y(v))
      for s, v in zip(self._history.steps, values, strict=True)
    ]
    return f'<path class="line {style}" d="{svg.path(points)}"/>'

  def _word_lines(self) -> list[str]:
    marks, ends = [], []
    for number, (word, scores) in enumerate(self._words.items()):
      points = [(self._x(s), self._y(v)) for s, v in sorted(scores.items())]
      dash = _DASHES[number % len(_DASHES)]
      dots = [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5"/>' for x, y in points]
      marks.append(
        f'<g class="token"><title>{svg.escape(word)}</title><path class="line" '
        f'stroke-dasharray="{dash}" d="{svg.path(points)}"/>{"".join(dots)}</g>'
      )
      ends.append((points[-1][1], word))
    for (_, word), y in zip(
      sorted(ends), _apart(sorted(y for y, _ in ends)), strict=True
    ):
      marks.append(
        svg.text(svg.WIDTH - _RIGHT + 8, y + 4, word, "value", "start")
      )
    return marks

  def _table(self) -> str:
    places = np.linspace(0, len(self._history.steps) - 1, 10).round()
    rows = "".join(
      f"<tr><th scope=row>{self._history.steps[i]:,}"
      + "".join(f"<td>{value:.2f}" for value in self._history.quantiles[i])
      for i in np.unique(places.astype(int))
    )
    heads = "".join(f"<th scope=col>{s:.0%}" for s in table_history.SHARES)
    return (
      "<table><caption>importance, nats, which this share of the learnt ids "
      f"is below</caption><tr><th scope=col>step{heads}{rows}</table>"
    )


def _apart(places: list[float], gap: float = 15) -> list[float]:
  """Moves labels so that they do not cover each other, ascending places."""
  for index in range(1, len(places)):
    places[index] = max(places[index], places[index - 1] + gap)
  over = max(0.0, places[-1] - _HEIGHT) if places else 0.0
  places = [place - over for place in places]
  for index in range(len(places) - 2, -1, -1):
    places[index] = min(places[index], places[index + 1] - gap)
  return places
