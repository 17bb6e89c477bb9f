# SPDX-License-Identifier: Apache-2.0
"""Tests for span_answers."""

import dataclasses

import numpy as np
import pytest
from official.nlp.data import squad_lib
from official.nlp.tools import tokenization

from tests import finetune_testing
from tests import testing
from token_dropping.data import finetune
from token_dropping.data.finetuning import finetune_settings
from token_dropping.tasks.spans import answers as span_answers

CONTEXT = "The Cats sat on the mat (in Paris). The dog ran, the cat ran."
LENGTH, QUERY, STRIDE = 16, 4, 5
QUESTIONS = [
  finetune_testing.question("1", "Where is the mat?", ("in Paris", 25)),
  finetune_testing.question("2", "who ran?", ("dog", 40), ("The dog", 36)),
  finetune_testing.question("3", "who is in france?"),
]


@pytest.fixture(scope="module", params=["squad_v1.1", "squad_v2.0"])
def folder(request, tmp_path_factory):
  path = tmp_path_factory.mktemp("squad")
  questions = QUESTIONS if request.param == "squad_v2.0" else QUESTIONS[:2]
  file = finetune_testing.write_squad(path / "a.json", (CONTEXT, questions))
  settings = finetune_settings.FinetuneSettings(
    task=request.param,
    train_file=file,
    validation_file=file,
    vocab_file=finetune_testing.write_vocabulary(path),
    output_dir=str(path / "out"),
    seq_length=LENGTH,
    query_length=QUERY,
    doc_stride=STRIDE,
  )
  finetune.prepare(settings)
  return path


@pytest.fixture(scope="module")
def examples(folder):
  return span_answers.SpanExamples.read(str(folder / "out"))


def _random_logits(examples, seed):
  rng = np.random.default_rng(seed)
  return {
    window["unique_id"]: tuple(rng.normal(size=[2, LENGTH]))
    for window in examples.windows
  }


@dataclasses.dataclass
class _Result:
  """What Model Garden wants of a window."""

  unique_id: int
  start_logits: list
  end_logits: list


def test_answers_are_those_of_model_garden(folder, examples):
  version_2 = examples.impossible
  theirs = squad_lib.read_squad_examples(
    str(folder / "a.json"), False, version_2
  )
  features = []
  squad_lib.convert_examples_to_features(
    theirs,
    tokenization.FullTokenizer(str(folder / "vocab.txt"), do_lower_case=True),
    LENGTH,
    STRIDE,
    QUERY,
    is_training=False,
    output_fn=lambda f, is_padding: None if is_padding else features.append(f),
    batch_size=1,
  )
  for seed in range(10):
    logits = _random_logits(examples, seed)
    threshold = 0.5 * seed - 2.0
    found = span_answers.choose_answers(examples, logits, 5, 6, threshold)
    texts, _, differences = squad_lib.postprocess_output(
      theirs,
      features,
      [_Result(key, *map(list, value)) for key, value in logits.items()],
      n_best_size=5,
      max_answer_length=6,
      do_lower_case=True,
      version_2_with_negative=version_2,
      null_score_diff_threshold=threshold,
    )
    assert found.texts == texts
    assert found.null_scores == pytest.approx(differences)


def _pointing_logits(examples, spans, null=()):
  """Returns logits that point at words of the context, or at no answer."""
  logits = {}
  for window in examples.windows:
    start, end = np.zeros([2, LENGTH])
    question, (starts, ends) = window["question"], examples.tokens[0]
    start[0] = 9.0 if question in null else 0.0
    if question in spans:
      wanted = spans[question]
      first = CONTEXT.index(wanted)
      for values, token in (
        (start, starts.index(first)),
        (end, ends.index(first + len(wanted))),
      ):
        place = token - window["first"] + window["position"]
        if window["position"] <= place < window["position"] + window["length"]:
          values[place] = 9.0
    logits[window["unique_id"]] = start, end
  return logits


def _choose(examples, spans, null=(), **options):
  logits = _pointing_logits(examples, spans, null)
  return span_answers.choose_answers(examples, logits, **options)


def test_answers_are_cut_out_of_the_text(examples):
  found = _choose(examples, {"1": "(in Paris)", "2": "Cats sat"})
  assert (found.texts["1"], found.texts["2"]) == ("(in Paris)", "Cats sat")


def test_scores_of_right_answers(examples):
  answers = _choose(examples, {"1": "in Paris", "2": "The dog"}, null=["3"])
  scores = span_answers.score(examples, answers)
  assert (scores["exact_match"], scores["f1"]) == (100.0, 100.0)


@pytest.mark.parametrize("folder", ["squad_v1.1"], indirect=True)
def test_scores_by_hand(examples):
  # "paris" of "in paris": precision 1, recall 1/2; "dog" of "dog": exact.
  answers = _choose(examples, {"1": "Paris", "2": "dog"})
  scores = span_answers.score(examples, answers)
  assert scores == pytest.approx({"exact_match": 50.0, "f1": 100 * 5 / 6})


@pytest.mark.parametrize("folder", ["squad_v2.0"], indirect=True)
def test_scores_with_impossible_questions_by_hand(examples):
  # The first is wrong, the second right, the third answered though impossible.
  answers = _choose(examples, {"1": "mat", "2": "dog", "3": "mat"})
  assert answers.null_scores == pytest.approx({"1": -18, "2": -18, "3": -18})
  expected = {"exact_match": 100 / 3, "f1": 100 / 3}
  expected |= {"has_answer_f1": 50.0, "no_answer_f1": 0.0}
  scores = span_answers.score(examples, answers)
  assert {name: scores[name] for name in expected} == pytest.approx(expected)


@pytest.mark.parametrize("folder", ["squad_v2.0"], indirect=True)
def test_the_best_threshold_is_found(examples):
  wanted = {"1": "in Paris", "2": "dog", "3": "mat"}
  logits = _pointing_logits(examples, wanted)
  for window in examples.windows:
    if window["question"] == "3":  # less sure
      start, end = logits[window["unique_id"]]
      logits[window["unique_id"]] = start / 10, end / 10
  found = span_answers.choose_answers(examples, logits, null_threshold=50.0)
  assert found.texts == wanted
  scores = span_answers.score(examples, found)
  assert scores["exact_match"] == pytest.approx(200 / 3)
  assert scores["best_exact_match"] == pytest.approx(100.0)


def test_a_threshold_turns_answers_into_none(examples):
  found = _choose(examples, {"1": "mat"}, null_threshold=-30.0)
  assert found.spans["1"] == "mat"
  assert found.texts["1"] == ("" if examples.impossible else "mat")


def test_answers_are_not_too_long(examples):
  for longest, found in ((3, False), (4, True)):
    spans = {"1": "sat on the mat"}
    answers = _choose(examples, spans, max_answer_length=longest)
    assert (answers.texts["1"] == spans["1"]) == found


def test_other_tasks_have_no_spans(prepared):
  folder = str(prepared / "classes")
  message = f"squad_v1.1 and squad_v2.0. Received: {folder!r}, classification"
  assert message in testing.refused(span_answers.SpanExamples.read, folder)
