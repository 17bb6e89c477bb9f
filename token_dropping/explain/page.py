# SPDX-License-Identifier: Apache-2.0
"""Findings as a page: one file, which requests nothing else."""

import html
import os

import numpy as np
import tensorflow as tf

from token_dropping.common import errors
from token_dropping.dropping.importance import token_scorer
from token_dropping.explain import bar_chart
from token_dropping.explain import findings as findings_lib
from token_dropping.explain import history_chart
from token_dropping.explain import page_style

_SHOWN_WORDS = 3  # most and least important words in the history
_WITHOUT_UNIT = ("random", "mlm_loss_random", "hidden_norm")
_NO_HISTORY = (
  "<p class=note>No history of the importance: its scores do not depend on "
  "the id alone, or the run has written no summary of them yet.</p>"
)


def check_output(path: str) -> None:
  """Refuses a page that cannot be written, before anything is computed.

  Raises:
    UserError: no `.html`, a folder, or in a folder that is not there.
  """
  errors.require(
    path.endswith(".html"), "--output must end in .html", repr(path)
  )
  folder = os.path.dirname(path) or "."
  errors.require(
    tf.io.gfile.isdir(folder) and not tf.io.gfile.isdir(path),
    "--output must be a file in an existing folder",
    repr(path),
  )


def write(findings: findings_lib.Findings, path: str) -> None:
  """Writes the page.

  Args:
    findings: what to show.
    path: local or on any filesystem TensorFlow knows.

  Raises:
    UserError: it cannot be written.
  """
  try:
    with tf.io.gfile.GFile(path, "w") as file:
      file.write(render(findings))
  except tf.errors.OpError as error:
    raise errors.UserError(
      f"--output must be writable. Received: {path!r} "
      f"({errors.first_line(error)})"
    ) from error


def render(findings: findings_lib.Findings) -> str:
  """Returns the page's HTML."""
  rows = "".join(
    f"<dt>{_escape(name)}<dd>{_escape(value)}"
    for name, value in findings.headline()
  )
  return (
    "<!doctype html>\n"
    '<html lang="en"><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width, initial-scale=1">'
    # Nothing but what is in this file, whatever a text may hold.
    '<meta http-equiv="Content-Security-Policy" content="default-src '
    "'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    'img-src data:">'
    '<link rel="icon" href="data:,">'
    f"<title>What is dropped: {_escape(findings.model_dir)}</title>"
    f"<style>{page_style.STYLE}</style>\n"
    f"<main><h1>Which tokens are dropped</h1><dl>{rows}</dl>\n"
    f"{_text(findings)}\n{_charts(findings)}</main>\n"
    f'<div id="tip" role="tooltip" hidden></div>'
    f"<script>{page_style.SCRIPT}</script></html>\n"
  )


def _text(findings: findings_lib.Findings) -> str:
  shown = "\n".join(
    _sequence(findings, index) for index in range(len(findings.sequences))
  )
  choices = "".join(
    f"<label><input type=radio name=shade value={value}{checked}> {label}"
    "</label>"
    for value, label, checked in (
      ("none", "nothing", " checked"),
      ("importance", "importance", ""),
      ("loss", "masked-LM loss", ""),
    )
  )
  return (
    "<h2>The text</h2><div class=legend>"
    '<span><span class="t kept" style="--c:1">Dark</span> kept in all middle '
    "layers</span>"
    '<span><span class="t dropped" style="--c:0">pale</span> dropped from '
    "them</span>"
    '<span><span class="t special" style="--c:1">[SEP]</span> special token'
    "</span></div>"
    f"<fieldset><legend>Background</legend>{choices}</fieldset>"
    "<p class=note>Point at a piece of a word for its importance, or use Tab "
    "and the arrow keys. Nothing is masked here; in training a masked token "
    "always stays, in place of the least important one that is kept.</p>"
    f"<div id=text>{shown}</div>"
  )


def _sequence(findings: findings_lib.Findings, index: int) -> str:
  sequence = findings.sequences[index]
  heat = _relative(findings.droppings[index].scores)
  loss = _relative(findings.losses[index])
  words = []
  for place in range(len(sequence)):
    token = _token(findings, index, place, heat[place], loss[place])
    if not words or sequence.spaced[place]:
      words.append("")
    words[-1] += token
  text = " ".join(f"<span class=word>{word}</span>" for word in words)
  return f"<p class=sequence>{text}</p>"


