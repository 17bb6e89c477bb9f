# SPDX-License-Identifier: Apache-2.0
"""Tests for squad_windows."""

import numpy as np
import pytest

from tests import finetune_testing
from token_dropping.data.finetuning import squad
from token_dropping.data.finetuning import squad_windows
from token_dropping.data.text import located_tokens

CONTEXT = "The cats sat on the mat."


def _tokens():
  return located_tokens.locate([CONTEXT], finetune_testing.tokenizer())[0]


@pytest.mark.parametrize(
  ("tokens", "room", "stride", "expected"),
  [
    (3, 5, 2, [(0, 3)]),
    (5, 5, 2, [(0, 5)]),
    (6, 5, 2, [(0, 5), (2, 4)]),
    (8, 4, 4, [(0, 4), (4, 4)]),
    (9, 4, 1, [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4), (5, 4)]),
  ],
)
def test_windows(tokens, room, stride, expected):
  windows = squad_windows.split_windows(tokens, room, stride)
  assert [(w.first, w.length) for w in windows] == expected


@pytest.mark.parametrize(
  ("answers", "expected"),
  [
    ([("The cats", 0)], (0, 2)),
    ([("cat", 4)], (1, 1)),  # the pieces are "cat" and "##s"
    ([("sat", 0), ("sat", 9)], (3, 3)),  # the first is not where it says
    ([("sat", 900)], None),
    ([("mat", -4)], None),
    ([("dog", 0)], None),
    ([(" ", 3)], None),
    ([("", 0)], None),
    ([], None),
  ],
)
def test_first_answer_in_its_place(answers, expected):
  question = squad.Question("1", "", tuple(squad.Answer(*a) for a in answers))
  found = squad_windows.find_answer(question, CONTEXT, _tokens())
  assert found == expected


@pytest.mark.parametrize(
  ("answer", "inside"),
  [((2, 4), True), ((2, 2), True), ((1, 3), False), ((4, 5), False)],
)
def test_an_answer_is_inside_as_a_whole(answer, inside):
  found = squad_windows.inside(answer, squad_windows.Window(2, 3))
  assert found == (answer if inside else None)


def _features(answer):
  question_ids = np.array(finetune_testing.ids("who sat ?"))
  item = squad_windows.Item(
    "1", 0, question_ids, squad_windows.Window(2, 3), answer
  )
  special_ids = finetune_testing.VOCAB.special_ids
  return squad_windows.features(item, _tokens(), special_ids, 12)


def test_features_by_hand():
  found = _features((3, 4))
  expected = "[CLS] who sat ? [SEP] ##s sat on [SEP] [PAD] [PAD] [PAD]"
  assert found["input_ids"].tolist() == finetune_testing.ids(expected)
  assert found["input_mask"].tolist() == [1] * 9 + [0] * 3
  assert found["segment_ids"].tolist() == [0] * 5 + [1] * 4 + [0] * 3
  assert found["start_positions"].tolist() == [6]
  assert found["end_positions"].tolist() == [7]
  assert found["is_impossible"].tolist() == [0]


def test_without_an_answer_the_target_is_the_first_token():
  found = _features(None)
  assert found["start_positions"].tolist() == [0]
  assert found["end_positions"].tolist() == [0]
  assert found["is_impossible"].tolist() == [1]
