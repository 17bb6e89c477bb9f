# SPDX-License-Identifier: Apache-2.0
"""Charts as inline SVG, coloured by the page's style sheet.

Every chart has a title, axes with units, and its figures as text: in the
`<title>` of each mark, and in a table for those who do not see it.
"""

import html
from collections.abc import Sequence

import numpy as np

from token_dropping.explain import kept_share
from token_dropping.explain import table_history
from token_dropping.explain import token_losses

_WIDTH, _ROW, _LABELS, _VALUES, _AXIS = 520, 34, 118, 112, 44
_HISTORY_HEIGHT, _LEFT, _RIGHT, _TOP = 300, 52, 108, 14
_DASHES = ("none", "7 3", "2 3", "9 3 2 3", "1 4", "12 4")


def share_bars(title: str, groups: Sequence[kept_share.Group]) -> str:
  """Returns a figure of kept shares.

  Args:
    title: of the figure.
    groups: at least one.
  """
  bars = [
    _Bar(g.label, g.share, f"{g.share:.1%}", f"{g.count:,} tokens", "kept")
    for g in groups
  ]
  ticks = [(tick, f"{tick:.0%}") for tick in (0, 0.25, 0.5, 0.75, 1)]
  return _figure(title, _bars(bars, ticks, "kept share of the middle layers"))


def loss_bars(title: str, means: Sequence[token_losses.LossMean]) -> str:
  """Returns a figure of mean losses and the 95 % intervals of the means."""
  bars = [
    _Bar(
      mean.label,
      mean.mean,
      f"{mean.mean:.2f}",
      f"{mean.count:,} tokens{', too few' if mean.too_few else ''}",
      "dropped" if mean.label == "dropped" else "kept",
      mean.margin,
    )
    for mean in means
  ]
  top = max(b.value + (0 if np.isnan(b.margin) else b.margin) for b in bars)
  ticks = [(tick, f"{tick:g}") for tick in _round_ticks(top)]
  axis = "masked-LM loss, nats: mean and 95% interval of the mean"
  return _figure(title, _bars(bars, ticks, axis))


