# SPDX-License-Identifier: Apache-2.0
"""Tests of charts: well-formed, to scale, and with their figures as text."""

import re
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from token_dropping.explain import charts

_SVG = "{http://www.w3.org/2000/svg}"


def _texts(svg: str) -> list[str]:
  return [t.text for t in ElementTree.fromstring(svg).iter(_SVG + "text")]


def _widths(svg: str) -> list[float]:
  """Returns the widths of what is filled with a colour: bars, bands."""
  widths = []
  for path in ElementTree.fromstring(svg).iter(_SVG + "path"):
    if re.search(r"fill: var\(--(kept|dropped)\)", path.get("style", "")):
      places = [float(x) for x in re.findall(r"[ML] ([\d.]+)", path.get("d"))]
      widths.append(max(places) - min(places))
  return widths


def _shares(*rows: tuple) -> pd.DataFrame:
  labels, counts, shares = zip(*rows, strict=True)
  return pd.DataFrame({"count": counts, "share": shares}, labels)


def test_bars_are_to_scale():
  svg = charts.share_bars(_shares(("a<b", 3, 1.0), ("c", 4, 0.5)))
  whole, half = _widths(svg)
  assert whole == pytest.approx(2 * half)
  shown = {"a<b", "100.0% · 3 tokens", "c", "50.0% · 4 tokens"}
  assert shown <= set(_texts(svg))


def test_losses_have_intervals_and_a_word_on_few():
  means = pd.DataFrame(
    {
      "count": [100, 1],
      "mean": [8.0, 4.0],
      "margin": [0.5, np.nan],
      "too_few": [False, True],
    },
    ["kept", "dropped"],
  )
  svg = charts.loss_bars("masked-LM loss", means)
  kept, dropped = _widths(svg)
  assert kept == pytest.approx(2 * dropped)
  assert "4.00 · 1 tokens, too few" in _texts(svg)
  assert "stroke: var(--ink)" in svg  # the interval
  assert "stroke: var(--ink)" not in charts.loss_bars(
    "masked-LM loss", means[1:]
  )


def test_history_has_bands_and_named_lines():
  quantiles = pd.DataFrame([[1.0, 2, 3, 4, 5], [2, 3, 4, 5, 6]], [0, 10])
  # Neither a formula, nor a name that matplotlib leaves out of a legend, nor a
  # character that is not in its font.
  tokens = pd.DataFrame(
    {5: [np.nan, 2.0, 1.0], 10: [2.0, 4.0, 6.0]}, ["漢", "$a$", "_"]
  )
  svg = charts.history(quantiles, tokens, "nats")
  assert svg.count("fill-opacity") == 2
  texts = _texts(svg)
  assert {"training step", "importance, nats"} <= set(texts)
  assert texts[-4:] == ["median", "“_”", "“$a$”", "“漢”"]


def test_one_step_and_one_value_can_be_drawn():
  quantiles = pd.DataFrame(np.full([1, 5], 3.0), [7])
  assert "nan" not in charts.history(quantiles, pd.DataFrame(), "nats")


def test_every_colour_is_the_pages_and_the_same_figure_the_same_svg():
  svg = charts.share_bars(_shares(("a", 3, 1.0)))
  assert not re.search("#[0-9a-f]{6}", svg)
  assert svg == charts.share_bars(_shares(("a", 3, 1.0)))
