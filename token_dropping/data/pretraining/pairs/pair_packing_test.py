# SPDX-License-Identifier: Apache-2.0
"""Tests of how pairs share sequences."""

import numpy as np

from token_dropping.data.pretraining.pairs import pair_packing


def test_each_pair_is_in_one_sequence_that_has_room():
  sizes = np.random.default_rng(0).integers(1, 30, [500, 2])
  bins = pair_packing.fill_bins(sizes, (64, 48))
  assert sorted(i for members in bins for i in members) == list(range(500))
  used = np.stack([sizes[members].sum(0) for members in bins])
  assert (used <= (64, 48)).all()
  # No two bins would fit into one, or the second had not been begun.
  least = used.sum(0) / (64, 48)
  assert len(bins) < 1.1 * least.max()


def test_the_fullest_sequence_that_fits_is_taken():
  # Bins have 4 and 4, or 2 and 3 left over; the last pair fits into both.
  sizes = np.array([[6, 6], [8, 7], [2, 3]])
  assert pair_packing.fill_bins(sizes, (10, 10)) == [[1, 2], [0]]


def test_pairs_of_a_window_share_sequences(monkeypatch):
  monkeypatch.setattr(pair_packing, "WINDOW", 2)
  sizes = np.array([[1, 1], [2, 2], [3, 3], [9, 9], [1, 1]])
  found = pair_packing.fill_bins(sizes, (10, 10))
  assert found == [[1, 0], [3], [2], [4]]


def test_no_pairs():
  assert pair_packing.fill_bins(np.zeros([0, 2], np.int64), (8, 8)) == []
  ids, numbers = pair_packing.join([], [], 8)
  assert ids.shape == numbers.shape == (0, 8)
