# SPDX-License-Identifier: Apache-2.0
"""Tests of the summary at the end of a run."""

import types

from token_dropping.dropping.importance import importance_scorer
from token_dropping.tasks import experiments
from token_dropping.training import run_summary


def _reporter(steps: int):
  return types.SimpleNamespace(
    steps=steps, train_seconds=125.4, tokens_per_second=12345.6
  )


def test_lines_of_the_task_stand_between_headline_and_checkpoint():
  text = run_summary.format_summary(
    _reporter(1500), 1600, [("loss", "6.5"), ("f1", "0.9")], "run/ckpt-1600"
  )
  assert text.splitlines() == [
    "Trained 1,500 steps, to step 1,600, in 2 min 5 s at 12,346 tokens/s.",
    "  loss             6.5",
    "  f1               0.9",
    "  checkpoint       run/ckpt-1600",
  ]


def test_a_run_that_was_complete():
  text = run_summary.format_summary(_reporter(0), 40, [], None)
  assert text == "Nothing to train: the run is at step 40."


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
  assert run_summary.format_importance(scorer, "") == [
    "  most important   id 6 id 5",
    "  least important  id 5 id 6",
  ]
