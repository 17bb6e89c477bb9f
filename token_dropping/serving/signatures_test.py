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
from token_dropping.serving import heads
from token_dropping.serving import signatures
from token_dropping.training import trained_run


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
  """By head: the run and its signatures.

  Those of the encoder are graphs, as they are exported, the others run as
  Python, without the seconds of tracing; `tests/export_test.py` has all graphs.
  """
  found = {}
  for kind in ("masked_lm", "classification", "span"):
    folder = tmp_path_factory.mktemp(kind) / "run"
    run_testing.make_run(folder, kind)
    found[kind] = trained_run.TrainedRun.read(str(folder))
  graphs = _signatures(found["masked_lm"], "encoder")
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(signatures, "_concrete", lambda function, specs: function)
    found = {kind: _signatures(run) for kind, run in found.items()}
  tf.config.run_functions_eagerly(True)
  yield found | {"encoder": graphs}
  tf.config.run_functions_eagerly(False)


def _signatures(run, name="") -> types.SimpleNamespace:
  made = signatures.Signatures(heads.make_head(name, run), run)
  found = made.of_ids() | made.of_text()
  return types.SimpleNamespace(run=run, made=made, **found)  # keeps weights


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


TEXT = {"text": ["word1 word2 nothing", "Word3", ""]}
PAIRS = {"question": ["word1", ""], "context": ["word2 word3", "word4"]}


@pytest.mark.parametrize(
  ("kind", "texts"),
  [("encoder", TEXT), ("classification", TEXT), ("span", PAIRS)],
)
def test_text_gives_what_its_ids_give(runs, kind, texts):
  texts = {name: _strings(*values) for name, values in texts.items()}
  inputs = runs[kind].run.tokenizer.encode(list(texts.values()))
  there = runs[kind].serve(**inputs)
  if kind != "classification":
    there["input_word_ids"] = inputs["input_word_ids"]
  serving_testing.assert_equal(runs[kind].serve_text(**texts), there)


def test_text_examples_give_what_their_text_gives(runs):
  examples = _strings(
    _text_example(question="word1", context="word2 word3"),
    _text_example(question="", context="word4"),
  )
  here = runs["span"].serve_text_examples(examples=examples)
  there = {name: _strings(*values) for name, values in PAIRS.items()}
  serving_testing.assert_equal(here, runs["span"].serve_text(**there))


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


@pytest.mark.parametrize("kind", ["masked_lm", "classification", "span"])
def test_probabilities(runs, kind):
  inputs = serving_testing.inputs(kind)
  head = heads.make_head(kind, runs[kind].run, "softmax")
  here, there = head.outputs(inputs), runs[kind].serve(**inputs)
  if kind == "span":  # over the real positions
    real = inputs["input_mask"] > 0
    there = {name: tf.where(real, v, -np.inf) for name, v in there.items()}
  expected = {
    name.replace("logits", "probabilities"): tf.nn.softmax(logits)
    for name, logits in there.items()
  }
  serving_testing.assert_equal(here, expected, atol=1e-6)


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
  spec = {"text": tf.TensorSpec([None], tf.string)}
  graph = signatures._concrete(runs[kind].serve_text, spec)
  outputs = graph(text=_strings())
  assert {value.shape[0] for value in outputs.values()} == {0}
  assert outputs["input_word_ids"].shape == (0, 1)


def test_no_examples_give_nothing(encoder):
  outputs = encoder.serve_examples(examples=_strings())
  assert outputs["sequence_output"].shape == (0, 1, 8)


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


IDS = "input_word_ids must be in [0, 50). Received:] [least]"
LENGTH = "the sequence length must be in [1, 16]. Received:"
PLACES = "masked_lm_positions must be in [0, sequence length)"


@pytest.mark.parametrize(
  ("changes", "message"),
  [
    (_with_one("input_word_ids", -1), f"{IDS} [-1] [most] [0]"),
    (_with_one("input_word_ids", 50), f"{IDS} [0] [most] [50]"),
    (_with_one("input_mask", 2), "input_mask must be in [0, 2)"),
    (_with_one("input_type_ids", 2), "input_type_ids must be in [0, 2)"),
    (_with_one("masked_lm_positions", -1, (2, 1)), PLACES),
    (_with_one("masked_lm_positions", 11, (2, 1)), PLACES),
    ({"length": 0}, LENGTH),
    ({"length": 17}, LENGTH),
    ({"input_mask": np.ones([2, 10])}, "input_mask must have the shape of"),
    ({"input_mask": np.ones([11])}, "[11] is not compatible with expected"),
  ],
)
def test_ids_that_are_refused(runs, changes, message):
  kind = "masked_lm" if "masked_lm_positions" in changes else "encoder"
  inputs = serving_testing.inputs(kind, **changes)
  refusal = " ".join(_refused(runs[kind].serve, **inputs).split())
  assert message in refusal


def test_texts_of_several_sizes(runs):
  texts = {"question": _strings("a"), "context": _strings("b", "c")}
  message = _refused(runs["span"].serve_text, **texts)
  assert "context must have as many strings as question." in message


def _id_example(**features) -> bytes:
  example = tf.train.Example()
  for name, values in features.items():
    example.features.feature[name].int64_list.value.extend(values)
  # The same bytes in every process: they name tests.
  return example.SerializeToString(deterministic=True)


@pytest.mark.parametrize(
  ("example", "message"),
  [
    (_text_example(text="word1"), "every tf.Example must have input_word_ids."),
    (
      _id_example(input_word_ids=[5, 6], input_mask=[1]),
      "input_mask must be as long as input_word_ids.",
    ),
    (  # more than int32 can hold
      _id_example(input_word_ids=[5, 2**32 + 5]),
      "input_word_ids must be in [0, 50)",
    ),
    ("nonsense", "Could not parse example input"),
  ],
)
def test_examples_that_are_refused(encoder, example, message):
  refusal = _refused(encoder.serve_examples, examples=_strings(example))
  assert message in refusal


def test_examples_without_text(encoder):
  examples = _strings(_text_example(title="x"))
  refusal = _refused(encoder.serve_text_examples, examples=examples)
  assert "text (data type: string) is required" in refusal


# Models that are refused.


def test_heads_that_are_refused(runs):
  run = runs["masked_lm"].run
  message = testing.refused(heads.make_head, "span", run)
  assert message.startswith("--head must be encoder or masked_lm, which ")
  assert "'span'" in message
  message = testing.refused(heads.make_head, "encoder", run, "softmax")
  assert message.startswith("--output must be logits for")


def test_labels_of_another_run(runs):
  run = runs["classification"].run
  path = pathlib.Path(run.model_dir, "labels.txt")
  path.write_text("one\ntwo\nthree\n")
  message = testing.refused(heads.make_head, "classification", run)
  assert message.startswith(f"{path} must have a line for each class, 2. ")
  path.unlink()
