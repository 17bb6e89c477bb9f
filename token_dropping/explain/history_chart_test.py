# SPDX-License-Identifier: Apache-2.0
"""Tests of the history's chart."""

import re
from xml.etree import ElementTree

import numpy as np

from token_dropping.explain import history_chart
from token_dropping.explain import table_history


def _svg(figure: str) -> ElementTree.Element:
  return ElementTree.fromstring(re.search(r"<svg.*</svg>", figure).group())


def test_history_has_bands_and_named_lines():
  history = table_history.TableHistory(
    np.array([0, 10]), np.array([[1.0, 2, 3, 4, 5], [2, 3, 4, 5, 6]]), {}
  )
  words = {"zeal": {5: 2.0, 10: 6.0}, "<the>": {10: 2.0}}
  figure = history_chart.lines("History", history, words)
  bands = [p for p in _svg(figure).iter("path") if "band" in p.get("class")]
  assert len(bands) == 2
  texts = [text.text for text in _svg(figure).iter("text")]
  assert {"training step", "importance, nats", "zeal", "<the>"} <= set(texts)
  assert "<th scope=row>10<td>2.00<td>3.00<td>4.00<td>5.00<td>6.00" in figure


def test_one_step_and_one_value_can_be_drawn():
  history = table_history.TableHistory(np.array([7]), np.full([1, 5], 3.0), {})
  assert "nan" not in history_chart.lines("History", history, {})


def test_labels_do_not_cover_each_other():
  places = history_chart._apart([1.0, 2.0, 299.0, 300.0])
  assert np.diff(places).min() >= 15 and places[-1] <= 300
