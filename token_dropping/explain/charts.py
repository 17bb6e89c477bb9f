# SPDX-License-Identifier: Apache-2.0
"""Charts for the page, as SVG in its colours, and a picture for TensorBoard."""

import io
import re
import warnings

import markupsafe
import matplotlib
import numpy as np
import pandas as pd
from matplotlib import figure
from matplotlib import ticker
from matplotlib.backends import backend_agg

# Those of the page in light; in the SVG they become the page's variables.
_COLOURS = {
  "ink": "#101218",
  "quiet": "#5f6168",
  "edge": "#e2ded4",
  "kept": "#0b62a8",
  "dropped": "#b75a00",
}
_INK, _QUIET, _EDGE, _KEPT, _DROPPED = _COLOURS.values()
_STYLE = {
  "axes.axisbelow": True,
  "axes.edgecolor": _EDGE,
  "axes.facecolor": "none",
  "axes.labelcolor": _QUIET,
  "axes.spines.right": False,
  "axes.spines.top": False,
  "figure.constrained_layout.use": True,
  "figure.facecolor": "none",
  "font.family": "DejaVu Sans",  # in matplotlib: the same on every machine
  "font.size": 9,
  "grid.color": _EDGE,
  "legend.frameon": False,
  "svg.fonttype": "none",  # text stays text
  "svg.hashsalt": "",  # the same figure is the same SVG
  "text.color": _INK,
  "text.parse_math": False,  # a token may be a dollar
  "xtick.color": _QUIET,
  "ytick.color": _QUIET,
}
_WIDTH, _ROW, _AXIS = 5.4, 0.36, 0.75  # inches
_DASHES, _MARKERS = ("--", ":", "-."), "os^vDX"


@matplotlib.rc_context(_STYLE)
def share_bars(groups: pd.DataFrame) -> markupsafe.Markup:
  """Returns bars of kept shares, with rows as `token_groups` has them."""
  picture = figure.Figure((_WIDTH, _AXIS + _ROW * len(groups)))
  _draw_shares(picture.subplots(), groups)
  return _to_svg(picture, "Kept share of the middle layers")


def _draw_shares(axes, groups: pd.DataFrame) -> None:
  for row, (_, count, share) in enumerate(groups.itertuples()):
    note = f"{share:.1%} · {count:,} tokens"
    _draw_bar(axes, row, share, 0.0, _KEPT, note)
  _finish_bars(axes, list(groups.index), "kept share of the middle layers")
  axes.set_xlim(0, 1)
  axes.xaxis.set_major_formatter(ticker.PercentFormatter(1))


@matplotlib.rc_context(_STYLE)
def loss_bars(name: str, means: pd.DataFrame) -> markupsafe.Markup:
  """Returns bars of mean losses and the 95 % intervals of the means."""
  picture = figure.Figure((_WIDTH, _AXIS + _ROW * len(means)))
  axes = picture.subplots()
  for row, columns in enumerate(means.itertuples()):
    label, count, mean, margin, too_few = columns
    note = f"{mean:.2f} · {count:,} tokens{', too few' * too_few}"
    colour = _DROPPED if label == "dropped" else _KEPT
    _draw_bar(axes, row, mean, np.nan_to_num(margin), colour, note)
  axis = f"{name}, nats: mean and 95% interval of the mean"
  _finish_bars(axes, list(means.index), axis)
  axes.set_xlim(left=0)
  return _to_svg(picture, axis)


def _draw_bar(
  axes, row: int, value: float, margin: float, colour: str, note: str
) -> None:
  axes.barh(row, value, 0.6, color=colour)
  if margin:
    axes.errorbar(value, row, xerr=margin, color=_INK, capsize=3)
  axes.annotate(
    note,
    (value + margin, row),
    (6, 0),
    textcoords="offset points",
    va="center",
    annotation_clip=False,
  )


def _finish_bars(axes, labels: list[str], axis: str) -> None:
  axes.set_yticks(range(len(labels)), labels, color=_INK)
  axes.set_xlabel(axis)
  axes.tick_params(length=0)
  axes.spines["left"].set_visible(False)
  axes.grid(axis="x")
  axes.invert_yaxis()


@matplotlib.rc_context(_STYLE)
def history(
  quantiles: pd.DataFrame, tokens: pd.DataFrame, unit: str
) -> markupsafe.Markup:
  """Returns the learnt scores over training.

  `quantiles` are those of `table_history`, not empty; `tokens` have a column a
  step, and become lines with names, the last row first.
  """
  picture = figure.Figure((_WIDTH, 3.6))
  axes = picture.subplots()
  steps, (low, lower, middle, upper, high) = quantiles.index, quantiles.T.values
  axes.fill_between(steps, low, high, color=_KEPT, alpha=0.16, lw=0)
  axes.fill_between(steps, lower, upper, color=_KEPT, alpha=0.3, lw=0)
  axes.plot(steps, middle, "o-", color=_KEPT, ms=2, label="median")
  for number, (token, scores) in enumerate(tokens[::-1].iterrows()):
    axes.plot(
      scores.dropna(),
      _DASHES[number % len(_DASHES)],
      marker=_MARKERS[number % len(_MARKERS)],
      ms=4,
      color=_DROPPED,
      label=f"“{token}”",
    )
  axes.set_xlabel("training step")
  axes.set_ylabel(f"importance, {unit}")
  axes.xaxis.set_major_formatter(ticker.StrMethodFormatter("{x:,.0f}"))
  axes.grid(axis="y")
  picture.legend(loc="outside right center")
  return _to_svg(picture, f"Importance, {unit}, over training steps")


def _to_svg(picture: figure.Figure, label: str) -> markupsafe.Markup:
  """Returns a figure as an element of the page, in the page's colours."""
  file = io.StringIO()
  with warnings.catch_warnings():
    # A token's characters may not be in matplotlib's font; a browser has them.
    warnings.filterwarnings("ignore", "Glyph .* missing from")
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    picture.savefig(file, format="svg", metadata=nothing)
  _, _, svg = file.getvalue().partition("<svg")
  svg = re.sub(r' id="[\w.]+_\d+"', "", svg)  # other drawings have them too
  for name, colour in _COLOURS.items():
    svg = svg.replace(colour, f"var(--{name})")
  start = markupsafe.Markup('<svg role="img" aria-label="{}"').format(label)
  return start + markupsafe.Markup(svg)


@matplotlib.rc_context(_STYLE | {"figure.facecolor": "white"})
def summary_pixels(
  by_frequency: pd.DataFrame, by_part: pd.DataFrame, scores: np.ndarray | None
) -> np.ndarray:
  """Returns a picture for TensorBoard, the same for the same figures.

  [height, width, 3] uint8. Scores [V] are by id, NaN where there is none;
  `None` leaves out their histogram.
  """
  picture = figure.Figure((11.0, 3.2), dpi=90)
  canvas = backend_agg.FigureCanvasAgg(picture)
  frequency, part, *rest = picture.subplots(1, 2 if scores is None else 3)
  frequency.set_title("by occurrences in the shown text", fontsize=10)
  _draw_shares(frequency, by_frequency)
  part.set_title("by part of the sentence", fontsize=10)
  _draw_shares(part, by_part)
  for axes in rest:
    axes.set_title("importance of the ids", fontsize=10)
    axes.hist(scores[~np.isnan(scores)], bins=40, color=_KEPT)
    axes.set_xlabel("nats")
    axes.set_ylabel("ids")
  canvas.draw()
  return np.array(canvas.buffer_rgba())[..., :3]
