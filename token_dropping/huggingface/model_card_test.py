# SPDX-License-Identifier: Apache-2.0
"""What the card of a model says."""

import dataclasses
import pathlib

import pytest
import yaml

from tests import run_testing
from token_dropping.huggingface import bert
from token_dropping.huggingface import model_card
from token_dropping.training import trained_run

BERT = bert.Bert()
CARD = """---
library_name: transformers
pipeline_tag: fill-mask
tags:
- bert
- token-dropping
---

# BERT, a masked LM

An ordinary BERT: `transformers` loads it without other code.
It was trained with token dropping: {about}.
In use, all tokens go through all layers.

```python
from transformers import AutoModelForMaskedLM, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained(FOLDER)
model = AutoModelForMaskedLM.from_pretrained(FOLDER)
```

## Network

| | |
| --- | --- |
| layers | 3 |
| hidden size | 8 |
| attention heads | 2 |
| feed-forward size | 16 |
| positions | 16 |
| vocabulary | 50 tokens |
| embedding rows | 50 |

## Training

| | |
| --- | --- |
| steps | 7 of 2 |
| batch | 4 sequences of 16 tokens |
| predictions | at most 3 a sequence |
| optimizer | adamw |
| rate | polynomial, from 0.0001 |
| kept tokens | 50% from layer 0 |
| all tokens | from layer 2 |

## Validation at step 7

| | |
| --- | --- |
| `lm_example_loss` | 2.5000 |
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
  folder = tmp_path_factory.mktemp("card") / "run"
  run_testing.make_run(folder)
  return trained_run.TrainedRun.read(str(folder))


def _card(run, metrics=None, network=BERT, **encoder):
  text = pathlib.Path(run.model_dir, "params.yaml").read_text()
  params = yaml.unsafe_load(text)
  run = dataclasses.replace(run, encoder=run.encoder.replace(**encoder))
  arguments = network, params["trainer"], metrics or {}
  return model_card.format_card(run, *arguments)


def test_card(run):
  card = _card(run, {"lm_example_loss": 2.5})
  about = card.split("token dropping: ")[1].split(".\n")[0]
  assert "skipped the middle layers" in about
  assert card == CARD.format(about=about)


def test_card_of_the_network_with_its_norms_first(run):
  card = _card(run, network=bert.PreNormBert())
  assert "\n- roberta-prelayernorm\n" in card
  assert "normalized before each block and at its end" in card


def test_dense_run_of_no_metrics_speaks_of_neither(run):
  card = _card(run, token_keep_ratio=1.0)
  for word in ("skipped", "kept tokens", "Validation"):
    assert word not in card


@pytest.mark.parametrize(
  ("drop_type", "text"),
  [
    ("context", "saw the others as they were"),
    ("layerwise", "tokens of its own choice"),
    ("pool", "means of neighbours"),
  ],
)
def test_what_was_dropped(run, drop_type, text):
  assert text in _card(run, num_layers=4, drop={"type": drop_type})


def test_fine_tuning_that_dropped_says_so_too(run):
  run = dataclasses.replace(run, kind=trained_run.CLASSIFICATION)
  card = _card(run, token_keep_ratio=None, token_keep_k=9)
  assert "pipeline_tag: text-classification\n" in card
  assert "| kept tokens | 9 from layer 0 |" in card
