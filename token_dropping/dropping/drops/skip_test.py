# SPDX-License-Identifier: Apache-2.0
"""Tests of the published type; `encoder_test.py` has those of its states."""

import numpy as np

from tests import drops_testing


def test_share_of_the_layers_in_which_a_token_was_computed():
  stages = [{"layer": 0, "keep_ratio": 0.75}, {"layer": 1, "keep_ratio": 0.25}]
  encoder = drops_testing.make_encoder("skip", stages=stages, restore_layer=4)
  outputs = encoder(drops_testing.batch(padding=0), training=True)
  first, second = drops_testing.SCORES[0], drops_testing.SCORES[1]
  for row in range(drops_testing.B):
    stayed = np.argsort(first[row])[-9:]  # in layer 0
    kept = stayed[np.argsort(second[row][stayed])[-3:]]  # in layers 1, 2, 3
    expected = np.zeros([drops_testing.S])
    expected[stayed], expected[kept] = 0.25, 1.0
    np.testing.assert_allclose(outputs["computed_share"][row], expected)
    assert outputs["kept_positions"].numpy()[row].tolist() == sorted(kept)
