# SPDX-License-Identifier: Apache-2.0
"""Findings as a page: one file, which requests nothing else."""

from importlib import resources

import jinja2
import numpy as np
import pandas as pd

from token_dropping.common import files
from token_dropping.dropping.importance import token_scorer
from token_dropping.explain import charts
from token_dropping.explain import findings as findings_lib
from token_dropping.explain import table_history
from token_dropping.explain import token_groups

_SHOWN_TOKENS = 3  # most and least important ones in the history


def write(findings: findings_lib.Findings, path: str) -> None:
  """Writes the page, local or remote; raises `UserError` if it cannot."""
  files.write_output(path, render(findings))


def render(findings: findings_lib.Findings) -> str:
  """Returns the page's HTML."""
  environment = jinja2.Environment(
    autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
  )
  template = resources.files(__package__).joinpath("page.html")
  tokens = findings.tokens()
  return environment.from_string(template.read_text("utf-8")).render(
    charts=charts,
    findings=findings,
    sequences=[_words(findings, i) for i in range(len(findings.losses))],
    by_frequency=token_groups.by_frequency(tokens),
    by_part=token_groups.by_part(tokens),
    by_fate=token_groups.by_fate(tokens),
    history_tokens=_history_tokens(findings),
    some_rows=table_history.some_rows,
  )


def _words(findings: findings_lib.Findings, index: int) -> list[list[dict]]:
  """Returns what the page shows of each token of a sequence, by word."""
  sequence = findings.source.sequences[index]
  scores, losses = findings.droppings[index].scores, findings.losses[index]
  heat, loss_ranks = _ranks(scores), _ranks(losses)
  names = findings.run.tokenizer.names

  def token(place: int) -> dict:
    share = float(findings.computed[index][place])
    fate = f"in {share:.0%} of the middle layers"
    if share in (0, 1):
      fate = "kept" if share else "dropped"
    name = names[sequence.ids[place]]
    tip = [f"{name} · {fate}"]
    if not np.isnan(scores[place]):
      tip.append(f"importance {_score(scores[place], findings.unit)}")
    if not np.isnan(losses[place]):
      tip.append(f"{findings.loss_name} {losses[place]:.2f} nats")
    return {
      "text": sequence.pieces[place],
      "tip": "\n".join(tip),
      "fate": fate if share in (0, 1) else "part",
      "special": sequence.special[place],
      "style": f"--c:{share:.3g};--i:{heat[place]:.2g};"
      f"--l:{loss_ranks[place]:.2g}",
    }

  return [[token(place) for place in word] for word in sequence.words()]


def _score(score: float, unit: str) -> str:
  if score >= token_scorer.ALWAYS_KEPT:
    return "pinned: always kept"
  if score <= token_scorer.ALWAYS_DROPPED:
    return "pinned: dropped first"
  return f"{score:.3f} {unit}".rstrip()


def _ranks(values: np.ndarray) -> np.ndarray:
  """Returns 0 to 1 by rank; pinned scores and unknown losses are 0."""
  known = pd.Series(values).where(np.abs(values) < 1e4)
  ranks = (known.rank(method="min") - 1) / max(1, known.count() - 1)
  return ranks.fillna(0).to_numpy()


def _history_tokens(findings: findings_lib.Findings) -> pd.DataFrame:
  """Returns the scores by step of a few tokens of the text, ascending."""
  scores = findings.scores
  if scores.empty:
    return scores
  ids = np.unique(np.concatenate([s.ids for s in findings.source.sequences]))
  last = scores.columns[-1]
  ranked = scores.loc[ids].dropna(subset=[last]).sort_values(last)
  places = range(len(ranked))
  ends = sorted({*places[:_SHOWN_TOKENS], *places[-_SHOWN_TOKENS:]})
  return ranked.iloc[ends].rename(findings.run.tokenizer.names.__getitem__)
