# SPDX-License-Identifier: Apache-2.0
"""Tests of the model of a run, what it drops, and its losses."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from tests import drops_testing
from tests import explain_testing
from tests import gpt_testing
from token_dropping.dropping import keep_schedule
from token_dropping.explain import dropping
from token_dropping.explain import sequences
from token_dropping.models.bert import encoder as encoder_lib
from token_dropping.models.causal import language_model
from token_dropping.training import trained_run

VOCAB_SIZE = 20
MASK = 4


@pytest.fixture(scope="module")
def encoder():
  """Scores of ids 5 to 19 are 0.5 to 1.9."""
  encoder = encoder_lib.TokenDropEncoder(
    vocab_size=VOCAB_SIZE,
    num_layers=6,
    hidden_size=4,
    num_attention_heads=2,
    inner_dim=8,
    token_allow_list=(1, 2, 3, 4),
  )
  table = encoder.importance_scorer.table
  scores = table.numpy()
  scores[5:] = np.arange(5, VOCAB_SIZE) / 10
  table.assign(scores)
  return encoder


# All again from layer 5: layers 1 to 4 are the middle, 3 and 4 after the second
# stage.
STAGES = [{"layer": 1, "keep_ratio": 0.75}, {"layer": 3, "keep_ratio": 0.25}]


@pytest.mark.parametrize(
  ("fields", "rows", "computed"),
  [
    ({}, [[2, 9, 5, 11, 6, 3]], [[1, 0, 0, 1, 0, 1]]),
    # Sequences of several lengths stay in order, more than a batch of them.
    ({}, [[5, 6], [5, 7, 6, 8], [9, 8]], [[0, 1], [0, 1, 0, 1], [1, 0]]),
    ({}, [[5, 6], *[[9, 8]] * dropping.BATCH], [[0, 1], *[[1, 0]] * 8]),
    ({"stages": STAGES}, [[5, 8, 7, 6]], [[0, 1, 0.5, 0.5]]),
    # Those that are shorter than the count keep all.
    ({"token_keep_k": 3}, [[5, 6], [5, 8, 7, 6]], [[1, 1], [0, 1, 1, 1]]),
  ],
)
def test_the_most_important_are_kept(encoder, fields, rows, computed):
  plan = drops_testing.make_plan(6, **fields)
  looks = dropping.look(
    encoder, plan, [explain_testing.sequence(*row) for row in rows]
  )
  assert [look.computed.tolist() for look in looks] == computed
  for look, row in zip(looks, rows, strict=True):
    scores = [1e4 if token < 5 else token / 10 for token in row]
    if look.computed.all():  # nothing was chosen
      scores = np.full(len(row), np.nan)
    np.testing.assert_allclose(look.scores, scores)


def test_padding_of_a_record_is_dropped_first(encoder):
  """Half of eight positions stay; of four, two would."""
  padded = [
    dataclasses.replace(explain_testing.sequence(*row), padding=8 - len(row))
    for row in ([5, 9, 6, 8], [5, 9, 6, 8, 7, 10])
  ]
  looks = dropping.look(encoder, drops_testing.make_plan(6), padded)
  wanted = [[1, 1, 1, 1], [0, 1, 0, 1, 1, 1]]
  assert [look.computed.tolist() for look in looks] == wanted


@pytest.mark.parametrize(
  ("step", "ratio"), [(0, 0.5), (39, 0.5), (40, 0.75), (95, 0.75)]
)
def test_the_plan_is_that_of_the_step_or_the_last_that_drops(step, ratio):
  config = keep_schedule.KeepScheduleConfig(
    type="steps",
    steps=[keep_schedule.KeepStep(step=40, keep_ratios=(0.75,))],
    full_last_steps=0.1,
    train_steps=100,
  )
  phases = keep_schedule.phases(config, drops_testing.make_plan(6))
  plan = dropping.plan_at(phases, step)
  assert plan.stages[0].keep_ratio == ratio


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
  return tmp_path_factory.mktemp("explain") / "run"


@pytest.fixture(scope="module")
def trained(folder):
  """The model that was saved in the folder."""
  return explain_testing.make_run(folder)


@pytest.fixture(scope="module")
def run(folder, trained):
  return trained_run.TrainedRun.read(str(folder))


@pytest.fixture(scope="module")
def model(run):
  dropping.check_run(run)
  return dropping.build_model(run)


def _inputs(ids, place: int) -> dict:
  return {
    "input_word_ids": tf.constant([ids]),
    "input_mask": tf.ones([1, len(ids)], tf.int32),
    "input_type_ids": tf.zeros([1, len(ids)], tf.int32),
    "masked_lm_positions": tf.constant([[place]]),
  }


def test_weights_and_table_are_those_of_the_run(trained, model):
  inputs = _inputs([2, 9, 8, 7, 3], 1)
  for training in (True, False):
    np.testing.assert_allclose(
      model(inputs, training=training)["mlm_logits"],
      trained(inputs, training=training)["mlm_logits"],
      rtol=1e-5,
      atol=1e-6,
    )
  np.testing.assert_array_equal(
    model.encoder_network.importance_scorer(inputs["input_word_ids"]),
    trained.encoder_network.importance_scorer(inputs["input_word_ids"]),
  )


def test_stages_of_a_run(run):
  stages = [{"layer": 0, "keep_ratio": 0.75}, {"layer": 1, "keep_ratio": 0.5}]
  encoder = run.encoder.replace(stages=stages, token_keep_ratio=None)
  plan = dropping.current_plan(dataclasses.replace(run, encoder=encoder))
  assert [stage.keep_ratio for stage in plan.stages] == [0.75, 0.5]


def test_every_token_is_masked_alone_where_there_are_few(run, model):
  row = explain_testing.sequence(2, 7, 8, 9, 3)
  (losses,) = dropping.masked_losses(model, [row], MASK)
  assert np.isnan(losses[[0, -1]]).all()
  bert = run.build_masked_lm()  # the network that is shipped
  for place in (1, 2, 3):
    masked = row.ids.copy()
    masked[place] = MASK
    logits = bert(_inputs(masked, place))["mlm_logits"][0, 0]
    loss = -tf.nn.log_softmax(logits)[row.ids[place]]
    np.testing.assert_allclose(losses[place], loss, rtol=1e-4)


def test_losses_are_of_documents_apart_where_the_run_keeps_them_so(model):
  row = explain_testing.sequence(2, 7, 3, 8, 9, 3)
  documents = np.array([0, 0, 0, 1, 1, 1], np.int32)
  apart = dataclasses.replace(row, document_ids=documents)
  found, together = (
    dropping.masked_losses(model, [one], MASK)[0] for one in (apart, row)
  )
  for place in (1, 3, 4):
    masked = row.ids.copy()
    masked[place] = MASK
    inputs = _inputs(masked, place) | {"document_ids": documents[np.newaxis]}
    logits = model(inputs)["mlm_logits"][0, 0]
    loss = -tf.nn.log_softmax(logits)[row.ids[place]]
    np.testing.assert_allclose(found[place], loss, rtol=1e-5)
  assert np.nanmax(np.abs(found - together)) > 1e-4


def test_all_tokens_of_sequences_of_any_length_get_a_loss(model):
  rows = [
    explain_testing.sequence(2, *words, 3)
    for words in (range(10, 24), [6], range(20, 34))
  ]
  losses = dropping.masked_losses(model, rows, MASK)
  for row, of_row in zip(rows, losses, strict=True):
    np.testing.assert_array_equal(np.isnan(of_row), row.special)
  again = dropping.masked_losses(model, rows, MASK)
  np.testing.assert_array_equal(np.concatenate(losses), np.concatenate(again))


def test_next_losses_are_of_what_follows_by_definition():
  model = language_model.LanguageModel(gpt_testing.make_network())
  ids = np.array([5, 1, 7, 9], np.int32)
  names = [f"n{i}" for i in range(gpt_testing.V)]
  row = sequences.from_spaced_pieces(ids, names)
  (losses,) = dropping.next_losses(model, [row])
  logits = model({"input_word_ids": ids[None]})["logits"]
  shares = tf.nn.softmax(logits).numpy()[0]
  wanted = -np.log(shares[[0, 2], ids[[1, 3]]])
  np.testing.assert_allclose(losses[[0, 2]], wanted, atol=1e-4)
  assert np.isnan(losses[[1, 3]]).all()
