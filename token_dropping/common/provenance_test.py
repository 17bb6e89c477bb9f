# SPDX-License-Identifier: Apache-2.0
"""Tests of what is written of the machine that a figure comes from."""

from token_dropping.common import plain_json
from token_dropping.common import provenance


def test_what_has_the_form_of_a_machine_can_be_described():
  machine = provenance.this_machine(["tensorflow"])
  plain_json.check(machine, provenance.FORM, "machine")
  assert machine.keys() == provenance.FORM.keys()
  assert f"Python {machine['python']}" in provenance.describe(machine)
