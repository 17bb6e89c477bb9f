# SPDX-License-Identifier: Apache-2.0
"""Tests of the SavedModel of a causal language model."""

import math

import numpy as np
import pytest
import tensorflow as tf

from tests import causal_testing
from tests import run_testing
from tests import testing
from token_dropping import export
from token_dropping import generate

PROMPTS = ["the cat", "a  日"]
PLAIN = {
  "max_new_tokens": 9,
  "temperature": 2.0,
  "top_k": 50,
  "top_p": 0.9,
  "seed": 3,
}


DECODER = pytest.param("modernbert_decoder", marks=pytest.mark.slow)
both = pytest.mark.parametrize("made", ["gpt", DECODER], indirect=True)


@pytest.fixture(scope="module", params=["gpt"])
def made(request, tmp_path_factory):
  """The folder of a run, its model, and the SavedModel, read again."""
  path = tmp_path_factory.mktemp("made")
  model = run_testing.make_causal_run(
    path / "run", causal_testing.model(), request.param
  )
  out = path / "out"
  testing.run_command(export, model_dir=path / "run", output_dir=out)
  assert [folder.name for folder in out.iterdir()] == ["text"]
  version = out / "text" / "1"
  extra = {file.name for file in (version / "assets.extra").iterdir()}
  assert extra == {"tokenizer.model", "tf_serving_warmup_requests"}
  return path / "run", model, tf.saved_model.load(str(version))


def _generate(made, prompts=PROMPTS, **changes) -> list[bytes]:
  serve = made[2].signatures["serve_generate"]
  scalars = {
    name: tf.constant(value, serve.structured_input_signature[1][name].dtype)
    for name, value in (PLAIN | changes).items()
  }
  return (
    serve(text=tf.constant(prompts, tf.string), **scalars)["text"]
    .numpy()
    .tolist()
  )


@both
def test_text_is_that_of_the_command(made, capsys):
  flags = [f"--prompt={prompt}" for prompt in PROMPTS]
  testing.run_command(generate, *flags, model_dir=made[0], **PLAIN)
  texts = [text.decode(errors="replace") for text in _generate(made)]
  wanted = [f"{a}{b}\n\n" for a, b in zip(PROMPTS, texts, strict=True)]
  assert capsys.readouterr().out == "".join(wanted)


@both
def test_a_score_is_the_sum_over_the_tokens(made):
  """Each given those before it, and an end of text before the first."""
  _, model, served = made
  found = served.signatures["serve_score"](text=tf.constant(PROMPTS))
  for row, text in enumerate(PROMPTS):
    ids = [1, *causal_testing.tokenizer().tokenize([text]).to_list()[0]]
    total = 0.0
    for index in range(1, len(ids)):
      logits = model({"input_word_ids": tf.constant([ids[:index]])})["logits"]
      total += float(tf.nn.log_softmax(logits[0, -1])[ids[index]])
    np.testing.assert_allclose(found["log_probability"][row], total, rtol=1e-5)
    assert found["tokens"][row] == len(ids) - 1
    bits = -total / math.log(2) / len(text.encode())
    np.testing.assert_allclose(found["bits_per_byte"][row], bits, rtol=1e-5)


@pytest.mark.parametrize(
  ("changes", "rule"),
  [
    ({"prompts": []}, "text must have at least one element."),
    ({"prompts": ["the", ""]}, "text must not be empty."),
    ({"prompts": [b"a\xff"]}, "text must be UTF-8."),
    ({"prompts": ["!" * 8]}, "text must have no more tokens, "),
    ({"max_new_tokens": 0}, "max_new_tokens must be at least 1."),
    ({"temperature": 0.0}, "temperature must be above 0."),
    ({"top_k": -1}, "top_k must be 0 or more."),
    ({"top_p": 0.0}, "top_p must be in (0, 1]."),
    ({"top_p": 1.5}, "top_p must be in (0, 1]."),
  ],
)
def test_requests_are_checked(made, changes, rule):
  with pytest.raises(tf.errors.InvalidArgumentError) as caught:
    _generate(made, **changes)
  assert rule in str(caught.value)


def test_flags_of_other_models_are_refused(made, tmp_path):
  refused = testing.refused(
    testing.run_command,
    export,
    model_dir=made[0],
    output_dir=tmp_path / "out",
    head="encoder",
  )
  assert refused == (
    "--head and --output must be unset for a causal_lm run. Received: "
    "'encoder' and 'logits'"
  )
