# SPDX-License-Identifier: Apache-2.0
"""Tests of the signatures: equal to the trained model, and bad requests."""

import pathlib
import types

import numpy as np
import pytest
import tensorflow as tf

from tests import run_testing
from tests import serving_testing
from tests import testing
from token_dropping.common import errors
from token_dropping.serving import heads
from token_dropping.serving import signatures
from token_dropping.training import trained_run


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
  """By head: the run and its signatures."""
  found = {}
  for kind in ("masked_lm", "classification", "span"):
    folder = tmp_path_factory.mktemp(kind) / "run"
    run_testing.make_run(folder, kind)
    run = trained_run.TrainedRun.read(str(folder))
    found[kind] = types.SimpleNamespace(run=run, **_signatures(run))
  run = found["masked_lm"].run
  found["encoder"] = types.SimpleNamespace(
    run=run, **_signatures(run, "encoder")
  )
  return found


def _signatures(run, name="") -> dict:
  made = signatures.Signatures(heads.make_head(name, run), run)
  return made.of_ids() | made.of_text()


@pytest.fixture
def encoder(runs):
  return runs["encoder"]


def _ids(**changes) -> dict:
  return serving_testing.inputs("encoder", **changes)


def _strings(*texts) -> tf.Tensor:
  return tf.constant(texts, tf.string, shape=[len(texts)])


def _examples(inputs, names=None) -> tf.Tensor:
  """Returns requests without the padding, as a user would write them."""
  requests = []
  lengths = np.sum(inputs["input_mask"], axis=1)
  for row, length in enumerate(lengths):
    example = tf.train.Example()
    for name in names or inputs:
      count = length if name.startswith("input_") else None
      values = inputs[name].numpy()[row][:count]
      example.features.feature[name].int64_list.value.extend(values.tolist())
    requests.append(example.SerializeToString())
  return _strings(*requests)


def _text_example(**texts) -> bytes:
  example = tf.train.Example()
  for name, text in texts.items():
    example.features.feature[name].bytes_list.value.append(text.encode())
  return example.SerializeToString()


def _refused(signature, **inputs) -> str:
  with pytest.raises(tf.errors.InvalidArgumentError) as caught:
    signature(**inputs)
  return str(caught.value)


@pytest.mark.parametrize("kind", serving_testing.HEADS)
def test_examples_give_what_their_ids_give(runs, kind):
  inputs = serving_testing.inputs(kind)
  there = runs[kind].serve(**inputs)
  here = runs[kind].serve_examples(examples=_examples(inputs))
  serving_testing.assert_equal(here, there)


def test_examples_need_neither_mask_nor_types(encoder):
  inputs = _ids(input_type_ids=np.zeros([2, 11]), input_mask=np.ones([2, 11]))
  examples = _examples(inputs, ["input_word_ids"])
  there = encoder.serve(**inputs)
  serving_testing.assert_equal(encoder.serve_examples(examples=examples), there)


@pytest.mark.parametrize("size", [0, 1, 5])
@pytest.mark.parametrize("length", [1, testing.SEQ_LENGTH])
def test_batch_and_length_are_free(encoder, size, length):
  ones = tf.ones([size, length], tf.int32)
  outputs = encoder.serve(
    input_word_ids=ones, input_mask=ones, input_type_ids=0 * ones
  )
  assert outputs["sequence_output"].shape == (size, length, 8)


@pytest.mark.parametrize(
  ("kind", "texts"),
  [
    ("encoder", {"text": ["word1 word2 nothing", "Word3", ""]}),
    ("classification", {"text": ["word1 word2 nothing", "Word3", ""]}),
    ("span", {"question": ["word1", ""], "context": ["word2 word3", "word4"]}),
  ],
)
def test_text_gives_what_its_ids_give(runs, kind, texts):
  texts = {name: _strings(*values) for name, values in texts.items()}
  tokenizer = signatures.tokenizer_lib.Tokenizer(
    runs[kind].run.vocabulary, runs[kind].run.tokenizer_config
  )
  inputs = tokenizer.encode(list(texts.values()))
  there = runs[kind].serve(**inputs)
  if kind != "classification":
    there["input_word_ids"] = inputs["input_word_ids"]
  serving_testing.assert_equal(runs[kind].serve_text(**texts), there)


