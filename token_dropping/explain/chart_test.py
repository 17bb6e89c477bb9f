# SPDX-License-Identifier: Apache-2.0
"""Tests of charts: well-formed, to scale, and with their figures as text."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from token_dropping.explain import chart
from token_dropping.explain import kept_share
from token_dropping.explain import table_history
from token_dropping.explain import token_losses


def _svg(figure: str) -> ElementTree.Element:
  return ElementTree.fromstring(re.search(r"<svg.*</svg>", figure).group())


def _widths(figure: str) -> list[float]:
  return [float(rect.get("width")) for rect in _svg(figure).iter("rect")]


def test_bars_are_to_scale():
  groups = [kept_share.Group("a<b", 3, 1.0), kept_share.Group("c", 4, 0.5)]
  figure = chart.share_bars("Kept & dropped", groups)
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
  figure = chart.loss_bars("Loss", means)
  kept, dropped = _widths(figure)
  assert kept == pytest.approx(2 * dropped)
  assert figure.count('class="interval"') == 1
  assert "4.00 · 1 tokens, too few" in figure


def test_history_has_bands_and_named_lines():
  history = table_history.TableHistory(
    np.array([0, 10]), np.array([[1.0, 2, 3, 4, 5], [2, 3, 4, 5, 6]]), {}
  )
  words = {"zeal": {5: 2.0, 10: 6.0}, "<the>": {10: 2.0}}
  figure = chart.history_lines("History", history, words)
  bands = [p for p in _svg(figure).iter("path") if "band" in p.get("class")]
  assert len(bands) == 2
  texts = [text.text for text in _svg(figure).iter("text")]
  assert {"training step", "importance, nats", "zeal", "<the>"} <= set(texts)
  assert "<th scope=row>10<td>2.00<td>3.00<td>4.00<td>5.00<td>6.00" in figure


def test_one_step_and_one_value_can_be_drawn():
  history = table_history.TableHistory(np.array([7]), np.full([1, 5], 3.0), {})
  assert "nan" not in chart.history_lines("History", history, {})


def test_labels_do_not_cover_each_other():
  places = chart._apart([1.0, 2.0, 299.0, 300.0])
  assert np.diff(places).min() >= 15 and places[-1] <= 300
