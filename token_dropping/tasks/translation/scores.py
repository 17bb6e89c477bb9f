# SPDX-License-Identifier: Apache-2.0
"""BLEU and chrF of translations, by sacrebleu.

Papineni et al., 2002; Popovic, 2015; Post, "A Call for Clarity in Reporting
BLEU Scores", 2018, whose signatures say how they were computed.
"""

from collections.abc import Sequence

import sacrebleu

BLEU, CHRF = "bleu", "chrf"


def score(
  translations: Sequence[str], references: Sequence[str]
) -> dict[str, float]:
  """Returns both of a corpus, from 0 to 100.

  >>> score(["a b c d e"], ["a b c d e"])
  {'bleu': 100.0, 'chrf': 100.0}
  """
  return {
    name: round(metric.corpus_score(translations, [references]).score, 6)
    for name, metric in _metrics().items()
  }


def signatures() -> dict[str, str]:
  """Returns how each is computed.

  >>> signatures()["bleu"].partition("|version")[0]
  'nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp'
  """
  found = {}
  for name, metric in _metrics().items():
    metric.corpus_score(["a"], [["a"]])  # tells it how many references it has
    found[name] = str(metric.get_signature())
  return found


def _metrics() -> dict[str, sacrebleu.metrics.base.Metric]:
  return {BLEU: sacrebleu.BLEU(), CHRF: sacrebleu.CHRF()}
