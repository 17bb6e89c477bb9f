# SPDX-License-Identifier: Apache-2.0
"""Tests of what is read from the summaries of a run."""

from token_dropping.study import measurements
from token_dropping.training import summaries

TRAINED = {
  "train_seconds": {5: 10.0, 10: 30.0, 15: 40.0, 20: 50.0},
  "train_cpu_seconds": {5: 5.0, 10: 10.0, 15: 15.0, 20: 20.0},
}
EVALUATED = {
  "lm_example_loss": {10: 3.0, 20: 2.0},
  "masked_lm_accuracy": {10: 0.3, 20: 0.4},
}


def test_curve():
  names = ("step", "loss", "accuracy", "seconds", "cpu_seconds")
  names += ("multiply_adds",)
  points = [(10, 3.0, 0.3, 30.0, 10.0, 70), (20, 2.0, 0.4, 50.0, 20.0, 140)]
  expected = [dict(zip(names, point, strict=True)) for point in points]

  def macs(step: int) -> int:
    return 7 * step

  assert measurements.curve(TRAINED, EVALUATED, macs) == expected
  dropped = {"dropped_lm_example_loss": {10: 3.5, 20: 2.5}}
  for point, loss in zip(expected, (3.5, 2.5), strict=True):
    point["dropped_loss"] = loss
  assert measurements.curve(TRAINED, EVALUATED | dropped, macs) == expected


def test_the_loss_of_a_translation_is_a_loss(monkeypatch):
  found = {"token_loss": {10: 3.0}, "bleu": {10: 7.5}, "kept_share": {10: 1.0}}
  monkeypatch.setattr(summaries, "read_scalars", {"folder": found}.get)
  renamed = measurements.read_scalars("folder")
  assert renamed == {"lm_example_loss": {10: 3.0}} | {
    name: found[name] for name in ("bleu", "kept_share")
  }
  (point,) = measurements.curve(TRAINED, renamed, int)
  assert (point["loss"], point["bleu"]) == (3.0, 7.5)


def test_step_time_is_the_median_over_loops():
  # 2, 4, 2 and 2 seconds a step.
  seconds = {0: 0.0} | TRAINED["train_seconds"]
  assert measurements.median_step(seconds) == 2.0


def test_training_loss_since_the_last_evaluation_but_one():
  losses = {5: 9.0, 10: 8.0, 15: 4.0, 20: 3.0}
  assert measurements.last_mean(losses, {10: 0.0, 20: 0.0}) == 3.5
  assert measurements.last_mean(losses, {20: 0.0}) == 6.0
