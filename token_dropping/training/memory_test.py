# SPDX-License-Identifier: Apache-2.0
"""Tests of sizes that no memory holds, and of those that are not looked at."""

import pytest

from tests import config_testing
from tests import modernbert_testing
from tests.config_testing import ENCODER

WIDE = {f"{ENCODER}.hidden_size": 100_000, f"{ENCODER}.num_layers": 1000}
BATCH = {"task.train_data.global_batch_size": 10_000_000}
MODERN = modernbert_testing.TINY | {f"{ENCODER}.num_layers": 999}
MG = {"task.model.encoder": {"type": "bert", "bert": {"vocab_size": 10**8}}}


@pytest.mark.parametrize(
  ("changes", "name"),
  [
    (WIDE, "bert/token_drop"),
    ({f"{ENCODER}.hidden_size": 10_000, **BATCH}, "bert/token_drop"),
    (MG, "bert/pretraining"),
    (WIDE | MODERN, "modernbert/token_drop"),
  ],
)
def test_what_no_memory_holds(changes, name, monkeypatch):
  sizes = {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 1 << 22}
  monkeypatch.setattr("os.sysconf", sizes.get)
  found = config_testing.refused_changes(changes, name)
  assert found.startswith(
    "the sizes in task.model and in the data must fit into the memory of this "
    "machine, 16 GiB. Received: at least "
  )


def test_an_accelerator_has_memory_of_its_own():
  config_testing.check(WIDE | {"runtime.distribution_strategy": "tpu"})
