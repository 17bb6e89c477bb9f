# SPDX-License-Identifier: Apache-2.0
"""Tests of what a run shows."""

import io

import tensorflow as tf

from token_dropping.dropping.importance import importance_scorer
from token_dropping.tasks import hooks
from token_dropping.training import progress


class _Terminal(io.StringIO):
  def isatty(self) -> bool:
    return True


OUTPUTS = {"lm_example_loss": 6.5, "masked_lm_accuracy": 0.25}
NAMES = {"loss": "lm_example_loss", "accuracy": "masked_lm_accuracy"}
SHOWN = hooks.ShownOutputs(NAMES, NAMES)


def _run(stream, first_step: int = 0):
  """Trains two loops of ten steps, 2 s and 1 s, evaluation of 50 s between."""
  step, seconds = tf.Variable(first_step), [0]
  reporter = progress.ProgressReporter(
    step, 40, 512, SHOWN, stream, lambda: sum(seconds)
  )
  reporter.start()
  outputs = dict(OUTPUTS)
  for trained in (2, 1):
    seconds.append(trained)
    step.assign_add(10)
    reporter.on_train(outputs)
    seconds.append(50)
    reporter.on_eval(OUTPUTS)
  reporter.close()
  return reporter, outputs


def test_plain_lines_in_a_pipe():
  stream = io.StringIO()
  _, outputs = _run(stream)
  assert stream.getvalue().splitlines() == [
    "step      10/40  loss 6.500  accuracy 0.250  2,560 tokens/s  00:06 left",
    "step      10  evaluation: loss 6.500  accuracy 0.250",
    "step      20/40  loss 6.500  accuracy 0.250  5,120 tokens/s  00:02 left",
    "step      20  evaluation: loss 6.500  accuracy 0.250",
  ]
  assert outputs["tokens_per_second"] == 5120.0  # for TensorBoard


def test_bar_on_a_terminal():
  stream = _Terminal()
  _run(stream)
  shown = stream.getvalue()
  assert "\r" in shown and "20/40" in shown
  assert "loss 6.500  accuracy 0.250  5,120 tokens/s" in shown
  assert "step      20  evaluation: loss 6.500" in shown


# The summary.


def test_a_continued_run_sums_up_its_own_steps_without_evaluation():
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


def test_importance_lines():
  scorer = importance_scorer.ImportanceScorer(9, beta=0.0)
  scorer.update([[5, 6]], [[1.0, 2.0]], [[1.0, 1.0]])
  names = ["", "", "", "", "", "the", "of"]
  assert progress.format_importance(scorer, names) == [
    "  most important   of the",
    "  least important  the of",
  ]
