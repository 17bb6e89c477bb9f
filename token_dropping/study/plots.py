# SPDX-License-Identifier: Apache-2.0
"""The curves of a study as a picture that a page can hold."""

import collections
import io
import statistics

import matplotlib
from matplotlib import figure

AXES = {
  "step": ("steps", 1.0),
  "time": ("seconds of training", 1.0),
  "multiply_adds": ("multiply-adds, T", 1e-12),
}
_COLORS = matplotlib.colormaps["tab10"].colors
_DASHES = ("-", "--", ":", "-.")


def draw(results: list[dict], order: list[str], text: dict) -> str:
  """Returns, as an `<svg>`, loss and accuracy by steps, time, multiply-adds.

  A line is the mean over seeds, the band goes from the least to the greatest.
  The middle row shows the last half of the losses.
  """
  by_variant = _by_variant(results)
  picture = figure.Figure((15, 13), layout="constrained")
  panels = picture.subplots(3, len(AXES), sharey="row", squeeze=False)
  for index, name in enumerate(order):
    for row, value in zip(panels, ("loss", "loss", "accuracy"), strict=True):
      for panel, axis in zip(row, AXES, strict=True):
        if curves := by_variant.get(name):
          _line(panel, curves, axis, value, name, index)
  _label(panels, text)
  _zoom(panels[1], results)
  lines = panels[0][0].get_legend_handles_labels()
  picture.legend(*lines, loc="outside lower center", ncols=6)
  return _svg(picture)


def draw_finalists(results: list[dict], order: list[str]) -> str:
  """Returns, as an `<svg>`, the loss by time of those with the most seeds.

  It shows the last half of the losses, with lines and bands as in `draw`.
  """
  by_variant = _by_variant(results)
  most = max(map(len, by_variant.values()), default=0)
  finalists = [name for name in order if len(by_variant.get(name, [])) == most]
  picture = figure.Figure((8, 4.5), layout="constrained")
  panel = picture.subplots()
  for index, name in enumerate(finalists):
    _line(panel, by_variant[name], "time", "loss", name, index)
  _zoom([panel], [r for r in results if r["variant"] in finalists])
  panel.set_xlabel(AXES["time"][0])
  panel.set_ylabel("validation loss, nats")
  panel.grid(alpha=0.3)
  if finalists:
    panel.legend()
  return _svg(picture)


def _by_variant(results: list[dict]) -> dict[str, list]:
  """Returns the curves of all seeds, by variant."""
  by_variant = collections.defaultdict(list)
  for result in results:
    by_variant[result["variant"]].append(result["curve"])
  return by_variant


def _line(panel, curves: list, axis: str, value: str, name: str, index) -> None:
  scale = AXES[axis][1]
  color = _COLORS[index % len(_COLORS)]
  style = _DASHES[index // len(_COLORS) % len(_DASHES)]
  points = list(zip(*curves, strict=False))  # of all seeds, by evaluation
  x = [scale * statistics.fmean(p[axis] for p in point) for point in points]
  y = [[p[value] for p in point] for point in points]
  means = [statistics.fmean(values) for values in y]
  panel.plot(x, means, style, color=color, label=name, linewidth=1.3)
  if len(curves) > 1:
    low, high = list(map(min, y)), list(map(max, y))
    panel.fill_between(x, low, high, color=color, alpha=0.2, linewidth=0)


def _label(panels, text: dict) -> None:
  names = ("validation loss, nats", "the same, last half", "accuracy")
  for row, name in zip(panels, names, strict=True):
    row[0].set_ylabel(name)
    for panel, (axis, _) in zip(row, AXES.values(), strict=True):
      panel.set_xlabel(axis)
      panel.grid(alpha=0.3)
  for panel in panels[:2].flat:
    for key, style in (("unigram_loss", ":"), ("bigram_loss", "--")):
      if text.get(key) is not None:
        name = key.replace("_", " ")
        panel.axhline(text[key], color="black", linestyle=style, label=name)


def _zoom(row, results: list[dict]) -> None:
  """Shows the losses from the middle of the training on."""
  if not results:
    return
  curves = [result["curve"] for result in results]
  low = min(curve[-1]["loss"] for curve in curves)
  high = max(curve[len(curve) // 2]["loss"] for curve in curves)
  margin = 0.05 * (high - low) + 1e-3
  row[0].set_ylim(low - margin, high + margin)


def _svg(picture: figure.Figure) -> str:
  file = io.StringIO()
  # Text stays text, and the same results give the same bytes.
  options = {"svg.fonttype": "none", "svg.hashsalt": "study"}
  with matplotlib.rc_context(options):
    picture.savefig(file, format="svg", metadata={"Date": None})
  whole = file.getvalue()
  return whole[whole.index("<svg") :]
