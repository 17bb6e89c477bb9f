# SPDX-License-Identifier: Apache-2.0
"""What the tests of fine-tuning share."""

import pytest

from tests import finetune_testing
from tests import run_testing


@pytest.fixture(scope="session")
def prepared(tmp_path_factory):
  """A folder with a pretraining run and data: `run`, `classes`, `spans`."""
  path = tmp_path_factory.mktemp("prepared")
  run_testing.make_run(path / "run")
  finetune_testing.prepare_classes(path / "classes", path / "run")
  finetune_testing.prepare_spans(path / "spans", path / "run")
  return path
