# SPDX-License-Identifier: Apache-2.0
"""Tests for prose."""

import pytest

from token_dropping.data.pretraining.corpus import prose


@pytest.mark.parametrize(
  ("line", "expected"),
  [
    ("* ''One'' '''two''' three four five.", "One two three four five."),
    ("#: One two three four five.", "One two three four five."),
    ('Ada ( ; , "x") was here ( ) today .', 'Ada ("x") was here today.'),
    ("From the Greek , i.e. one () two.", "From the Greek, i.e. one two."),
    ("See http://a.b/c?d for one, two words.", "See for one, two words."),
    (
      "He waited ... for a very long time.",
      "He waited ... for a very long time.",
    ),
  ],
)
def test_marks_and_holes_are_removed(line, expected):
  assert prose.clean_text(line) == [expected]


@pytest.mark.parametrize(
  "line",
  [
    "== Heading of five good words. ==",
    "Only four words here.",
    "A table cell or a caption without an end",
    "File:a.jpg|A caption that ends like a sentence.",
    "",
  ],
)
def test_lines_that_are_not_prose_are_dropped(line):
  assert prose.clean_text(line) == []


def test_reference_sections_are_dropped_with_their_subsections():
  sentence = "This line has exactly six words."
  headings = ("==Life==", "==References==", "===More===", "==Work==")
  text = "\n".join(f"{heading}\n{sentence}" for heading in headings)
  assert prose.clean_text(text) == [sentence, sentence]


@pytest.mark.parametrize(
  ("paragraph", "expected"),
  [
    ("One. Two! Three? 4.", ["One.", "Two!", "Three?", "4."]),
    ("He said no. (She did.) So", ["He said no.", "(She did.)", "So"]),
    ("By J. Doe et al. in 1900.", ["By J. Doe et al. in 1900."]),
    ("Version 1.2 is out.", ["Version 1.2 is out."]),
    ("Et moi. Émile aussi.", ["Et moi.", "Émile aussi."]),
  ],
)
def test_split_sentences(paragraph, expected):
  assert prose.split_sentences(paragraph) == expected
