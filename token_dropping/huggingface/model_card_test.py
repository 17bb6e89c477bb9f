# SPDX-License-Identifier: Apache-2.0
"""What the card of a model says."""

import dataclasses
import pathlib

import pytest
import yaml

from tests import run_testing
from token_dropping.huggingface import model_card
from token_dropping.training import trained_run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
  folder = tmp_path_factory.mktemp("card") / "run"
  run_testing.make_run(folder)
  return trained_run.TrainedRun.read(str(folder))


def _card(run, metrics=None, **encoder):
  text = pathlib.Path(run.model_dir, "params.yaml").read_text()
  params = yaml.unsafe_load(text)
  run = dataclasses.replace(run, encoder=run.encoder.replace(**encoder))
  return model_card.format_card(run, params["trainer"], metrics or {})


def test_header_is_yaml_that_the_hub_reads(run):
  header = _card(run).split("---\n")[1]
  assert yaml.safe_load(header) == {
    "library_name": "transformers",
    "pipeline_tag": "fill-mask",
    "tags": ["bert", "token-dropping"],
  }


@pytest.mark.parametrize(
  "row",
  [
    "| layers | 3 |",
    "| vocabulary | 50 tokens |",
    "| steps | 7 of 2 |",
    "| batch | 4 sequences of 16 tokens |",
    "| predictions | at most 3 a sequence |",
    "| optimizer | adamw |",
    "| rate | polynomial, from 0.0001 |",
    "| kept tokens | 50% from layer 0 |",
    "| all tokens | from layer 2 |",
    "## Validation at step 7",
    "| `lm_example_loss` | 2.5000 |",
  ],
)
def test_rows(run, row):
  assert row in _card(run, {"lm_example_loss": 2.5}).splitlines()


def test_metrics_that_are_not_known(run):
  assert "Validation" not in _card(run)


def test_dense_run_does_not_speak_of_dropping(run):
  card = _card(run, token_keep_ratio=1.0)
  assert "skipped" not in card
  assert "kept tokens" not in card


@pytest.mark.parametrize(
  ("drop_type", "text"),
  [
    ("skip", "skipped the middle layers"),
    ("context", "saw the others as they were"),
    ("layerwise", "tokens of its own choice"),
    ("pool", "means of neighbours"),
  ],
)
def test_what_was_dropped(run, drop_type, text):
  assert text in _card(run, num_layers=4, drop={"type": drop_type})


def test_fine_tuning_that_dropped_says_so_too(run):
  run = dataclasses.replace(run, kind=trained_run.CLASSIFICATION)
  assert "| kept tokens | 25% from layer 0 |" in _card(
    run, token_keep_ratio=0.25
  )


def test_count_of_kept_tokens(run):
  assert "| kept tokens | 9 from layer 0 |" in _card(run, token_keep_k=9)
