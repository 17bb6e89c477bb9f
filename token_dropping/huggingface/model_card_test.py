# SPDX-License-Identifier: Apache-2.0
"""What the card of a model says."""

import dataclasses

import pytest
import yaml

from tests import run_testing
from token_dropping.huggingface import model_card
from token_dropping.training import trained_run


@pytest.fixture(scope="module")
def facts(tmp_path_factory):
  folder = tmp_path_factory.mktemp("card") / "run"
  run_testing.make_run(folder)
  params = yaml.unsafe_load((folder / "params.yaml").read_text())
  run = trained_run.TrainedRun.read(str(folder))
  return model_card.Facts(run, params["trainer"], {"lm_example_loss": 2.5})


def test_header_is_yaml_that_the_hub_reads(facts):
  header = model_card.format_card(facts).split("---\n")[1]
  assert yaml.safe_load(header) == {
    "library_name": "transformers",
    "pipeline_tag": "fill-mask",
    "tags": ["bert", "token-dropping"],
  }


def test_rows(facts):
  lines = model_card.format_card(facts).splitlines()
  for row in (
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
  ):
    assert row in lines


def test_metrics_that_are_not_known(facts):
  facts = dataclasses.replace(facts, metrics={})
  assert "Validation" not in model_card.format_card(facts)


@pytest.mark.parametrize("changes", [{"token_keep_ratio": 1.0}])
def test_dense_run_does_not_speak_of_dropping(facts, changes):
  run = dataclasses.replace(
    facts.run, encoder=facts.run.encoder.replace(**changes)
  )
  card = model_card.format_card(dataclasses.replace(facts, run=run))
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
def test_what_was_dropped(facts, drop_type, text):
  encoder = facts.run.encoder.replace(num_layers=4, drop={"type": drop_type})
  run = dataclasses.replace(facts.run, encoder=encoder)
  card = model_card.format_card(dataclasses.replace(facts, run=run))
  assert text in card


def test_count_of_kept_tokens(facts):
  encoder = facts.run.encoder.replace(token_keep_k=9)
  run = dataclasses.replace(facts.run, encoder=encoder)
  card = model_card.format_card(dataclasses.replace(facts, run=run))
  assert "| kept tokens | 9 from layer 0 |" in card
