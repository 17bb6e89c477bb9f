# SPDX-License-Identifier: Apache-2.0
"""Tests of the Transformer: Model Garden's numbers, pairs apart, causality."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from tests import testing
from tests import translation_testing
from token_dropping.models import multiply_adds

T = translation_testing.T
packed, make_network = (
  translation_testing.packed,
  translation_testing.make_network,
)
ALL = {"token_keep_ratio": 1.0}
HALF = {"token_keep_ratio": 0.5, "drop_layer": 1}


def _sentences() -> dict[str, tf.Tensor]:
  ids = [[[5, 6, 7, 1, 0], [8, 9, 1, 0, 0]], [[9, 8, 1, 0], [7, 6, 5, 1]]]
  return dict(zip(("inputs", "targets"), map(tf.constant, ids), strict=True))


def _numbered(batch: dict) -> dict[str, tf.Tensor]:
  """Adds that each sequence has one pair."""
  numbers = {
    f"{side}_segmentation": tf.cast(ids > 0, tf.int32)
    for side, ids in batch.items()
  }
  return batch | numbers


@pytest.mark.parametrize("to_model_garden", [True, False])
def test_checkpoints_and_logits_are_model_gardens(tmp_path, to_model_garden):
  """Both ways, each weight; the call of Model Garden's own and ours."""
  config = translation_testing.make_config(**HALF)
  short = {"extra_decode_length": 2}
  networks = [config.build(**short), config.build_plain(**short)]
  ours, theirs = networks
  writer, reader = networks if to_model_garden else reversed(networks)
  translation_testing.make_random(writer)
  path = tf.train.Checkpoint(model=writer).write(str(tmp_path / "ckpt"))
  tf.train.Checkpoint(model=reader).read(path).assert_consumed()
  batch = _sentences()
  real = batch["targets"].numpy() > 0
  wanted = theirs(batch).numpy()
  assert np.abs(wanted).max() > 1
  found = ours(_numbered(batch))["logits"].numpy()
  np.testing.assert_allclose(found[real], wanted[real], atol=1e-5)
  sources = {"inputs": batch["inputs"]}
  np.testing.assert_array_equal(
    ours(sources)["outputs"], theirs(sources)["outputs"]
  )


def _losses(network, batch: dict, **kwargs) -> np.ndarray:
  """Returns the loss at each real target of a batch of one sequence."""
  logits = network(batch, **kwargs)["logits"]
  losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
    batch["targets"], logits
  )
  return losses.numpy()[batch["targets"].numpy() > 0]


def test_a_packed_loss_is_that_pair_by_pair():
  network = make_network(**ALL)
  together = _losses(network, packed())
  apart = [
    _losses(network, packed([pair])) for pair in translation_testing.SENTENCES
  ]
  np.testing.assert_allclose(together, np.concatenate(apart), atol=1e-5)


def test_dropped_tokens_of_the_source_return_to_the_decoder():
  """It sees the states of all that the encoder gives; others had been left."""
  network = make_network(**HALF)
  outputs = network(packed(), training=True)
  assert outputs["kept_positions"].shape == [1, 7]
  share = outputs["computed_share"].numpy()[0, : 5 + 3 + 4]
  assert 0 < share.sum() < len(share)
  received = outputs["decoder"]["received_attention"].numpy()[0]
  dropped = np.flatnonzero(share == 0)
  assert (received[dropped] > 0).all()
  whole = network(packed())["logits"].numpy()
  assert np.abs(outputs["logits"].numpy() - whole).max() > 1e-3


@pytest.mark.parametrize(
  "drops",
  [
    {},
    {"drop": {"type": "layerwise"}},
    {"importance": {"type": "next_token_loss"}},
  ],
  ids=["random", "layerwise", "loss"],
)
def test_what_the_decoder_drops_does_not_tell_later_targets(drops):
  """To the bit, and it is seen from the token after on."""
  network = make_network(**ALL, decoder_drop=HALF | drops)
  decoder = network.decoder_layer
  scorer = decoder.importance_scorer
  if scorer.has_empty_slots:
    scorer.table.assign(np.random.default_rng(3).permutation(40).astype("f"))
    scores = network(packed(), training=True)["decoder"]["token_scores"]
    scorer.selector.thresholds.assign([np.median(scores)] * 3)
  batch = packed()
  one = network(batch, training=True)["logits"].numpy()
  for place, more in itertools.product((1, 4, 6), (1, 4, 8)):
    targets = batch["targets"].numpy()
    targets[0, place] += more
    changed = batch | {"targets": tf.constant(targets)}
    other = network(changed, training=True)["logits"].numpy()
    np.testing.assert_array_equal(one[:, : place + 1], other[:, : place + 1])
    assert (one[:, place + 1] != other[:, place + 1]).any()
  whole = network(batch)["logits"].numpy()
  assert np.abs(one - whole).max() > 1e-3  # something was dropped


def test_attention_received_is_in_even_shares():
  """Of a decoder whose queries are 0 and look at all alike it is 1."""
  network = make_network(**ALL)
  for layer in network.decoder_layer.decoder_layers:
    kernel = layer.encdec_attention._query_dense.kernel
    kernel.assign(tf.zeros_like(kernel))
  outputs = network(packed())
  received = outputs["decoder"]["received_attention"].numpy()[0]
  np.testing.assert_allclose(received[:12], 1.0, atol=1e-5)
  np.testing.assert_array_equal(received[12:], 0.0)  # padding
  # The mean over a sentence is 1 however they look.
  received = make_network(**ALL)(packed())["decoder"]["received_attention"]
  for start, end in ((0, 5), (5, 8), (8, 12)):
    mean = received.numpy()[0, start:end].mean()
    assert mean == pytest.approx(1.0, abs=1e-5)


def test_cost_of_a_decoder_that_drops_by_hand():
  """Width 8, inner 16; one of three layers of 10 targets has five queries."""
  config = translation_testing.make_config(
    **ALL, decoder_drop={"token_keep_k": 5, "token_keep_ratio": None} | _ONE
  )
  data = _Data(seq_length=6, target_length=10)
  dense, plan = config.shape(data), config.decoder_plan
  dropping = type(dense)(**{**vars(dense), "decoder_plan": plan})
  saved = 5 * (2 * 64 + 2 * 8 * 16) + 2 * 5 * 10 * 8  # self-attention
  saved += 2 * 5 * 64 + 2 * 5 * 6 * 8  # cross-attention
  found = multiply_adds.dense_macs(dense) - multiply_adds.dense_macs(dropping)
  assert found == saved


_ONE = {"drop_layer": 1, "restore_layer": 2}


class _Data:
  def __init__(self, seq_length: int, target_length: int):
    self.seq_length, self.target_length = seq_length, target_length


def test_pooled_targets_are_refused():
  config = translation_testing.make_config(
    decoder_drop={"drop": {"type": "pool"}}
  )
  message = testing.refused(config.check_decoder_drop, 12)
  assert message.startswith("drop.type must be skip, ")


def test_each_side_is_made_anew_from_its_config():
  network = make_network(**HALF, decoder_drop={"token_keep_ratio": 0.25})
  for side in (network.encoder_layer, network.decoder_layer):
    copy = type(side).from_config(side.get_config())
    assert copy.get_config() == side.get_config()
    assert copy.drop_plan == side.drop_plan
