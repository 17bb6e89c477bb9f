# SPDX-License-Identifier: Apache-2.0
"""Tests of the terminal form."""

import numpy as np
import pandas as pd

from tests import explain_testing
from token_dropping.explain import terminal


def test_dropped_neighbours_stand_between_tildes():
  row = explain_testing.sequence(2, 5, 6, 7, 7, 3)
  shown = terminal.marked_lines(row, np.array([1, 1, 0, 0, 1, 1]))
  assert shown == "[CLS] un~able to~ to [SEP]"


def test_colours_of_a_terminal():
  row = explain_testing.sequence(2, 5, 6)
  shown = terminal.marked_lines(row, np.array([1, 1, 0]), coloured=True)
  assert shown == "\x1b[36m[CLS]\x1b[0m \x1b[1mun\x1b[0m\x1b[2mable\x1b[0m"


def test_lines_end_in_time():
  row = explain_testing.sequence(*[7] * 60)
  shown = terminal.marked_lines(row, np.ones(60))
  lines = shown.split("\n")
  assert len(lines) == 3 and max(map(len, lines)) <= terminal.WIDTH
  assert shown.split() == ["to"] * 60


def test_shares_are_bars():
  columns = {"count": [3, 4], "share": [1.0, 0.25]}
  groups = pd.DataFrame(columns, ["once", "more"])
  assert terminal.shares("Kept", groups) == (
    "Kept\n"
    f"  once  100.0%  {'█' * 24}  3 tokens\n"
    f"  more   25.0%  {'█' * 6}{' ' * 18}  4 tokens"
  )


def test_few_tokens_are_said_to_be_few():
  means = pd.DataFrame(
    [(100, 5.5, 0.25, False), (1, 2.0, np.nan, True)], ["kept", "dropped"]
  )
  assert terminal.losses("masked-LM loss", means).split("\n")[1:] == [
    "  kept     5.500 ± 0.250  100 tokens",
    "  dropped  2.000  1 tokens  (too few to say more)",
  ]


def test_no_history_is_said():
  assert terminal.history(pd.DataFrame(), "") == (
    "Importance over training: no scores by id, or no summaries yet"
  )


def test_history_shows_a_few_steps():
  steps = np.arange(0, 1000, 10)
  quantiles = pd.DataFrame({n: steps * n / 1000 for n in range(5)}, steps)
  lines = terminal.history(quantiles, "nats").split("\n")
  assert len(lines) == 7
  assert lines[-1] == "  step       990    0.00    1.98    3.96"