def test_text_examples_give_what_their_text_gives(runs):
  questions, contexts = ["word1", ""], ["word2 word3", "word4"]
  examples = [
    _text_example(question=question, context=context)
    for question, context in zip(questions, contexts, strict=True)
  ]
  there = runs["span"].serve_text(
    question=_strings(*questions), context=_strings(*contexts)
  )
  here = runs["span"].serve_text_examples(examples=_strings(*examples))
  serving_testing.assert_equal(here, there)


def test_mask_in_text_is_predicted(runs):
  texts = ["word1 [MASK] word2[MASK]", "[MASK]", "word1"]
  outputs = runs["masked_lm"].serve_text(text=_strings(*texts))
  words = [[2, 6, 4, 7, 4, 3], [2, 4, 3, 0, 0, 0], [2, 6, 3, 0, 0, 0]]
  positions = [[2, 4], [1, 0], [0, 0]]
  np.testing.assert_array_equal(outputs["input_word_ids"], words)
  np.testing.assert_array_equal(outputs["masked_lm_positions"], positions)
  inputs = {
    "input_word_ids": tf.constant(words),
    "input_mask": tf.sign(tf.constant(words)),
    "input_type_ids": 0 * tf.constant(words),
    "masked_lm_positions": tf.constant(positions),
  }
  there = runs["masked_lm"].serve(**inputs)["mlm_logits"]
  np.testing.assert_allclose(outputs["mlm_logits"], there, atol=1e-5)


def _both(runs, kind) -> tuple[dict, dict]:
  """Returns the logits of a request and its probabilities."""
  inputs = serving_testing.inputs(kind)
  head = heads.make_head(kind, runs[kind].run, "softmax")
  return runs[kind].serve(**inputs), head.outputs(inputs)


@pytest.mark.parametrize(
  ("kind", "logits", "probabilities"),
  [
    ("masked_lm", "mlm_logits", "mlm_probabilities"),
    ("classification", "outputs", "outputs"),
  ],
)
def test_probabilities(runs, kind, logits, probabilities):
  there, here = _both(runs, kind)
  there = {probabilities: tf.nn.softmax(there[logits])}
  serving_testing.assert_equal(here, there)


def test_span_probabilities_are_over_real_positions(runs):
  there, here = _both(runs, "span")
  there = tf.nn.softmax(there["start_logits"][1, : serving_testing.KNOWN])
  assert set(here) == {"start_probabilities", "end_probabilities"}
  known, rest = np.split(here["start_probabilities"][1], [len(there)])
  np.testing.assert_allclose(known, there, atol=1e-6)
  np.testing.assert_array_equal(rest, np.zeros(4))


# Requests that are cut or cleaned.


def test_long_text_is_cut(encoder):
  words = ["word1"] * 10_000
  long = encoder.serve_text(text=_strings(" ".join(words)))
  short = encoder.serve_text(text=_strings(" ".join(words[:14])))
  assert long["sequence_output"].shape == (1, testing.SEQ_LENGTH, 8)
  serving_testing.assert_equal(long, short)


def test_long_text_with_masks_is_cut(runs):
  text = _strings("word1 [MASK] " * 5_000)
  outputs = runs["masked_lm"].serve_text(text=text)
  assert outputs["input_word_ids"].shape == (1, testing.SEQ_LENGTH)
  assert outputs["input_word_ids"][0, -1] == 3
  positions = outputs["masked_lm_positions"]
  np.testing.assert_array_equal(positions, [np.arange(2, 15, 2)])


@pytest.mark.parametrize("kind", ["masked_lm", "encoder"])
def test_no_text_gives_nothing(runs, kind):
  outputs = runs[kind].serve_text(text=_strings())
  assert {value.shape[0] for value in outputs.values()} == {0}


def test_control_characters_and_broken_bytes_vanish(encoder):
  odd = _strings("word1\x00\x07 word2", b"word1\xff word2")
  plain = _strings("word1 word2", "word1 word2")
  there = encoder.serve_text(text=plain)
  serving_testing.assert_equal(encoder.serve_text(text=odd), there)


