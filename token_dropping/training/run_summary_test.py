# SPDX-License-Identifier: Apache-2.0
"""Tests of the summary at the end of a run."""

import types

from token_dropping.dropping.importance import importance_scorer
from token_dropping.training import run_summary
from token_dropping.training import shown_outputs


def _reporter(**kwargs):
  outputs = {"lm_example_loss": 6.5, "masked_lm_accuracy": 0.125}
  defaults = {
    "steps": 1500,
    "train_seconds": 125.4,
    "tokens_per_second": 12345.6,
    "train_outputs": outputs,
    "eval_outputs": outputs | {"lm_example_loss": 6.75},
  }
  return types.SimpleNamespace(**(defaults | kwargs))


def test_whole_summary():
  text = run_summary.format_summary(_reporter(), 1600, "run/ckpt-1600", 6.8608)
  assert text.splitlines() == [
    "Trained 1,500 steps, to step 1,600, in 2 min 5 s at 12,346 tokens/s.",
    "  training loss    6.500  masked-LM accuracy 0.125",
    "  validation loss  6.750  masked-LM accuracy 0.125  (whole sequences)",
    "  unigram loss     6.861  (best guess without context)",
    "  checkpoint       run/ckpt-1600",
  ]


def test_only_what_was_seen_is_shown():
  reporter = _reporter(steps=0, train_outputs={}, eval_outputs={})
  text = run_summary.format_summary(reporter, 40, None, None)
  assert text == "Nothing to train: the run is at step 40."


def test_dropped_validation_stands_beside_that_of_whole_sequences():
  outputs = _reporter().eval_outputs | {
    "dropped_lm_example_loss": 6.25,
    "dropped_masked_lm_accuracy": 0.25,
  }
  text = run_summary.format_summary(
    _reporter(eval_outputs=outputs), 1600, None, None
  )
  assert text.splitlines()[-2:] == [
    "  validation loss  6.750  masked-LM accuracy 0.125  (whole sequences)",
    "  dropped loss     6.250  masked-LM accuracy 0.250  "
    "(validation, with dropping)",
  ]


def test_skipped_records_are_counted():
  outputs = _reporter().train_outputs
  reporter = _reporter(
    train_outputs=outputs | {"skipped_records": 1234.0},
    eval_outputs=outputs | {"skipped_records": 1.0},
  )
  text = run_summary.format_summary(reporter, 40, None, None)
  line = "  skipped records  1,234 in training, 1 in the last evaluation"
  assert text.splitlines()[-1] == line
  reporter.train_outputs["skipped_records"] = 0.0
  text = run_summary.format_summary(reporter, 40, None, None)
  line = "  skipped records  1 in the last evaluation"
  assert text.splitlines()[-1] == line


def test_fine_tuning_summary():
  reporter = _reporter(
    train_outputs={"training_loss": 0.5},
    eval_outputs={"validation_loss": 0.75, "f1": 0.875},
  )
  shown = shown_outputs.ShownOutputs(
    {"loss": "training_loss"}, {"loss": "validation_loss", "f1": "f1"}
  )
  best = {"scores": {"f1": 0.9}, "step": 1200}
  text = run_summary.format_finetuning(reporter, 1600, "run/c-1", shown, best)
  assert text.splitlines()[1:] == [
    "  training         loss 0.500",
    "  validation       loss 0.750  f1 0.875",
    "  best             f1 0.900  (step 1,200)",
    "  checkpoint       run/c-1",
  ]


def test_importance_lines():
  scorer = importance_scorer.ImportanceScorer(9, beta=0.0)
  scorer.update([[5, 6]], [[1.0, 2.0]], [[1.0, 1.0]])
  assert run_summary.format_importance(scorer, "") == [
    "  most important   id 6 id 5",
    "  least important  id 5 id 6",
  ]
