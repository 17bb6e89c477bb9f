# SPDX-License-Identifier: Apache-2.0
"""Tests of the loss of every token."""

import numpy as np
import pytest
import tensorflow as tf

from tests import explain_testing
from token_dropping.explain import dropping_model
from token_dropping.explain import sequences
from token_dropping.explain import token_losses
from token_dropping.training import trained_run

MASK = 4


@pytest.fixture(scope="module")
def run(tmp_path_factory):
  folder = tmp_path_factory.mktemp("losses") / "run"
  explain_testing.make_run(folder)
  return trained_run.TrainedRun.read(str(folder))


def _sequence(run, ids) -> sequences.TextSequence:
  ids = np.array([2, *ids, 3])
  return sequences.from_ids(ids, np.zeros_like(ids), run.vocabulary)


def test_every_token_is_masked_alone_where_there_are_few(run):
  row = _sequence(run, [7, 8, 9])
  model = dropping_model.build(run)
  (found,) = token_losses.masked_losses(model, [row], MASK)
  assert np.isnan(found[[0, -1]]).all()
  bert = run.build_masked_lm()  # the network that is shipped
  for place in (1, 2, 3):
    masked = row.ids[np.newaxis].copy()
    masked[0, place] = MASK
    logits = bert(
      {
        "input_word_ids": tf.constant(masked),
        "input_mask": tf.ones_like(masked),
        "input_type_ids": tf.zeros_like(masked),
        "masked_lm_positions": tf.constant([[place]]),
      }
    )["mlm_logits"][0, 0]
    loss = -tf.nn.log_softmax(logits)[row.ids[place]]
    np.testing.assert_allclose(found[place], loss, rtol=1e-4)


def test_all_tokens_of_sequences_of_any_length_get_a_loss(run):
  rows = [_sequence(run, range(10, 24)), _sequence(run, [6])]
  rows.append(_sequence(run, range(20, 34)))
  model = dropping_model.build(run)
  found = token_losses.masked_losses(model, rows, MASK)
  for row, losses in zip(rows, found, strict=True):
    np.testing.assert_array_equal(np.isnan(losses), row.special)
  again = token_losses.masked_losses(model, rows, MASK)
  np.testing.assert_array_equal(np.concatenate(found), np.concatenate(again))


def test_means_by_what_happened():
  losses = [np.array([np.nan, 1.0, 3.0, 5.0]), np.array([7.0, 8.0])]
  computed = [np.array([1.0, 1.0, 0.0, 0.5]), np.array([1.0, 0.0])]
  kept, partly, dropped = token_losses.compare(losses, computed)
  assert (kept.label, kept.count, kept.mean) == ("kept", 2, 4.0)
  # Deviation of 1 and 7 from 4: the square root of 18; over that of 2, 3.
  np.testing.assert_allclose(kept.margin, 1.96 * 3)
  assert (partly.label, partly.count, partly.mean) == ("partly kept", 1, 5.0)
  assert np.isnan(partly.margin)
  assert (dropped.label, dropped.mean) == ("dropped", 5.5)
  assert kept.too_few


def test_enough_tokens_are_not_too_few():
  (kept,) = token_losses.compare(
    [np.ones(token_losses.FEW)], [np.ones(token_losses.FEW)]
  )
  assert not kept.too_few
