# SPDX-License-Identifier: Apache-2.0
"""A run whose importance is known: that of `wordN` is N / 10 nats."""

import pathlib

import numpy as np
import tf_keras

from tests import run_testing
from tests import testing
from token_dropping.common import vocabulary
from token_dropping.explain import sequences

WORDS = testing.VOCAB_SIZE - 5
_TOKENS = (*vocabulary.SPECIAL_TOKENS, "un", "##able", "to", ".")
VOCAB = vocabulary.Vocabulary((*_TOKENS, *testing.TOKENS[len(_TOKENS) :]))


def sequence(*ids: int) -> sequences.TextSequence:
  """Returns a sequence of tokens of `VOCAB`."""
  return sequences.from_ids(np.array(ids), np.zeros(len(ids)), VOCAB)


def make_run(folder: pathlib.Path) -> tf_keras.Model:
  """Makes the folder of a run that keeps half of the tokens.

  Its validation records are beside it, in `records`. Returns the model.
  """
  model = run_testing.make_run(folder)
  table = model.encoder_network.importance_scorer.table
  scores = table.numpy()
  scores[5:] = np.arange(WORDS) / 10
  table.assign(scores)
  run_testing.save_checkpoint(folder, model)
  records = [testing.random_features(seed) for seed in range(6)]
  path = testing.write_records(folder.parent / "records", records)
  run_testing.edit(folder, "task", "validation_data", "input_path", value=path)
  return model