def history_lines(
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
  return _figure(title, _History(history, words).svg() + note)


class _Bar:
  """One bar: its names, value, and perhaps an interval around it."""

  def __init__(self, label, value, text, note, style, margin=np.nan):
    self.label, self.value, self.text = label, value, text
    self.note, self.style, self.margin = note, style, margin


def _bars(bars: list[_Bar], ticks: list[tuple[float, str]], axis: str) -> str:
  inner, top = _WIDTH - _LABELS - _VALUES, ticks[-1][0]
  bottom = _ROW * len(bars)
  marks = []
  for value, text in ticks:
    x = _LABELS + inner * value / top
    marks.append(
      f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y2="{bottom}"/>'
    )
    marks.append(_text(x, bottom + 16, text, "tick", "middle"))
  marks.append(_text(_LABELS + inner / 2, bottom + 36, axis, "axis", "middle"))
  for row, bar in enumerate(bars):
    marks.append(_bar(bar, _ROW * row, inner / top))
  return _svg(bottom + _AXIS, "".join(marks), axis, _rows(bars, axis))


def _bar(bar: _Bar, top: float, scale: float) -> str:
  middle, width = top + _ROW / 2, bar.value * scale
  marks = [
    _text(_LABELS - 8, middle + 4, bar.label, "label", "end"),
    f'<rect class="bar {bar.style}" x="{_LABELS}" y="{top + 7}" '
    f'width="{max(width, 1):.1f}" height="{_ROW - 14}" rx="2"/>',
  ]
  end = _LABELS + width
  if not np.isnan(bar.margin):
    low, end = end - bar.margin * scale, end + bar.margin * scale
    marks.append(
      f'<path class="interval" d="M{low:.1f} {middle}H{end:.1f}'
      f'M{low:.1f} {middle - 4}v8M{end:.1f} {middle - 4}v8"/>'
    )
  value = f"{bar.text} · {bar.note}"
  marks.append(_text(end + 8, middle + 4, value, "value", "start"))
  title = f"{_escape(bar.label)}: {_escape(value)}"
  return f"<g><title>{title}</title>{''.join(marks)}</g>"


def _rows(bars: list[_Bar], axis: str) -> str:
  cells = "".join(
    f"<tr><th scope=row>{_escape(b.label)}<td>{_escape(b.text)}"
    f"<td>{_escape(b.note)}"
    for b in bars
  )
  return f"<table><caption>{_escape(axis)}</caption>{cells}</table>"


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

  def svg(self) -> str:
    """Returns the chart and its table."""
    marks = [self._grid()]
    for low, high, style in ((0, 4, "outer"), (1, 3, "inner")):
      marks.append(self._band(low, high, style))
    marks.append(self._line(self._history.quantiles[:, 2], "median"))
    marks += self._word_lines()
    axis = "importance, nats, over training steps"
    return _svg(_HISTORY_HEIGHT + _AXIS, "".join(marks), axis, self._table())

  def _x(self, step: float) -> float:
    return _LEFT + (_WIDTH - _LEFT - _RIGHT) * step / self._last

  def _y(self, value: float) -> float:
    share = (value - self._low) / (self._high - self._low)
    return _TOP + (_HISTORY_HEIGHT - _TOP) * (1 - share)

  def _grid(self) -> str:
    right, marks = _WIDTH - _RIGHT, []
    for value in _ticks(self._low, self._high):
      y = self._y(value)
      marks.append(f'<path class="grid" d="M{_LEFT} {y:.1f}H{right}"/>')
      marks.append(_text(_LEFT - 8, y + 4, f"{value:g}", "tick", "end"))
    for value in _ticks(0, self._last):
      marks.append(
        _text(
          self._x(value),
          _HISTORY_HEIGHT + 16,
          f"{value:,.0f}",
          "tick",
          "middle",
        )
      )
    middle = (_LEFT + right) / 2
    marks.append(
      _text(middle, _HISTORY_HEIGHT + 36, "training step", "axis", "middle")
    )
    side = _HISTORY_HEIGHT / 2
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
    return f'<path class="band {style}" d="{_path(there + back[::-1])}Z"/>'

  def _line(self, values, style: str) -> str:
    points = [
      (self._x(s), self._y(v))
      for s, v in zip(self._history.steps, values, strict=True)
    ]
    return f'<path class="line {style}" d="{_path(points)}"/>'

  def _word_lines(self) -> list[str]:
    marks, ends = [], []
    for number, (word, scores) in enumerate(self._words.items()):
      points = [(self._x(s), self._y(v)) for s, v in sorted(scores.items())]
      dash = _DASHES[number % len(_DASHES)]
      dots = [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5"/>' for x, y in points]
      marks.append(
        f'<g class="token"><title>{_escape(word)}</title><path class="line" '
        f'stroke-dasharray="{dash}" d="{_path(points)}"/>{"".join(dots)}</g>'
      )
      ends.append((points[-1][1], word))
    for (_, word), y in zip(
      sorted(ends), _apart(sorted(y for y, _ in ends)), strict=True
    ):
      marks.append(_text(_WIDTH - _RIGHT + 8, y + 4, word, "value", "start"))
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
  over = max(0.0, places[-1] - _HISTORY_HEIGHT) if places else 0.0
  places = [place - over for place in places]
  for index in range(len(places) - 2, -1, -1):
    places[index] = min(places[index], places[index + 1] - gap)
  return places


def _round_ticks(top: float) -> list[float]:
  """Returns ticks from 0 to the first round one that is not below `top`."""
  step = _step(top)
  return [step * i for i in range(int(np.ceil(top / step - 1e-9)) + 1)]


def _ticks(low: float, high: float) -> list[float]:
  step = _step(high - low)
  first, last = int(np.ceil(low / step)), int(np.floor(high / step))
  return [step * i for i in range(first, last + 1)]


def _step(span: float) -> float:
  """Returns 1, 2 or 5 times a power of ten, so that a few ticks fit."""
  rough = span / 5
  power = 10.0 ** np.floor(np.log10(rough))
  return float(next(n * power for n in (1, 2, 5, 10) if n * power >= rough))


def _path(points: list[tuple[float, float]]) -> str:
  return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)


def _text(x: float, y: float, text: str, style: str, anchor: str) -> str:
  return (
    f'<text class="{style}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">'
    f"{_escape(text)}</text>"
  )


def _svg(height: float, marks: str, label: str, table: str) -> str:
  return (
    f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" '
    f'aria-label="{_escape(label)}">{marks}</svg>'
    f"<details><summary>As a table</summary>{table}</details>"
  )


def _figure(title: str, content: str) -> str:
  return f"<figure><figcaption>{_escape(title)}</figcaption>{content}</figure>"


def _escape(text: str) -> str:
  return html.escape(str(text))
