# SPDX-License-Identifier: Apache-2.0
"""Bars of kept shares and of mean losses."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from token_dropping.explain import kept_share
from token_dropping.explain import svg
from token_dropping.explain import token_losses

_ROW, _LABELS, _VALUES, _AXIS = 34, 118, 156, 44  # units of the drawing


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
  return svg.figure(
    title, _bars(bars, ticks, "kept share of the middle layers")
  )


def loss_bars(title: str, means: Sequence[token_losses.LossMean]) -> str:
  """Returns a figure of mean losses and the 95% intervals of the means."""
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
  ticks = [(tick, f"{tick:g}") for tick in svg.round_ticks(top)]
  axis = "masked-LM loss, nats: mean and 95% interval of the mean"
  return svg.figure(title, _bars(bars, ticks, axis))


@dataclasses.dataclass(frozen=True)
class _Bar:
  """One bar: its names, value, and perhaps an interval around it.

  Attributes:
    label: to its left.
    value: float.
    shown: the value as text.
    note: behind it.
    style: CSS class.
    margin: half of the interval, NaN for none.
  """

  label: str
  value: float
  shown: str
  note: str
  style: str
  margin: float = np.nan


def _bars(bars: list[_Bar], ticks: list[tuple[float, str]], axis: str) -> str:
  inner, top = svg.WIDTH - _LABELS - _VALUES, ticks[-1][0]
  bottom = _ROW * len(bars)
  marks = []
  for value, text in ticks:
    x = _LABELS + inner * value / top
    marks.append(
      f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y2="{bottom}"/>'
    )
    marks.append(svg.text(x, bottom + 16, text, "tick", "middle"))
  marks.append(
    svg.text(_LABELS + inner / 2, bottom + 36, axis, "axis", "middle")
  )
  for row, bar in enumerate(bars):
    marks.append(_bar(bar, _ROW * row, inner / top))
  return svg.drawing(bottom + _AXIS, "".join(marks), axis, _rows(bars, axis))


def _bar(bar: _Bar, top: float, scale: float) -> str:
  middle, width = top + _ROW / 2, bar.value * scale
  marks = [
    svg.text(_LABELS - 8, middle + 4, bar.label, "label", "end"),
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
  value = f"{bar.shown} · {bar.note}"
  marks.append(svg.text(end + 8, middle + 4, value, "value", "start"))
  title = f"{svg.escape(bar.label)}: {svg.escape(value)}"
  return f"<g><title>{title}</title>{''.join(marks)}</g>"


def _rows(bars: list[_Bar], axis: str) -> str:
  cells = "".join(
    f"<tr><th scope=row>{svg.escape(b.label)}<td>{svg.escape(b.shown)}"
    f"<td>{svg.escape(b.note)}"
    for b in bars
  )
  return f"<table><caption>{svg.escape(axis)}</caption>{cells}</table>"
