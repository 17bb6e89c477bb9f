# SPDX-License-Identifier: Apache-2.0
"""Tests of the table over training."""

import shutil

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from tests import explain_testing
from tests import run_testing
from token_dropping.explain import table_history


@pytest.fixture(scope="module")
def run(tmp_path_factory):
  folder = tmp_path_factory.mktemp("history") / "run"
  model = explain_testing.make_run(folder)
  return folder, model.encoder_network.importance_scorer


@pytest.fixture
def made(run, tmp_path):
  """A copy of the run for summaries, and its scorer."""
  return shutil.copytree(run[0], tmp_path / "run"), run[1]


def _write(folder, steps) -> None:
  writer = tf.summary.create_file_writer(str(folder / "train"))
  with writer.as_default():
    for step in steps:
      values = np.linspace(0, step, 101)
      tf.summary.histogram("importance", values, step=step, buckets=50)
      tf.summary.scalar("other", 1.0, step=step)
  writer.close()


def _read(folder, scorer) -> tuple[pd.DataFrame, pd.DataFrame]:
  scores = table_history.scores_by_step(str(folder), scorer)
  return scores, table_history.quantiles_by_step(str(folder), scores)


def test_histograms_and_checkpoints_are_one_history(made):
  folder, scorer = made
  _write(folder, [2, 5])
  scores, quantiles = _read(folder, scorer)
  assert list(quantiles.index) == [2, 5, run_testing.STEP]
  np.testing.assert_allclose(
    quantiles.loc[5], [0.25, 1.25, 2.5, 3.75, 4.75], atol=0.06
  )
  learnt = np.arange(explain_testing.WORDS) / 10
  expected = np.quantile(learnt, table_history.SHARES)
  found = quantiles.loc[run_testing.STEP]
  np.testing.assert_allclose(found, expected, rtol=1e-6)
  assert list(scores) == [run_testing.STEP]
  pinned, others = np.split(scores[run_testing.STEP], [5])
  assert np.isnan(pinned).all()
  np.testing.assert_allclose(others, learnt, rtol=1e-6)


def test_of_many_steps_so_many_are_drawn(made, monkeypatch):
  monkeypatch.setattr(table_history, "MAX_POINTS", 5)
  folder, scorer = made
  _write(folder, range(10, 25))
  steps = _read(folder, scorer)[1].index
  assert len(steps) == 5 + 1  # and the checkpoint's
  assert (steps[0], steps[-1]) == (run_testing.STEP, 24)


def test_a_file_that_breaks_off_gives_what_it_has(made):
  folder, scorer = made
  _write(folder, [2, 5])
  (path,) = (folder / "train").glob("events*")
  path.write_bytes(path.read_bytes()[:-9])
  assert list(_read(folder, scorer)[1].index) == [2, 5, run_testing.STEP]


def test_a_folder_with_nothing_has_no_history(made, tmp_path):
  scores, quantiles = _read(tmp_path / "empty", made[1])
  assert scores.empty and quantiles.empty
