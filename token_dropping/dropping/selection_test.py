# SPDX-License-Identifier: Apache-2.0
"""Tests of who of scored tokens stays by a threshold."""

import numpy as np
import pytest
import tensorflow as tf

from tests import testing
from token_dropping.dropping import config as dropping_config
from token_dropping.dropping import selection
from token_dropping.dropping.importance import step_seed

SEEDS = step_seed.StepSeed(tf.Variable(3), seed=1)


def _make(slack: float = 1.0, values=(0.0,)) -> selection.Threshold:
  made = selection.Threshold(len(values), slack)
  made.thresholds.assign(values)
  return made


def _choose(threshold, scores, keep: int, layer=0, mask=None):
  places, sums = threshold.choose(
    tf.constant(scores, tf.float32), keep, mask, layer, SEEDS
  )
  return places.numpy().tolist(), sums.numpy()


def test_scores_over_the_threshold_of_their_layer_stay_from_left_to_right():
  threshold = _make(values=[5.0, 2.0])
  scores = [[3.0, 6.0, 7.0, 8.0], [1.0, 9.0, 1.0, 1.0]]
  assert _choose(threshold, scores, keep=2)[0] == [[1, 2], [1, 4]]
  assert _choose(threshold, scores, keep=2, layer=1)[0] == [[0, 1], [1, 4]]


def test_padding_and_ids_that_leave_first_never_stay():
  mask = tf.constant([[1, 1, 1, 0]])
  places, sums = _choose(_make(), [[1.0, -1e4, 1e4, 7.0]], 4, mask=mask)
  assert places == [[0, 2, 4, 4]]
  count, excess, scored, total, squares = sums[0]
  assert (count, excess, scored) == (2, 0, 1)  # all that can may stay
  assert total == pytest.approx(1, abs=2e-3)
  assert squares == pytest.approx(1, abs=4e-3)


def test_a_threshold_goes_where_too_many_or_too_few_are_over_it():
  """By a tenth of the distance times the share: 0.1 * 2 * (3/4 - 1/2)."""
  threshold = _make(slack=1.5, values=[5.0, 5.0])
  _, sums = _choose(threshold, [[7.0, 7.0, 7.0, 3.0]], keep=3)
  threshold.move({"selection_sums": tf.constant(sums)})
  found = threshold.thresholds.numpy()
  np.testing.assert_allclose(found, [5.05, 5.0], atol=1e-3)


def test_the_first_step_keeps_the_first_and_finds_the_mean():
  threshold = selection.Threshold(num_layers=1, slack=1.0)
  places, sums = _choose(threshold, [[2.0, 9.0, 4.0, 5.0]], keep=2)
  assert places == [[0, 1]]
  threshold.move({"selection_sums": tf.constant(sums)})
  assert threshold.thresholds.numpy() == pytest.approx([5], abs=1e-3)


@pytest.mark.parametrize("kind", ["spread", "equal", "moving"])
def test_the_share_over_it_becomes_what_is_asked_for(kind):
  """Also of scores that are all the same, as before anything is learnt."""
  rng = np.random.default_rng(1)
  threshold, step = selection.Threshold(1, slack=1.25), tf.Variable(0)
  seeds, shares = step_seed.StepSeed(step, 1), []
  for index in range(300):
    step.assign(index)
    scores = np.full([8, 64], 10.0)
    if kind != "equal":
      scores = rng.gamma(2.0, 2.0, [8, 64])
    if kind == "moving":
      scores -= index / 1000
    places, sums = threshold.choose(
      tf.constant(scores, tf.float32), 40, None, 0, seeds
    )
    threshold.move({"selection_sums": sums})
    shares.append(np.mean(places.numpy() < 64) * 40 / 64)
  assert np.mean(shares[200:]) == pytest.approx(0.5, abs=0.02)


def test_slots_are_more_than_what_stays_but_no_more_than_there_is():
  plan = dropping_config.CausalDroppingConfig(
    importance={"type": "frequency"}, token_keep_ratio=0.5
  ).make_plan(num_layers=4)
  assert plan.keep_counts(100) == (56,)  # 55.000...1
  assert plan.with_ratios([0.95]).keep_counts(100) == (100,)


@pytest.mark.parametrize(
  ("fields", "kind"),
  [
    ({}, "top_k"),
    ({"importance": {"type": "next_token_loss"}}, "threshold"),
    ({"importance": {"type": "hidden_norm"}}, "threshold"),
    ({"token_allow_list": (7,)}, "threshold"),
    ({"token_deny_list": (0, 7)}, "threshold"),
    (
      {"importance": {"type": "frequency"}, "selection": {"type": "top_k"}},
      "top_k",
    ),
  ],
)
def test_a_causal_network_has_a_threshold_where_scores_tell_of_tokens(
  fields, kind
):
  config = dropping_config.CausalDroppingConfig(**fields)
  assert config.resolved_selection.type == kind
  made = config.make_scorer(vocab_size=9, num_layers=2).selector
  assert isinstance(made, selection.Threshold) == (kind == "threshold")
  again = config.without_files(vocab_size=9)
  assert again.resolved_selection.type == kind


@pytest.mark.parametrize(
  ("causal", "fields", "rule"),
  [
    (True, {"selection": {"type": "k"}}, "selection.type must be one of top_k"),
    (True, {"selection": {"slack": 0.9}}, "selection.slack must be at least 1"),
    (
      False,
      {"selection": {"type": "threshold"}},
      "selection.type must be top_k in a network that is not causal",
    ),
    (
      True,
      {"importance": {"type": "mlm_loss"}},
      "importance.type must be one of next_token_loss, frequency, random, "
      "hidden_norm in a network that is causal",
    ),
    (
      False,
      {"importance": {"type": "next_token_loss"}},
      "importance.type must be one of mlm_loss, frequency, random, ",
    ),
  ],
)
def test_what_does_not_fit_the_network_is_refused(causal, fields, rule):
  kinds = dropping_config.DroppingConfig, dropping_config.CausalDroppingConfig
  config = kinds[causal](**fields)
  assert testing.refused(config.make_scorer, 200, 4).startswith(rule)
