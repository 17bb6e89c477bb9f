# SPDX-License-Identifier: Apache-2.0
"""Findings as text for a terminal."""

import functools
import textwrap
from collections.abc import Iterator

import numpy as np
import pandas as pd

from token_dropping.explain import findings as findings_lib
from token_dropping.explain import sequences as sequences_lib
from token_dropping.explain import table_history
from token_dropping.explain import token_groups

WIDTH = 80
# ANSI: bold, faint, cyan.
_COLOURS = {
  sequences_lib.KEPT: "1",
  sequences_lib.DROPPED: "2",
  sequences_lib.SPECIAL: "36",
}
_BLOCKS = " ▏▎▍▌▋▊▉█"
_BAR = 24


def paragraphs(
  findings: findings_lib.Findings, coloured: bool = False
) -> Iterator[str]:
  """Yields findings; without colours dropped words stand between tildes."""
  yield "\n".join(_row(*row) for row in findings.headline().items())
  mark = functools.partial(_mark, coloured=coloured)
  kept, dropped = (mark(s, s) for s in (sequences_lib.KEPT, "dropped"))
  yield f"The text: {kept}, {dropped}"
  sequences = findings.source.sequences
  for sequence, computed in zip(sequences, findings.computed, strict=True):
    yield marked_lines(sequence, computed, coloured)
  tokens = findings.tokens()
  title = "Kept share by how often the token occurs in this text"
  yield shares(title, token_groups.by_frequency(tokens))
  title = "Kept share by part of the sentence"
  yield shares(title, token_groups.by_part(tokens))
  if findings.loss_name:
    yield losses(findings.loss_name, token_groups.by_fate(tokens))
  yield history(findings.quantiles, findings.unit)


def _row(name: str, value: str) -> str:
  return textwrap.fill(
    value,
    WIDTH,
    initial_indent=f"{name:<12}",
    subsequent_indent=" " * 12,
    break_long_words=False,
    break_on_hyphens=False,
  )


def marked_lines(
  sequence: sequences_lib.TextSequence,
  computed: np.ndarray,
  coloured: bool = False,
) -> str:
  """Returns a sequence as lines of at most `WIDTH` characters of text."""
  mark = functools.partial(_mark, coloured=coloured)
  lines, length = [], WIDTH
  for word in sequence.marked_words(computed):
    size = 1 + sum(len(piece) for _, piece in word)
    if length + size > WIDTH:  # tildes are not counted
      lines.append([])
      length = 0
    lines[-1].append(word)
    length += size
  return "\n".join(sequences_lib.join(line, mark) for line in lines)


def _mark(text: str, style: str, coloured: bool) -> str:
  if coloured:
    colour = _COLOURS.get(style)
    return f"\x1b[{colour}m{text}\x1b[0m" if colour else text
  return f"~{text}~" if style == sequences_lib.DROPPED else text


def shares(title: str, groups: pd.DataFrame) -> str:
  """Returns kept shares as bars."""
  width = max(map(len, groups.index))
  lines = [title]
  for label, count, share in groups.itertuples():
    eighths = round(share * _BAR * 8)
    bar = "█" * (eighths // 8) + _BLOCKS[eighths % 8].strip()
    text = f"  {label:<{width}}  {share:>6.1%}  {bar:<{_BAR}}  {count:,} tokens"
    lines.append(text)
  return "\n".join(lines)


def losses(name: str, means: pd.DataFrame) -> str:
  """Returns mean losses with the 95% intervals of the means."""
  title = f"{name} on whole sequences, nats, mean and 95% interval"
  lines = [title[0].upper() + title[1:]]
  width = max(map(len, means.index))
  for label, count, mean, margin, too_few in means.itertuples():
    interval = "" if np.isnan(margin) else f" ± {margin:.3f}"
    few = "  (too few to say more)" if too_few else ""
    text = f"  {label:<{width}}  {mean:.3f}{interval}  {count:,} tokens{few}"
    lines.append(text)
  return "\n".join(lines)


def history(quantiles: pd.DataFrame, unit: str) -> str:
  """Returns the spread of the learnt scores at a few steps."""
  if quantiles.empty:
    return "Importance over training: no scores by id, or no summaries yet"
  lines = [f"Importance over training, {unit}: 5%, median and 95% of the ids"]
  for step, *scores in table_history.some_rows(quantiles, 6).itertuples():
    low, _, middle, _, high = scores
    lines.append(f"  step {step:>9,}  {low:6.2f}  {middle:6.2f}  {high:6.2f}")
  return "\n".join(lines)
