# SPDX-License-Identifier: Apache-2.0
"""Findings as text for a terminal."""

import dataclasses
import textwrap
from collections.abc import Iterator, Sequence

import numpy as np

from token_dropping.explain import findings as findings_lib
from token_dropping.explain import kept_share
from token_dropping.explain import marked_text
from token_dropping.explain import sequences as sequences_lib
from token_dropping.explain import table_history
from token_dropping.explain import token_losses

WIDTH = 80
# ANSI: bold, faint, cyan.
_COLOURS = {
  marked_text.KEPT: "1",
  marked_text.DROPPED: "2",
  marked_text.SPECIAL: "36",
}
_BLOCKS = " ▏▎▍▌▋▊▉█"
_BAR = 24


@dataclasses.dataclass(frozen=True)
class TerminalText:
  """Shows findings.

  Attributes:
    coloured: bool, kept words are bold and dropped ones faint; without colours
      dropped ones stand between tildes.
  """

  coloured: bool = False

  def show(self, findings: findings_lib.Findings) -> Iterator[str]:
    """Yields paragraphs."""
    yield _table(findings.headline())
    yield self._legend()
    for sequence, dropping in zip(
      findings.sequences, findings.droppings, strict=True
    ):
      yield self.sequence(sequence, dropping.computed)
    yield shares(
      "Kept share by how often the token occurs in this text",
      findings.by_frequency,
    )
    yield shares("Kept share by part of the sentence", findings.by_part)
    yield losses(findings.compared)
    yield history(findings.history)

  def sequence(
    self, sequence: sequences_lib.TextSequence, computed: np.ndarray
  ) -> str:
    """Returns a sequence as lines of at most `WIDTH` characters of text."""
    words = marked_text.words(sequence, computed)
    return "\n".join(
      marked_text.join(line, self._marked) for line in _lines(words)
    )

  def _marked(self, text: str, style: str) -> str:
    if self.coloured:
      colour = _COLOURS.get(style)
      return f"\x1b[{colour}m{text}\x1b[0m" if colour else text
    return f"~{text}~" if style == marked_text.DROPPED else text

  def _legend(self) -> str:
    kept = self._marked("kept", marked_text.KEPT)
    return f"The text: {kept}, {self._marked('dropped', marked_text.DROPPED)}"


def _lines(words: list[marked_text.Word]) -> Iterator[list]:
  """Yields lines of words; tildes are not counted."""
  line, length = [], 0
  for word in words:
    size = 1 + sum(len(piece) for _, piece in word)
    if line and length + size > WIDTH:
      yield line
      line, length = [], 0
    line.append(word)
    length += size
  if line:
    yield line


def shares(title: str, groups: Sequence[kept_share.Group]) -> str:
  """Returns kept shares as bars."""
  width = max(len(group.label) for group in groups)
  lines = [
    f"  {group.label:<{width}}  {group.share:>6.1%}  {_bar(group.share)}  "
    f"{group.count:,} tokens"
    for group in groups
  ]
  return "\n".join([title, *lines])


def losses(means: Sequence[token_losses.LossMean]) -> str:
  """Returns mean losses with the 95% intervals of the means."""
  lines = ["Masked-LM loss on whole sequences, nats, mean and 95% interval"]
  width = max(len(mean.label) for mean in means)
  for mean in means:
    margin = "" if np.isnan(mean.margin) else f" ± {mean.margin:.3f}"
    few = "  (too few to say more)" if mean.too_few else ""
    lines.append(
      f"  {mean.label:<{width}}  {mean.mean:.3f}{margin}  "
      f"{mean.count:,} tokens{few}"
    )
  return "\n".join(lines)


def history(found: table_history.TableHistory) -> str:
  """Returns the spread of the learnt scores at a few steps."""
  if not len(found.steps):
    return "Importance over training: no scores by id, or no summaries yet"
  places = np.unique(
    np.linspace(0, len(found.steps) - 1, 6).round().astype(int)
  )
  lines = ["Importance over training, nats: 5%, median and 95% of the ids"]
  for place in places:
    low, _, middle, _, high = found.quantiles[place]
    step = f"{found.steps[place]:,}"
    lines.append(f"  step {step:>9}  {low:6.2f}  {middle:6.2f}  {high:6.2f}")
  return "\n".join(lines)


def _bar(share: float) -> str:
  eighths = round(share * _BAR * 8)
  bar = "█" * (eighths // 8) + _BLOCKS[eighths % 8].strip()
  return f"{bar:<{_BAR}}"


def _table(rows: Sequence[tuple[str, str]]) -> str:
  width = max(len(name) for name, _ in rows) + 2
  return "\n".join(
    textwrap.fill(
      value,
      WIDTH,
      initial_indent=f"{name:<{width}}",
      subsequent_indent=" " * width,
      break_long_words=False,
      break_on_hyphens=False,
    )
    for name, value in rows
  )