# Requests that are refused.


def _with_one(name, value, shape=(2, 11)) -> dict:
  """Returns inputs, one of which is `value` at one place and else 0."""
  changed = np.zeros(shape, np.int32)
  changed[1, 0] = value
  return {name: changed}


@pytest.mark.parametrize(
  ("changes", "message"),
  [
    (
      _with_one("input_word_ids", -1),
      "input_word_ids must be in [0, 50). Received:] [least] [-1] [most] [0]",
    ),
    (
      _with_one("input_word_ids", testing.VOCAB_SIZE),
      "input_word_ids must be in [0, 50). Received:] [least] [0] [most] [50]",
    ),
    (_with_one("input_mask", 2), "input_mask must be in [0, 2)"),
    (_with_one("input_type_ids", 2), "input_type_ids must be in [0, 2)"),
    (
      _with_one("masked_lm_positions", -1, (2, 1)),
      "masked_lm_positions must be in [0, sequence length)",
    ),
    (
      _with_one("masked_lm_positions", 11, (2, 1)),
      "masked_lm_positions must be in [0, sequence length)",
    ),
    ({"length": 0}, "the sequence length must be in [1, 16]. Received:"),
    (
      {"length": testing.SEQ_LENGTH + 1},
      "the sequence length must be in [1, 16]. Received:",
    ),
    (
      {"input_mask": np.ones([2, 10])},
      "input_mask must have the shape of input_word_ids.",
    ),
    (
      {"input_mask": np.ones([11])},
      "[11] is not compatible with expected shape [?,?]",
    ),
  ],
)
def test_ids_that_are_refused(runs, changes, message):
  kind = "masked_lm" if "masked_lm_positions" in changes else "encoder"
  inputs = serving_testing.inputs(kind, **changes)
  refusal = " ".join(_refused(runs[kind].serve, **inputs).split())
  assert message in refusal


def test_texts_of_several_sizes(runs):
  message = _refused(
    runs["span"].serve_text,
    question=_strings("word1"),
    context=_strings("word2", "word3"),
  )
  assert "context must have as many strings as question." in message


def _id_example(**features) -> bytes:
  example = tf.train.Example()
  for name, values in features.items():
    example.features.feature[name].int64_list.value.extend(values)
  # The same bytes in every process: they name tests.
  return example.SerializeToString(deterministic=True)


@pytest.mark.parametrize(
  ("signature", "example", "message"),
  [
    (
      "serve_examples",
      _text_example(text="word1"),
      "every tf.Example must have input_word_ids.",
    ),
    (
      "serve_examples",
      _id_example(input_word_ids=[5, 6], input_mask=[1]),
      "input_mask must be as long as input_word_ids.",
    ),
    (  # more than int32 can hold
      "serve_examples",
      _id_example(input_word_ids=[5, 2**32 + 5]),
      "input_word_ids must be in [0, 50)",
    ),
    ("serve_examples", "nonsense", "Could not parse example input"),
    (
      "serve_text_examples",
      _text_example(title="x"),
      "text (data type: string) is required",
    ),
  ],
)
def test_examples_that_are_refused(encoder, signature, example, message):
  function = getattr(encoder, signature)
  assert message in _refused(function, examples=_strings(example))


# Models that are refused.


def test_head_that_was_not_trained(runs):
  with pytest.raises(
    errors.UserError,
    match="--head must be encoder or masked_lm, which .*'span'",
  ):
    heads.make_head("span", runs["masked_lm"].run)


def test_softmax_of_vectors(runs):
  with pytest.raises(errors.UserError, match="--output must be logits for"):
    heads.make_head("encoder", runs["masked_lm"].run, "softmax")


def test_labels_of_another_run(runs):
  run = runs["classification"].run
  path = pathlib.Path(run.model_dir, "labels.txt")
  path.write_text("one\ntwo\nthree\n")
  with pytest.raises(errors.UserError, match="each of the 2 classes. .* 3$"):
    heads.make_head("classification", run)
  path.unlink()
