# SPDX-License-Identifier: Apache-2.0
"""Figures of what is dropped as one picture, for TensorBoard."""

from collections.abc import Sequence

import numpy as np
from matplotlib import figure
from matplotlib.backends import backend_agg

from token_dropping.explain import kept_share

_KEPT = "#0b62a8"
_SIZE, _DPI = (11.0, 3.2), 90  # inches, pixels an inch


def draw(
  by_frequency: Sequence[kept_share.Group],
  by_part: Sequence[kept_share.Group],
  scores: np.ndarray | None,
) -> np.ndarray:
  """Returns the pixels of three charts, the same for the same figures.

  Args:
    by_frequency: kept shares.
    by_part: kept shares.
    scores: [V], by id, NaN where there is none; `None` leaves out the third
      chart, their histogram.

  Returns:
    [height, width, 3] uint8.
  """
  drawing = figure.Figure(figsize=_SIZE, dpi=_DPI, layout="constrained")
  canvas = backend_agg.FigureCanvasAgg(drawing)
  frequency, part, *rest = drawing.subplots(1, 2 if scores is None else 3)
  _shares(frequency, "by occurrences in the shown text", by_frequency)
  _shares(part, "by part of the sentence", by_part)
  for histogram in rest:
    histogram.set_title("importance of the ids", fontsize=10)
    histogram.hist(scores[~np.isnan(scores)], bins=40, color=_KEPT)
    histogram.set_xlabel("nats")
    histogram.set_ylabel("ids")
  canvas.draw()
  return np.array(canvas.buffer_rgba())[..., :3]


def _shares(axes, title: str, groups: Sequence[kept_share.Group]) -> None:
  axes.set_title(f"kept share {title}", fontsize=10)
  names = [f"{group.label} ({group.count})" for group in groups]
  axes.barh(names, [group.share for group in groups], color=_KEPT)
  axes.set_xlim(0, 1)
  axes.set_xlabel("kept share of the middle layers")
  axes.invert_yaxis()
