# SPDX-License-Identifier: Apache-2.0
"""Tests of the signatures: equal to the trained model, and bad requests."""

import types

import numpy as np
import pytest
import tensorflow as tf

from tests import run_testing
from tests import testing
from token_dropping.common import errors
from token_dropping.serving import heads
from token_dropping.serving import signatures
from token_dropping.training import trained_run

KINDS = ("masked_lm", "classification", "span")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
  """By kind: the trained model, the run and its signatures."""
  found = {}
  for kind in KINDS:
    folder = tmp_path_factory.mktemp(kind) / "run"
    model = run_testing.make_run(folder, kind)
    run = trained_run.TrainedRun.read(str(folder))
    found[kind] = types.SimpleNamespace(
      model=model, run=run, **_signatures(run)
    )
  run = found["masked_lm"].run
  found["encoder"] = types.SimpleNamespace(
    model=found["masked_lm"].model.encoder_network,
    run=run,
    **_signatures(run, "encoder"),
  )
  return found


def _signatures(run, name="") -> dict:
  made = signatures.Signatures(heads.make_head(name, run), run)
  return made.of_ids() | made.of_text()


@pytest.fixture
def encoder(runs):
  return runs["encoder"]


def _ids(length=11, **changes) -> dict:
  rng = np.random.default_rng(3)
  ids = rng.integers(5, testing.VOCAB_SIZE, [2, length])
  mask = np.ones_like(ids)
  mask[1, 7:] = 0
  inputs = {
    "input_word_ids": ids * mask,
    "input_mask": mask,
    "input_type_ids": np.arange(length) // 6 * mask,
  }
  return {k: tf.constant(v, tf.int32) for k, v in (inputs | changes).items()}


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


def _request(kind) -> dict:
  if kind == "masked_lm":
    return _ids(masked_lm_positions=[[1, 4], [2, 0]])
  return _ids()


def _trained(kind, model, inputs) -> dict:
  """Returns what the training model computes of a request."""
  outputs = model(inputs)
  if kind == "classification":
    return {"outputs": outputs}
  if kind == "span":
    return dict(zip(("start_logits", "end_logits"), outputs, strict=True))
  names = {"masked_lm": ["mlm_logits"]}
  names = names.get(kind, ["sequence_output", "pooled_output"])
  return {name: outputs[name] for name in names}


def _assert_equal(here, there, atol=1e-5) -> None:
  assert here.keys() == there.keys()
  for name, value in there.items():
    np.testing.assert_allclose(here[name], value, atol=atol, err_msg=name)


def _refused(signature, **inputs) -> str:
  with pytest.raises(tf.errors.InvalidArgumentError) as caught:
    signature(**inputs)
  return str(caught.value)


@pytest.mark.parametrize("kind", [*KINDS, "encoder"])
def test_ids_give_what_the_trained_model_gives(runs, kind):
  inputs = _request(kind)
  there = _trained(kind, runs[kind].model, inputs)
  _assert_equal(runs[kind].serve(**inputs), there)


@pytest.mark.parametrize("kind", [*KINDS, "encoder"])
def test_examples_give_what_their_ids_give(runs, kind):
  inputs = _request(kind)
  there = runs[kind].serve(**inputs)
  _assert_equal(runs[kind].serve_examples(examples=_examples(inputs)), there)


def test_examples_need_neither_mask_nor_types(encoder):
  inputs = _ids(input_type_ids=np.zeros([2, 11]), input_mask=np.ones([2, 11]))
  examples = _examples(inputs, ["input_word_ids"])
  there = encoder.serve(**inputs)
  _assert_equal(encoder.serve_examples(examples=examples), there)


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
  _assert_equal(runs[kind].serve_text(**texts), there)


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
  _assert_equal(here, there)


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


def _probabilities(runs, kind) -> dict:
  head = heads.make_head(kind, runs[kind].run, "softmax")
  return head.outputs(_request(kind))


def test_probabilities(runs):
  logits = runs["masked_lm"].serve(**_request("masked_lm"))["mlm_logits"]
  there = {"mlm_probabilities": tf.nn.softmax(logits)}
  _assert_equal(_probabilities(runs, "masked_lm"), there)
  logits = runs["classification"].serve(**_ids())["outputs"]
  there = {"outputs": tf.nn.softmax(logits)}
  _assert_equal(_probabilities(runs, "classification"), there)