def _token(findings, index: int, place: int, heat: float, loss: float) -> str:
  sequence, dropping = findings.sequences[index], findings.droppings[index]
  share = dropping.computed[place]
  styles = ["t", "kept" if share == 1 else "part" if share else "dropped"]
  if sequence.special[place]:
    styles.append("special")
  return (
    f'<span class="{" ".join(styles)}" '
    f'style="--c:{share:.3g};--i:{heat:.2g};--l:{loss:.2g}" '
    f'title="{_escape(_tip(findings, index, place))}">'
    f"{_escape(sequence.pieces[place])}</span>"
  )


def _tip(findings, index: int, place: int) -> str:
  """Returns what is known of a token, one fact a line."""
  sequence, dropping = findings.sequences[index], findings.droppings[index]
  share = dropping.computed[place]
  fate = {0.0: "dropped", 1.0: "kept"}.get(
    float(share), f"in {share:.0%} of the middle layers"
  )
  lines = [
    f"{findings.vocab.tokens[sequence.ids[place]]} · {fate}",
  ]
  score = dropping.scores[place]
  if not np.isnan(score):
    lines.append(f"importance {_score(score, findings.importance)}")
  loss = findings.losses[index][place]
  if not np.isnan(loss):
    lines.append(f"masked-LM loss {loss:.2f} nats")
  return "\n".join(lines)


def _score(score: float, importance: str) -> str:
  if score >= token_scorer.ALWAYS_KEPT:
    return "pinned: always kept"
  if score <= token_scorer.ALWAYS_DROPPED:
    return "pinned: dropped first"
  return f"{score:.3f}{'' if importance in _WITHOUT_UNIT else ' nats'}"


def _relative(values: np.ndarray) -> np.ndarray:
  """Returns 0 to 1 by rank; pinned scores and unknown losses are 0."""
  known = np.abs(np.nan_to_num(values, nan=np.inf)) < 1e4
  ranks = np.zeros(len(values))
  if known.sum() > 1:
    places = np.searchsorted(np.sort(values[known]), values[known])
    ranks[known] = places / (known.sum() - 1)
  return ranks


def _charts(findings: findings_lib.Findings) -> str:
  figures = [
    bar_chart.share_bars(
      "Kept share by how often the token occurs in this text",
      findings.by_frequency,
    ),
    bar_chart.share_bars(
      "Kept share by part of the sentence", findings.by_part
    ),
    bar_chart.loss_bars(
      "Loss of kept and of dropped tokens",
      findings.compared,
    ),
  ]
  history = findings.history
  if len(history.steps):
    figures.append(
      history_chart.lines(
        "Importance over training",
        history,
        _histories_of_words(findings),
      )
    )
  missing = "" if len(history.steps) else _NO_HISTORY
  return (
    f"<h2>Figures</h2><div class=charts>{''.join(figures)}</div>{missing}"
    "<p class=note>Every token that is not special is masked once, a seventh "
    "of them at a time, and predicted by the whole network on the whole "
    "sequence, as in evaluation. Sentences end at . ! ? and with their "
    "sequence; their parts are thirds.</p>"
  )


def _histories_of_words(findings) -> dict[str, dict[int, float]]:
  """Returns the scores of a few tokens of the text in every checkpoint."""
  tables = findings.history.tables
  if not tables:
    return {}
  last = tables[max(tables)]
  ids = np.unique(np.concatenate([each.ids for each in findings.sequences]))
  ids = ids[~np.isnan(last[ids])]
  ids = ids[np.argsort(last[ids], kind="stable")]
  shown = dict.fromkeys([*ids[:_SHOWN_WORDS], *ids[::-1][:_SHOWN_WORDS]])
  return {
    findings.vocab.tokens[i]: {
      step: float(table[i])
      for step, table in tables.items()
      if not np.isnan(table[i])
    }
    for i in shown
  }


def _escape(text: str) -> str:
  return html.escape(str(text))
