# SPDX-License-Identifier: Apache-2.0
"""Tests of what the network is compared with."""

from benchmarks import movie_finetuning

SPLITS = {
  "train": (["good film", "bad film", "good", "bad bad"] * 3, list("pnpn") * 3),
  "validation": (["good good", "film bad"], ["p", "n"]),
  "test": (["very good", "very bad", "bad film", "good"], ["p", "n", "n", "n"]),
}


def test_regression_reads_words():
  validation, test = movie_finetuning.regression(SPLITS)
  assert (validation, test) == (1.0, 0.75)  # the last label is wrong


def test_majority_is_that_of_the_training_sentences():
  splits = SPLITS | {"train": (["a", "b", "c"], ["p", "n", "n"])}
  assert movie_finetuning.majority(splits) == (0.5, 0.75)
