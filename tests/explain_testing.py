# SPDX-License-Identifier: Apache-2.0
"""A run whose importance is known: that of `wordN` is N / 10 nats."""

import pathlib

import numpy as np
import tf_keras
import yaml

from tests import run_testing
from tests import testing

WORDS = testing.VOCAB_SIZE - 5


def make_run(folder: pathlib.Path) -> tf_keras.Model:
  """Makes the folder of a run that keeps half of the tokens.

  Its validation records are beside it, in `records`.

  Args:
    folder: to be made.

  Returns:
    The model whose weights the checkpoint holds.
  """
  model = run_testing.make_run(folder)
  table = model.encoder_network.importance_scorer.table
  scores = table.numpy()
  scores[5:] = np.arange(WORDS) / 10
  table.assign(scores)
  run_testing.save_checkpoint(folder, model)
  records = [testing.random_features(seed) for seed in range(6)]
  path = testing.write_records(folder.parent / "records", records)
  edit(folder, "task", "validation_data", "input_path", value=path)
  return model


def edit(folder: pathlib.Path, *path: str, value) -> None:
  """Sets one field of params.yaml."""
  file = folder / "params.yaml"
  tree = params = yaml.unsafe_load(file.read_text())
  for name in path[:-1]:
    tree = tree[name]
  tree[path[-1]] = value
  file.write_text(yaml.dump(params))
