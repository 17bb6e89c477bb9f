# SPDX-License-Identifier: Apache-2.0
"""Tests of JSON: what is read, and what form it has."""

import math

import pytest

from tests import testing
from token_dropping.common import plain_json

FORM = {"n": int, "x?": float, "yes?": bool, "all?": {str: [str]}}


@pytest.mark.parametrize(
  ("text", "value"),
  [
    (r'"a\ud83d"', "a\ufffd"),
    (r'"\ud83d\ude00"', "\U0001f600"),  # a pair is a character
    (r'[["\udc00"], {"\ud800": {"a": ["\ud800"]}}]', None),
    (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
    ('[1, 1.5, true, null, "a"]', [1, 1.5, True, None, "a"]),
  ],
)
def test_values(text, value):
  if value is None:
    value = [["\ufffd"], {"\ufffd": {"a": ["\ufffd"]}}]
  assert plain_json.loads(text) == value


@pytest.mark.parametrize(
  ("text", "message"),
  [
    ("{", "Expecting property name"),
    ('{"a": {"b": 1, "b": 1}}', "'b' twice in an object"),
    (r'{"\ud800": 1, "\ud801": 2}', "twice in an object"),
    ("1" * 5000, "4300 digits"),
    (b"\xff", "can't decode"),
  ],
  ids=range(5),
)
def test_what_is_no_json(text, message):
  with pytest.raises(ValueError, match=message):
    plain_json.loads(text)


@pytest.mark.parametrize(
  "value",
  [
    {"n": 1},
    {"n": -1, "x": 1, "yes": False, "other": None},
    {"n": 2**63 - 1, "x": 1.5, "all": {"a": [], "b": ["x", ""]}},
  ],
)
def test_a_form_that_fits(value):
  plain_json.check(value, FORM, "a.json")


@pytest.mark.parametrize(
  ("value", "message"),
  [
    ([], "a.json must be an object. Received: []"),
    (None, "a.json must be an object. Received: None"),
    ({"x": 1.0}, "a.json must have n. Received: 'x'"),
    *(
      ({"n": n}, f"n in a.json must be a whole number. Received: {n!r}")
      for n in ("1", 1.0, True, None, [1], 2**63)
    ),
    *(
      ({"n": 1, "x": x}, f"x in a.json must be a number. Received: {x!r}")
      for x in ("1", False, None, math.inf, math.nan)
    ),
    *(
      ({"n": 1, "yes": yes}, f"must be true or false. Received: {yes!r}")
      for yes in ("false", 0, 1, None, "")
    ),
    ({"n": 1, "all": ""}, "all in a.json must be an object. Received: ''"),
    ({"n": 1, "all": {"k": {}}}, "all.k in a.json must be a list. Received"),
    ({"n": 1, "all": {"k": ["", 5]}}, "all.k[1] in a.json must be a text. Re"),
  ],
)
def test_other_forms(value, message):
  found = testing.refused(plain_json.check, value, FORM, "a.json")
  assert message in found


@pytest.mark.parametrize(
  ("start", "end", "levels"),
  [("[", "]", 1), ('{"a": ', "}", 1), ('[1, {"b": ', "}, 2]", 2)],
)
def test_nesting_is_bounded(start, end, levels):
  def nested(depth: int) -> str:
    count = depth // levels
    return start * count + "1" + end * count

  plain_json.loads(nested(100))
  for depth in (102, 3_000, 300_000):
    with pytest.raises(ValueError, match="nested in more than 100 levels"):
      plain_json.loads(nested(depth))


def test_wide_is_not_deep():
  assert len(plain_json.loads("[" + "[[]]," * 1000 + "1]")) == 1001
