# SPDX-License-Identifier: Apache-2.0
"""The summary at the end of a run."""

from collections.abc import Iterable

from token_dropping.dropping.importance import importance_report
from token_dropping.dropping.importance import token_scorer
from token_dropping.training import progress


def format_summary(
  reporter: progress.ProgressReporter,
  step: int,
  lines: Iterable[tuple[str, str]],
  checkpoint: str | None,
) -> str:
  """Returns the summary's lines on steps, the task and the checkpoint.

  Args:
    reporter: what was seen during the run.
    step: the step reached.
    lines: what the task says of it, each a name and a text.
    checkpoint: path of the latest checkpoint.
  """
  lines = [_headline(reporter, step), *(_line(*pair) for pair in lines)]
  if checkpoint:
    lines.append(_line("checkpoint", checkpoint))
  return "\n".join(lines)


def format_importance(
  scorer: token_scorer.TokenScorer, vocab_file: str
) -> list[str]:
  """Returns the summary's lines on the most and least important tokens.

  None where scores do not depend on the id alone.
  """
  if scorer.scores_by_id() is None:
    return []
  most, least = importance_report.ranked_tokens(scorer, vocab_file)
  return [
    _line("most important", " ".join(most)),
    _line("least important", " ".join(least)),
  ]


def _headline(reporter: progress.ProgressReporter, step: int) -> str:
  if not reporter.steps:
    return f"Nothing to train: the run is at step {step:,}."
  minutes, seconds = divmod(round(reporter.train_seconds), 60)
  return (
    f"Trained {reporter.steps:,} steps, to step {step:,}, in {minutes} min "
    f"{seconds} s at {reporter.tokens_per_second:,.0f} tokens/s."
  )


def _line(name: str, text: str) -> str:
  return f"  {name:<16} {text}"
