# SPDX-License-Identifier: Apache-2.0
"""Tests of the command that writes text, on runs with random weights."""

import pytest
import tensorflow as tf

from tests import causal_testing
from tests import run_testing
from tests import testing
from token_dropping import generate
from token_dropping.training import trained_run

PROMPTS = ["the cat", "a  日"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
  """The folder of a causal run."""
  path = tmp_path_factory.mktemp("made") / "run"
  run_testing.make_causal_run(path, causal_testing.model())
  return path


def _run(folder, *argv, **values) -> None:
  values = {"model_dir": folder, "max_new_tokens": 9} | values
  testing.run_command(generate, *argv, **values)


def _greedy(folder, prompt: str) -> str:
  """Returns a prompt and the best of the whole pass at every step."""
  kinds = (trained_run.CAUSAL_LM,)
  run = trained_run.TrainedRun.read(str(folder), kinds=kinds)
  model, tokenizer = run.build_language_model(), run.tokenizer
  ids = tokenizer.tokenize([prompt]).to_list()[0]
  for _ in range(9):
    logits = model({"input_word_ids": tf.constant([ids])})["logits"][0, -1]
    ids.append(1 + int(tf.argmax(logits[1 : len(tokenizer)])))
    if ids[-1] == 1:
      break
  (text,) = tokenizer.detokenize([ids]).numpy()
  return text.decode(errors="replace")


def test_the_best_tokens_follow_each_prompt(folder, capsys):
  _run(folder, *(f"--prompt={prompt}" for prompt in PROMPTS), top_k=1)
  wanted = [f"{_greedy(folder, prompt)}\n\n" for prompt in PROMPTS]
  assert capsys.readouterr().out == "".join(wanted)


def test_the_seed_decides(folder, capsys):
  texts = []
  for seed in (1, 1, 2):
    _run(folder, "--prompt=the", seed=seed, temperature=2.0, top_p=0.9)
    texts.append(capsys.readouterr().out)
  one, same, other = texts
  assert one == same != other


@pytest.mark.parametrize(
  ("values", "refused"),
  [
    ({"prompt": ""}, "--prompt must not be empty. Received: ''"),
    ({"prompt": "a\udcff"}, r"--prompt must be UTF-8. Received: 'a\udcff'"),
    (
      {"prompt": "!" * 8},
      "--prompt must have at most 7 tokens, max_position_embeddings less "
      "--max_new_tokens. Received: 8 of '!!!!!!!!'",
    ),
    (
      {"temperature": 0},
      "--temperature must be above 0 and finite. Received: 0.0",
    ),
    ({"top_p": 0}, "--top_p must be in (0, 1]. Received: 0.0"),
    ({"top_p": 1.5}, "--top_p must be in (0, 1]. Received: 1.5"),
    ({"top_k": -1}, "--top_k must be 0 or more. Received: -1"),
    ({"max_new_tokens": 0}, "--max_new_tokens must be at least 1. Received: 0"),
    (
      {"seed": 2**63},
      f"--seed must be an integer of 64 bits. Received: {2**63}",
    ),
  ],
)
def test_wrong_values_are_refused(folder, values, refused):
  values = {"prompt": "the"} | values
  assert testing.refused(_run, folder, **values) == refused


def test_a_run_of_words_is_refused(tmp_path):
  run_testing.make_run(tmp_path / "run")
  assert testing.refused(_run, tmp_path / "run", prompt="the") == (
    "--model_dir must hold a causal_lm run. Received: "
    f"'{tmp_path}/run', a masked_lm run"
  )
