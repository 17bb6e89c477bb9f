# SPDX-License-Identifier: Apache-2.0
"""Tests of bars: well-formed, to scale, and with their figures as text."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from token_dropping.explain import bar_chart
from token_dropping.explain import kept_share
from token_dropping.explain import token_losses


def _svg(figure: str) -> ElementTree.Element:
  return ElementTree.fromstring(re.search(r"<svg.*</svg>", figure).group())


def _widths(figure: str) -> list[float]:
  return [float(rect.get("width")) for rect in _svg(figure).iter("rect")]


def test_bars_are_to_scale():
  groups = [kept_share.Group("a<b", 3, 1.0), kept_share.Group("c", 4, 0.5)]
  figure = bar_chart.share_bars("Kept & dropped", groups)
  whole, half = _widths(figure)
  assert whole == pytest.approx(2 * half)
  assert "<figcaption>Kept &amp; dropped</figcaption>" in figure
  titles = [title.text for title in _svg(figure).iter("title")]
  assert titles == ["a<b: 100.0% · 3 tokens", "c: 50.0% · 4 tokens"]
  assert "<th scope=row>a&lt;b<td>100.0%<td>3 tokens" in figure


def test_losses_have_intervals_and_a_word_on_few():
  means = [
    token_losses.LossMean("kept", 100, 8.0, 0.5),
    token_losses.LossMean("dropped", 1, 4.0, np.nan),
  ]
  figure = bar_chart.loss_bars("Loss", means)
  kept, dropped = _widths(figure)
  assert kept == pytest.approx(2 * dropped)
  assert figure.count('class="interval"') == 1
  assert "4.00 · 1 tokens, too few" in figure
