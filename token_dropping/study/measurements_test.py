# SPDX-License-Identifier: Apache-2.0
"""Tests of what is read from the summaries of a run."""

from token_dropping.study import measurements

TRAINED = {
  "train_seconds": {5: 10.0, 10: 30.0, 15: 40.0, 20: 50.0},
  "train_cpu_seconds": {5: 5.0, 10: 10.0, 15: 15.0, 20: 20.0},
}
EVALUATED = {
  "lm_example_loss": {10: 3.0, 20: 2.0},
  "masked_lm_accuracy": {10: 0.3, 20: 0.4},
}


def test_curve():
  assert measurements.curve(TRAINED, EVALUATED, lambda step: 7 * step) == [
    {
      "step": 10,
      "loss": 3.0,
      "accuracy": 0.3,
      "seconds": 30.0,
      "cpu_seconds": 10.0,
      "multiply_adds": 70,
    },
    {
      "step": 20,
      "loss": 2.0,
      "accuracy": 0.4,
      "seconds": 50.0,
      "cpu_seconds": 20.0,
      "multiply_adds": 140,
    },
  ]


def test_curve_with_dropping():
  dropped = {"dropped_lm_example_loss": {10: 3.5, 20: 2.5}}
  points = measurements.curve(TRAINED, EVALUATED | dropped, lambda step: 0)
  assert [point["dropped_loss"] for point in points] == [3.5, 2.5]


def test_step_time_is_the_median_over_loops():
  # 2, 4, 2 and 2 seconds a step.
  assert measurements.median_step(TRAINED["train_seconds"]) == 2.0


def test_training_loss_since_the_last_evaluation_but_one():
  losses = {5: 9.0, 10: 8.0, 15: 4.0, 20: 3.0}
  assert measurements.last_mean(losses, {10: 0.0, 20: 0.0}) == 3.5
  assert measurements.last_mean(losses, {20: 0.0}) == 6.0
