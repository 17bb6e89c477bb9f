# SPDX-License-Identifier: Apache-2.0
"""The summary at the end of a run."""

from token_dropping.data.batches import record_rules
from token_dropping.dropping.importance import importance_report
from token_dropping.dropping.importance import token_scorer
from token_dropping.tasks.masked_lm import dropped_validation
from token_dropping.training import progress
from token_dropping.training import shown_outputs


def format_summary(
  reporter: progress.ProgressReporter,
  step: int,
  checkpoint: str | None,
  unigram_loss: float | None,
) -> str:
  """Returns the summary's lines on steps, losses and the checkpoint.

  Args:
    reporter: what was seen during the run.
    step: int, the step reached.
    checkpoint: path of the latest checkpoint.
    unigram_loss: of a guess without context, in nats, if it is known.
  """
  lines = [_headline(reporter, step)]
  for name, outputs, note in (
    ("training loss", reporter.train_outputs, ""),
    ("validation loss", reporter.eval_outputs, "  (whole sequences)"),
  ):
    if outputs:
      lines.append(
        _line(
          name,
          f"{outputs['lm_example_loss']:.3f}  masked-LM accuracy "
          f"{outputs['masked_lm_accuracy']:.3f}{note}",
        )
      )
  if dropped_validation.LOSS in reporter.eval_outputs:
    lines.append(_line("dropped loss", _dropped_scores(reporter.eval_outputs)))
  if unigram_loss is not None and reporter.eval_outputs:
    note = "  (best guess without context)"
    lines.append(_line("unigram loss", f"{unigram_loss:.3f}{note}"))
  skipped = _skipped_records(reporter)
  if skipped:
    lines.append(_line("skipped records", skipped))
  if checkpoint:
    lines.append(_line("checkpoint", checkpoint))
  return "\n".join(lines)


def _dropped_scores(outputs: dict) -> str:
  return (
    f"{outputs[dropped_validation.LOSS]:.3f}  masked-LM accuracy "
    f"{outputs[dropped_validation.ACCURACY]:.3f}  (validation, with dropping)"
  )


def _skipped_records(reporter: progress.ProgressReporter) -> str:
  """Returns how many bad records were skipped, where any were."""
  found = [
    f"{outputs[record_rules.SKIPPED]:,.0f} in {where}"
    for outputs, where in (
      (reporter.train_outputs, "training"),
      (reporter.eval_outputs, "the last evaluation"),
    )
    if outputs.get(record_rules.SKIPPED)
  ]
  return ", ".join(found)


def format_finetuning(
  reporter: progress.ProgressReporter,
  step: int,
  checkpoint: str | None,
  shown: shown_outputs.ShownOutputs,
  best: dict | None,
) -> str:
  """Returns the summary's lines on steps, scores and checkpoints.

  Args:
    reporter: what was seen during the run.
    step: int, the step reached.
    checkpoint: path of the latest checkpoint.
    shown: names of the outputs to show.
    best: what `best_checkpoint.read_scores` returned.
  """
  lines = [_headline(reporter, step)]
  for name, names, outputs in (
    ("training", shown.train, reporter.train_outputs),
    ("validation", shown.evaluation, reporter.eval_outputs),
  ):
    if outputs:
      lines.append(_line(name, shown_outputs.format_outputs(names, outputs)))
  if best:
    scores = {k: v for k, v in shown.evaluation.items() if v in best["scores"]}
    text = shown_outputs.format_outputs(scores, best["scores"])
    lines.append(_line("best", f"{text}  (step {best['step']:,})"))
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
