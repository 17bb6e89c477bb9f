# SPDX-License-Identifier: Apache-2.0
"""Tests of the records that a plan makes."""

import pytest

from token_dropping.common import errors
from token_dropping.study import data
from token_dropping.study import plan as plans


def _plan(source: plans.DataSource | None) -> plans.Plan:
  return plans.Plan("bert/token_drop", {}, "dense", [1], data=source)


@pytest.mark.parametrize("source", [None, plans.DataSource()])
def test_nothing_to_make(tmp_path, source):
  data.prepare(_plan(source), str(tmp_path))
  assert not list(tmp_path.iterdir())


def test_what_cannot_be_made_is_one_line(tmp_path):
  plan = _plan(plans.DataSource(prepare={"input": "none.txt"}))
  with pytest.raises(errors.UserError) as caught:
    data.prepare(plan, str(tmp_path))
  assert str(caught.value).startswith(
    "data.prepare must be settings of token_dropping.data.prepare that work. "
    "Received: error: "
  )
  assert str(tmp_path / "none.txt") in str(caught.value)
