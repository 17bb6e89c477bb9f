# SPDX-License-Identifier: Apache-2.0
"""Start and end logits -> answers in the words of the text -> EM and F1.

Spans compete and score as in Model Garden's `squad_lib`, which however searches
the joined pieces in the text. Here tokens know their characters
(`validation.spans.json`), so an answer is cut out of the context as it is.
"""

import collections
import dataclasses
import operator
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from official.nlp.tools import squad_evaluate_v1_1
from official.nlp.tools import squad_evaluate_v2_0

from token_dropping.common import errors
from token_dropping.common import files
from token_dropping.data.finetuning import finetune_folder
from token_dropping.data.finetuning import squad_records

Logits = Mapping[int, tuple[np.ndarray, np.ndarray]]


@dataclasses.dataclass(frozen=True)
class SpanExamples:
  """What there is to answer and how records lie in the texts."""

  articles: list[dict]  # `data` of SQuAD's JSON, with all answers
  contexts: list[str]
  tokens: list[tuple[list[int], list[int]]]  # first characters and ends by text
  windows: list[dict]  # of each record, as `squad_records` writes them
  impossible: bool  # whether "no answer" is an answer

  @classmethod
  def read(cls, folder: str) -> "SpanExamples":
    """Reads what `token_dropping.data.finetune` wrote for validation."""
    card = finetune_folder.read_card(folder)
    errors.require(
      card["kind"] == "span",
      "answers can be scored for squad_v1.1 and squad_v2.0",
      f"{folder!r}, {card['task']}",
    )
    stem = files.join(folder, "validation")
    rule = "the files of validation data must be readable"
    articles = files.read_json(stem + squad_records.EXAMPLES, rule)["data"]
    spans = files.read_json(stem + squad_records.SPANS, rule)
    return cls(
      articles=articles,
      contexts=[p["context"] for a in articles for p in a["paragraphs"]],
      tokens=[(c["starts"], c["ends"]) for c in spans["contexts"]],
      windows=spans["windows"],
      impossible=card["version_2_with_negative"],
    )


@dataclasses.dataclass(frozen=True)
class Answers:
  """Predicted answers, by the id of the question."""

  texts: dict[str, str]  # "" means none
  spans: dict[str, str]  # the best answer, whatever "no answer" scores
  null_scores: dict[str, float]  # of "no answer", if possible, less the best


def choose_answers(
  examples: SpanExamples,
  logits: Logits,
  n_best: int = 20,
  max_answer_length: int = 30,
  null_threshold: float = 0.0,
) -> Answers:
  """Returns the best answer to each question.

  A span scores the sum of the logits of its start and end, [S] each by
  `unique_id` of a record. A window offers spans of its `n_best` starts and
  ends, at most `max_answer_length` tokens long, inside the context, that begin
  where this window shows most context (Devlin et al., 2019). "No answer" wins
  by more than `null_threshold` (SQuAD 2.0).
  """
  grouped = collections.defaultdict(list)
  for window in examples.windows:
    grouped[window["question"]].append(window)
  texts, spans, null_scores = {}, {}, {}
  for question, windows in grouped.items():
    best = max(
      _candidates(windows, logits, n_best, max_answer_length),
      key=operator.itemgetter(0),
      default=None,
    )
    spans[question] = texts[question] = _text(examples, windows[0], best)
    if examples.impossible:
      pairs = [logits[window["unique_id"]] for window in windows]
      null = min(float(start[0]) + float(end[0]) for start, end in pairs)
      # As in Model Garden: without a span there is nothing to compare with.
      null_scores[question] = null - (best[0] if best else 0.0)
      if null_scores[question] > null_threshold:
        texts[question] = ""
  return Answers(texts, spans, null_scores)


def score(examples: SpanExamples, answers: Answers) -> dict[str, float]:
  """Returns exact match and F1, in per cent, by Model Garden's scripts.

  `best_` scores of SQuAD 2.0 have the threshold best on these very questions.
  """
  if not examples.impossible:
    scores = squad_evaluate_v1_1.evaluate(examples.articles, answers.texts)
    return {
      "exact_match": 100.0 * scores["exact_match"],
      "f1": 100.0 * scores["final_f1"],
    }
  # Without scores: the threshold has been applied already.
  plain = squad_evaluate_v2_0.evaluate(examples.articles, answers.texts)
  best = squad_evaluate_v2_0.evaluate(
    examples.articles, answers.spans, answers.null_scores
  )
  scores = {
    "exact_match": plain["exact"],
    "f1": plain["f1"],
    "best_exact_match": best["final_exact"],
    "best_f1": best["final_f1"],
    "best_f1_threshold": best["final_f1_thresh"],
  }
  parts = {"has_answer_f1": "HasAns_f1", "no_answer_f1": "NoAns_f1"}
  return scores | {k: plain[v] for k, v in parts.items() if v in plain}


def _candidates(
  windows: Sequence[dict], logits: Logits, n_best: int, longest: int
) -> Iterator[tuple[float, int, int]]:
  """Yields the score of each span, its first and last token in the context."""
  owners = _owners(windows)
  for number, window in enumerate(windows):
    start_logits, end_logits = map(np.asarray, logits[window["unique_id"]])
    shift = window["first"] - window["position"]
    inside = range(window["position"], window["position"] + window["length"])
    ends = [i for i in _best(end_logits, n_best) if i in inside]
    for start in _best(start_logits, n_best):
      if start not in inside or owners[start + shift] != number:
        continue
      for end in ends:
        if start <= end < start + longest:
          total = float(start_logits[start]) + float(end_logits[end])
          yield total, int(start) + shift, int(end) + shift


def _best(logits: np.ndarray, n_best: int) -> np.ndarray:
  return np.argsort(-logits, kind="stable")[:n_best]


def _owners(windows: Sequence[dict]) -> np.ndarray:
  """Returns for each token of a context which window shows most around it."""
  place = np.arange(max(w["first"] + w["length"] for w in windows))
  scores = []
  for window in windows:
    left = place - window["first"]
    right = window["length"] - 1 - left
    seen = (left >= 0) & (right >= 0)
    around = np.minimum(left, right) + 0.01 * window["length"]
    scores.append(np.where(seen, around, -np.inf))
  return np.argmax(scores, axis=0)


def _text(examples: SpanExamples, window: dict, best: tuple | None) -> str:
  if best is None:
    return ""
  _, first, last = best
  starts, ends = examples.tokens[window["context"]]
  context = examples.contexts[window["context"]]
  return context[starts[first] : ends[last]]
