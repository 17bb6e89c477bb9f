# SPDX-License-Identifier: Apache-2.0
"""Tests of all types of importance: what they share, and their numbers."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from tests import testing
from token_dropping.common import vocabulary
from token_dropping.dropping import config as dropping_config
from token_dropping.dropping import tokens
from token_dropping.dropping.importance import frozen_scorer
from token_dropping.dropping.importance import importance_table
from token_dropping.dropping.importance import importance_types
from token_dropping.dropping.importance import step_seed
from token_dropping.dropping.importance import token_scorer

# XLA makes random numbers of its own.
DRAWING = {"random", "unmasked", "mlm_loss_random", "mlm_loss_noise"}
V, KEEP = 8, 3
PAD, CLS = 0, 1
# [CLS], words, a dense input, padding. The last real token is a word.
IDS = tf.constant([[CLS, 5, 6, -1, 7, PAD, PAD]])
MASK = tf.constant([[1, 1, 1, 1, 1, 0, 0]])


@pytest.fixture
def make_scorer(tmp_path):
  """Returns a function that makes a built scorer of a type."""
  words = vocabulary.Vocabulary(tuple("abcdefgh"))
  scores = np.arange(V, dtype=np.float32) / 10

  def make(kind: str, **fields) -> token_scorer.TokenScorer:
    if kind in importance_table.KINDS:
      path = str(tmp_path / f"{kind}.npz")
      importance_table.ImportanceTable.of_seen(
        kind, words, scores, np.ones([V], int)
      ).write(path)
      fields["table_file"] = path
    network, *_ = importance_types.get(kind).networks
    scorer = dropping_config.CLASSES[network](
      importance={"type": kind, **fields},
      token_loss_beta=0.0,
      token_allow_list=(CLS,),
      token_deny_list=(PAD,),
    ).make_scorer(V, 4)
    scorer.build()
    return scorer

  return make


@pytest.fixture(params=importance_types.TYPES)
def scorer(request, make_scorer):
  """A scorer of each type; [CLS] always stays, [PAD] leaves first."""
  return make_scorer(request.param)


def _states(seed: int = 0) -> tf.Tensor:
  return tf.random.stateless_normal([1, IDS.shape[1], 4], [seed, 1])


def _score(scorer, layer: int = 1) -> tf.Tensor:
  return scorer(IDS, _states(), mask=MASK, keep=KEEP, layer=layer)


def test_special_ids_and_dense_inputs_are_pinned(scorer):
  scorer.update([CLS, PAD, 5], [1.0, 2.0, 3.0], [1.0, 1.0, 1.0])
  scores = _score(scorer).numpy()[0]
  assert scores.dtype == np.float32
  np.testing.assert_array_equal(scores[[0, 3]], token_scorer.ALWAYS_KEPT)
  np.testing.assert_array_equal(scores[[5, 6]], token_scorer.ALWAYS_DROPPED)
  assert (np.abs(scores[[1, 2, 4]]) < 1e3).all()
  by_id = scorer.scores_by_id()
  assert by_id is None or np.isnan(by_id[[PAD, CLS]]).all()


@pytest.mark.parametrize("keep", [2, 5])
def test_padding_leaves_first_and_special_ids_stay(scorer, keep):
  scores = scorer(IDS, _states(), mask=MASK, keep=keep, layer=1)
  kept = tokens.select(scores, keep=keep, mask=MASK)
  assert {0, 3} <= set(kept.numpy()[0]) <= {0, 1, 2, 3, 4}


def test_compiled_scores_are_those_of_eager_ones(make_scorer):
  step, states = tf.Variable(3), _states()
  scorers = {kind: make_scorer(kind) for kind in importance_types.TYPES}
  for scorer in scorers.values():
    scorer.seeds = step_seed.StepSeed(step, seed=1)

  def score():
    return {
      kind: scorer(IDS, states, MASK, KEEP) for kind, scorer in scorers.items()
    }

  compile_scores = tf.function(score, jit_compile=True)
  found, eager = compile_scores(), score()
  again = compile_scores()
  for kind, scores in found.items():
    expected = again[kind] if kind in DRAWING else eager[kind]
    np.testing.assert_allclose(scores, expected, rtol=1e-5)


def test_scorer_is_checkpointed_and_rebuilt(scorer, tmp_path):
  scorer.seeds = step_seed.StepSeed(tf.Variable(3), seed=1)
  scorer.update([5, 5, 7], [1.0, 2.0, 3.0], [1.0, 1.0, 1.0])
  prefix = tf.train.Checkpoint(importance=scorer).save(str(tmp_path / "ckpt"))
  copy = type(scorer).from_config(scorer.get_config())
  copy.build()
  copy.seeds = scorer.seeds
  status = tf.train.Checkpoint(importance=copy).read(prefix)
  status.assert_existing_objects_matched()
  np.testing.assert_array_equal(_score(copy), _score(scorer))


def test_scores_are_float32_under_mixed_precision(make_scorer):
  tf_keras.mixed_precision.set_global_policy("mixed_bfloat16")
  try:
    for kind in importance_types.TYPES:
      assert _score(make_scorer(kind)).dtype == tf.float32
  finally:
    tf_keras.mixed_precision.set_global_policy("float32")


def test_another_allow_list_counts_from_the_next_step_on(make_scorer):
  old = make_scorer("mlm_loss")
  config = old.get_config() | {"allow_list": (6,), "deny_list": (7,)}
  new = type(old).from_config(config)
  new.build()
  new.set_weights(old.get_weights())
  scores = _score(new).numpy()[0]
  np.testing.assert_array_equal(scores[[2, 4]], [1e4, -1e4])


def test_an_id_that_is_no_longer_pinned_counts_as_never_predicted(make_scorer):
  old = make_scorer("mlm_loss")
  config = old.get_config() | {"allow_list": (), "deny_list": ()}
  new = type(old).from_config(config)
  new.build()
  new.set_weights(old.get_weights())
  scores = _score(new).numpy()[0]
  np.testing.assert_array_equal(scores[[0, 1, 5]], 10.0)
  assert np.isnan(new.scores_by_id()).all()


# Hand-computed scores.


def _seeded(scorer, step: int = 3, seed: int = 1):
  scorer.seeds = step_seed.StepSeed(tf.Variable(step), seed)
  return scorer


def _train(scorer):
  """Gives the ids 5, 6, 7 the losses 1, 9, 2."""
  scorer.update([5, 6, 7], [1.0, 9.0, 2.0], [1.0, 1.0, 1.0])
  return scorer


def test_frequency_is_surprisal(make_scorer):
  scorer = make_scorer("frequency")
  scorer.update([[5, 5], [5, 6]], [[1.0, np.nan]] * 2, [[1.0, 1.0], [1.0, 0.0]])
  scores = _score(scorer).numpy()[0]
  # Of 3 tokens in a vocabulary of 8: (3 + 1) / (3 + 8) and (0 + 1) / 11.
  np.testing.assert_allclose(scores[[1, 2, 4]], np.log([11 / 4, 11, 11]), 1e-6)
  by_id = scorer.scores_by_id()
  np.testing.assert_allclose(by_id[5], np.log(11 / 4))
  assert np.isnan(np.delete(by_id, 5)).all()


def test_weights_that_are_not_finite_are_not_counted(make_scorer):
  scorer = make_scorer("frequency")
  scorer.update([5, 5, 6], [1.0, 1.0, 1.0], [np.nan, 1.0, 2.0])
  np.testing.assert_array_equal(scorer.counts, [0, 0, 0, 0, 0, 0, 2, 0])


def test_hidden_norm_is_the_length_of_the_state(make_scorer):
  states = tf.constant([[[3.0, 4.0], [0.0, -2.0]]], tf.bfloat16)
  scores = make_scorer("hidden_norm")(tf.constant([[5, 6]]), states)
  np.testing.assert_array_equal(scores, [[5.0, 2.0]])


@pytest.mark.parametrize("kind", importance_table.KINDS)
def test_tables_are_looked_up(make_scorer, kind):
  scores = _score(make_scorer(kind)).numpy()[0]
  np.testing.assert_allclose(scores[[1, 2, 4]], [0.5, 0.6, 0.7])


def test_unknown_ids_of_a_table_count_as_the_highest():
  table = [1.0, np.nan, 5.0, 2.0]
  scorer = frozen_scorer.FrozenScorer(4, table, allow_list=[2])
  scores = scorer(tf.constant([[0, 1, 2, 3]]))
  np.testing.assert_array_equal(scores, [[1.0, 5.0, 1e4, 2.0]])
  known = [1.0, np.nan, np.nan, 2.0]
  np.testing.assert_array_equal(scorer.scores_by_id(), known)


def test_random_share_is_drawn_from_the_tokens_that_loss_leaves(make_scorer):
  scorer = _train(make_scorer("mlm_loss_random", random_ratio=0.34))
  ids = tf.constant([[CLS, 6, *[5, 7] * 20, PAD, PAD]])
  mask = tf.cast(ids != PAD, tf.int32)
  kept = []
  for step in range(20):
    scores = _seeded(scorer, step)(ids, mask=mask, keep=3)  # R = 1
    # The loss chooses [CLS] and 6; the third is a chance of the others.
    chosen = scores.numpy()[0]
    assert chosen[0] == 1e4 and chosen[1] == 2.0
    assert (chosen[2:-2] < 1.0).all() and (chosen[2:-2] > 0.0).all()
    kept.append(tokens.select(scores, 3, mask).numpy()[0, 2])
  assert len(set(kept)) > 10
  assert max(kept) < 42


def test_no_random_share_is_the_order_of_the_loss(make_scorer):
  scorer = _train(make_scorer("mlm_loss_random", random_ratio=0.0))
  chosen = _score(scorer).numpy()[0] == 2.0
  # K = 3: [CLS] and the dense input are pinned, 6 has the highest loss.
  np.testing.assert_array_equal(np.flatnonzero(chosen), [2])


def test_noise_is_gumbel_of_the_temperature(make_scorer):
  scorer = _seeded(make_scorer("mlm_loss_noise", temperature=2.0))
  ids = tf.fill([100, 200], 5)
  noise = scorer(ids).numpy() - 10.0  # no loss was seen yet
  # Mean: Euler's constant; variance: pi ** 2 / 6.
  assert abs(noise.mean() / 2.0 - 0.5772) < 0.05
  assert abs(noise.var() / 4.0 - np.pi**2 / 6) < 0.1


def test_tokens_near_the_border_take_turns(make_scorer):
  scorer = make_scorer("mlm_loss_noise", temperature=0.5)
  scorer.update([5, 6, 7], [1.0, 1.5, 9.0], [1.0, 1.0, 1.0])
  wins = []
  for step in range(60):
    easier, harder, _ = _seeded(scorer, step)(tf.constant([[5, 6, 7]]))[0]
    wins.append(easier > harder)
  # The difference of two Gumbel numbers is logistic: 1 / (1 + e) is 0.27.
  assert 0.1 < np.mean(wins) < 0.45


# Random numbers.


def _random(make_scorer, step=3, seed=1, layer=1) -> np.ndarray:
  scorer = _seeded(make_scorer("random"), step, seed)
  return scorer(tf.fill([4, 100], 5), layer=layer).numpy()


def test_random_scores_are_uniform_and_those_of_the_step(make_scorer):
  first = _random(make_scorer)
  assert 0.4 < first.mean() < 0.6
  assert first.min() > 0.0 and first.max() < 1.0
  np.testing.assert_array_equal(first, _random(make_scorer))
  for other in ({"step": 4}, {"seed": 2}, {"layer": 2}):
    assert (first != _random(make_scorer, **other)).mean() > 0.99


def test_without_a_step_every_call_draws_anew(make_scorer):
  scorer = make_scorer("random")
  ids = tf.fill([1, 100], 5)
  draw = tf.function(lambda: scorer(ids), jit_compile=True)
  assert (draw() != draw()).numpy().all()


@pytest.mark.parametrize(
  ("kind", "field", "value", "rule"),
  [
    ("mlm_loss_random", "random_ratio", 1.5, "in [0, 1]"),
    ("mlm_loss_noise", "temperature", 0.0, "in (0, 100]"),
    ("mlm_loss_noise", "temperature", 1e4, "in (0, 100]"),
  ],
)
def test_wrong_values_are_refused(make_scorer, kind, field, value, rule):
  message = f"importance.{field} must be {rule}. Received: {value}"
  for chosen in (kind, "random"):  # also where another type is chosen
    found = testing.refused(make_scorer, chosen, **{field: value})
    assert found == message


def test_unmasked_tokens_stay():
  config = dropping_config.DroppingConfig(importance={"type": "unmasked"})
  scorer = config.make_scorer(200, 4)
  # Of BERT's published vocabulary: [UNK], [CLS], [SEP]; [PAD], [MASK].
  assert (scorer.allow_list, scorer.deny_list) == ((100, 101, 102), (0, 103))
  ids = tf.constant(
    [[101, 7, 103, 8, 103, 9, 103, 0], [101, 7, 8, 9, 4, 5, 6, 102]]
  )
  mask = tf.cast(ids != 0, tf.int32)
  kept = [tokens.select(scorer(ids), keep, mask).numpy() for keep in (4, 5)]
  assert kept[0][0].tolist() == [0, 1, 3, 5]  # exactly those not masked
  assert kept[1][0].tolist() == [0, 1, 2, 3, 5]  # and the first masked one
  assert {0, 7} <= set(kept[0][1].tolist())
  config.token_allow_list = (103,)
  rule = "token_allow_list and token_deny_list must not share ids"
  assert testing.refused(config.make_scorer, 200, 4).startswith(rule)


def test_unset_is_random_where_layers_choose():
  resolve = importance_types.resolve
  assert resolve(None) == resolve(None, "pool") == "mlm_loss"
  assert resolve(None, "layerwise") == "random"
  assert resolve("hidden_norm", "layerwise") == "hidden_norm"


def test_same_scores_in_every_layer_are_refused_where_layers_choose():
  config = dropping_config.DroppingConfig(importance={"type": "frequency"})
  config.drop.type = "context"
  importance_types.check_fields(config)
  config.drop.type = "layerwise"
  assert testing.refused(importance_types.check_fields, config) == (
    "importance.type must be one of random, unmasked, mlm_loss_random, "
    "mlm_loss_noise, hidden_norm where drop.type is layerwise: with others all "
    "layers choose the same. Received: 'frequency'"
  )
