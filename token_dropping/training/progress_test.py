# SPDX-License-Identifier: Apache-2.0
"""Tests of what a run shows."""

import io

import pytest
import tensorflow as tf

from token_dropping.dropping.importance import importance_scorer
from token_dropping.tasks import experiments
from token_dropping.tasks import hooks
from token_dropping.training import progress


class _Terminal(io.StringIO):
  def isatty(self) -> bool:
    return True


class _Clock:
  """A clock that the test moves."""

  def __init__(self):
    self.now = 100.0

  def __call__(self) -> float:
    return self.now


OUTPUTS = {"lm_example_loss": 6.5, "masked_lm_accuracy": 0.25}
NAMES = {"loss": "lm_example_loss", "accuracy": "masked_lm_accuracy"}
SHOWN = hooks.ShownOutputs(NAMES, NAMES)


def _run(stream, first_step: int = 0):
  """Trains two loops of ten steps, 2 s and 1 s, evaluation of 50 s between."""
  step, clock = tf.Variable(first_step), _Clock()
  reporter = progress.ProgressReporter(
    step, 40, 512, SHOWN, stream=stream, clock=clock
  )
  reporter.start()
  outputs = dict(OUTPUTS)
  for seconds in (2, 1):
    clock.now += seconds
    step.assign_add(10)
    reporter.on_train(outputs)
    clock.now += 50
    reporter.on_eval(OUTPUTS)
  reporter.close()
  return reporter, outputs


def test_plain_lines_in_a_pipe():
  stream = io.StringIO()
  _run(stream)
  assert stream.getvalue().splitlines() == [
    "step      10/40  loss 6.500  accuracy 0.250  2,560 tokens/s  00:06 left",
    "step      10  evaluation: loss 6.500  accuracy 0.250",
    "step      20/40  loss 6.500  accuracy 0.250  5,120 tokens/s  00:02 left",
    "step      20  evaluation: loss 6.500  accuracy 0.250",
  ]


def test_bar_on_a_terminal():
  stream = _Terminal()
  _run(stream)
  shown = stream.getvalue()
  assert "\r" in shown and "20/40" in shown
  assert "loss 6.500  accuracy 0.250  5,120 tokens/s" in shown
  assert "step      20  evaluation: loss 6.500" in shown


def test_evaluation_is_not_training_time():
  reporter, _ = _run(io.StringIO())
  assert reporter.steps == 20
  assert reporter.train_seconds == 3.0
  assert reporter.tokens_per_second == pytest.approx(20 * 512 / 3)


def test_a_continued_run_counts_its_own_steps():
  reporter, _ = _run(io.StringIO(), first_step=20)
  assert reporter.steps == 20


def test_speed_goes_to_tensorboard_with_the_outputs():
  _, outputs = _run(io.StringIO())
  assert outputs["tokens_per_second"] == 5120.0


# The summary.


def test_lines_of_the_task_stand_between_headline_and_checkpoint():
  reporter, _ = _run(io.StringIO(), first_step=1000)
  lines = [("loss", "6.5"), ("f1", "0.9")]
  assert reporter.summarize(lines, "run/ckpt-1020").splitlines() == [
    "Trained 20 steps, to step 1,020, in 0 min 3 s at 3,413 tokens/s.",
    "  loss             6.5",
    "  f1               0.9",
    "  checkpoint       run/ckpt-1020",
  ]


def test_a_run_that_was_complete():
  step = tf.Variable(40)
  reporter = progress.ProgressReporter(step, 40, 512, SHOWN, io.StringIO())
  reporter.start()
  text = "Nothing to train: the run is at step 40."
  assert reporter.summarize([], None) == text


def test_fine_tuning_shows_scores_and_the_best():
  params = experiments.get("bert/token_drop_glue")
  params.task.override({"model": {"num_classes": 1}, "metrics": ("f1",)})
  params.task.validation_data.input_path = "validation.tfrecord"
  hooks = experiments.hooks_of(params)
  train, evaluation = {"training_loss": 0.5}, {"validation_loss": 0.75}
  best = {"scores": {"f1": 0.9}, "step": 1200}
  assert hooks.summarize({}, {}, None) == []
  assert hooks.summarize(train, evaluation | {"f1": 0.875}, best) == [
    ("training", "loss 0.500"),
    ("validation", "loss 0.750  f1 0.875"),
    ("best", "f1 0.900  (step 1,200)"),
  ]


def test_importance_lines():
  scorer = importance_scorer.ImportanceScorer(9, beta=0.0)
  scorer.update([[5, 6]], [[1.0, 2.0]], [[1.0, 1.0]])
  assert progress.format_importance(scorer, "") == [
    "  most important   id 6 id 5",
    "  least important  id 5 id 6",
  ]