def test_span_probabilities_are_over_real_positions(runs):
  outputs = _probabilities(runs, "span")
  logits = runs["span"].serve(**_ids())
  there = tf.nn.softmax(logits["start_logits"][1, :7])
  assert set(outputs) == {"start_probabilities", "end_probabilities"}
  start = outputs["start_probabilities"][1]
  np.testing.assert_allclose(start[:7], there, atol=1e-6)
  np.testing.assert_array_equal(start[7:], np.zeros(4))


# Requests that are cut or cleaned.


def test_long_text_is_cut(encoder):
  words = ["word1"] * 10_000
  long = encoder.serve_text(text=_strings(" ".join(words)))
  short = encoder.serve_text(text=_strings(" ".join(words[:14])))
  assert long["sequence_output"].shape == (1, testing.SEQ_LENGTH, 8)
  _assert_equal(long, short)


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
  _assert_equal(encoder.serve_text(text=odd), there)


# Requests that are refused.


@pytest.mark.parametrize("value", [-1, testing.VOCAB_SIZE])
def test_ids_outside_the_vocabulary(encoder, value):
  ids = _ids()["input_word_ids"].numpy()
  ids[0, 3] = value
  message = _refused(encoder.serve, **_ids(input_word_ids=ids))
  assert "input_word_ids must be in [0, 50). Received:" in message
  assert str(value) in message


@pytest.mark.parametrize(
  ("name", "value", "rule"),
  [
    ("input_mask", 2, "input_mask must be in [0, 2)"),
    ("input_type_ids", 2, "input_type_ids must be in [0, 2)"),
  ],
)
def test_values_outside_their_range(encoder, name, value, rule):
  inputs = _ids(**{name: np.full([2, 11], value)})
  assert rule in _refused(encoder.serve, **inputs)


@pytest.mark.parametrize("value", [-1, 11])
def test_positions_outside_the_sequence(runs, value):
  inputs = _ids(masked_lm_positions=[[0], [value]])
  message = _refused(runs["masked_lm"].serve, **inputs)
  assert "masked_lm_positions must be in [0, sequence length)" in message


@pytest.mark.parametrize("length", [0, testing.SEQ_LENGTH + 1])
def test_length(encoder, length):
  message = _refused(encoder.serve, **_ids(length))
  assert "the sequence length must be in [1, 16]. Received:" in message


def test_inputs_of_several_shapes(encoder):
  inputs = _ids(input_mask=np.ones([2, 10]))
  message = _refused(encoder.serve, **inputs)
  assert "input_mask must have the shape of input_word_ids." in message


def test_wrong_rank(encoder):
  inputs = {name: value[0] for name, value in _ids().items()}
  message = _refused(encoder.serve, **inputs)
  assert "[11] is not compatible with expected shape [?,?]" in message


def test_texts_of_several_sizes(runs):
  message = _refused(
    runs["span"].serve_text,
    question=_strings("word1"),
    context=_strings("word2", "word3"),
  )
  assert "context must have as many strings as question." in message


def test_examples_without_ids(encoder):
  message = _refused(
    encoder.serve_examples, examples=_strings(_text_example(text="word1"))
  )
  assert "every tf.Example must have input_word_ids." in message


def test_examples_of_several_lengths(encoder):
  example = tf.train.Example()
  for name, values in (("input_word_ids", [5, 6]), ("input_mask", [1])):
    example.features.feature[name].int64_list.value.extend(values)
  message = _refused(
    encoder.serve_examples, examples=_strings(example.SerializeToString())
  )
  assert "input_mask must be as long as input_word_ids." in message


def test_example_ids_that_int32_cannot_hold(encoder):
  example = tf.train.Example()
  feature = example.features.feature["input_word_ids"]
  feature.int64_list.value.extend([5, 2**32 + 5])
  message = _refused(
    encoder.serve_examples, examples=_strings(example.SerializeToString())
  )
  assert "input_word_ids must be in [0, 50)" in message


def test_bytes_that_are_no_example(encoder):
  message = _refused(encoder.serve_examples, examples=_strings("nonsense"))
  assert "Could not parse example input" in message


def test_text_example_without_its_field(encoder):
  message = _refused(
    encoder.serve_text_examples, examples=_strings(_text_example(title="x"))
  )
  assert "text (data type: string) is required" in message


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


def test_labels_of_another_run(tmp_path):
  run_testing.make_run(tmp_path / "run", "classification")
  (tmp_path / "run" / "labels.txt").write_text("one\ntwo\nthree\n")
  run = trained_run.TrainedRun.read(str(tmp_path / "run"))
  with pytest.raises(errors.UserError, match="each of the 2 classes. .* 3$"):
    heads.make_head("classification", run)
