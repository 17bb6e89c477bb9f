# SPDX-License-Identifier: Apache-2.0
"""A small corpus for tests, settings for it, and a look at what was made."""

import dataclasses
import functools
import pathlib
from collections.abc import Sequence

import numpy as np

from token_dropping.common import vocabulary
from token_dropping.data import prepare
from token_dropping.data import records
from token_dropping.data.pretraining import prepare_settings

LENGTH, SLOTS = 32, 6
WORDS = (
  *("the", "cat", "dog", "bird", "sees", "hears"),
  *("likes", "big", "small", "old", "new"),
)
_OF_OBJECTIVE = {
  "masked_lm": {"vocab_size": 100, "max_predictions_per_seq": SLOTS},
  "causal_lm": {"vocab_size": 400},
}


@functools.cache
def make_text(documents: int = 40) -> str:
  """Returns documents of 12 sentences of 5 to 9 of `WORDS`."""
  rng = np.random.default_rng(0)

  def sentence():
    return " ".join(rng.choice(WORDS, rng.integers(5, 10)))

  return "\n\n".join(
    "\n".join(sentence() for _ in range(12)) for _ in range(documents)
  )


def settings(
  input_path: pathlib.Path | str, output_dir: pathlib.Path | str, **changes
) -> prepare_settings.PrepareSettings:
  """Returns settings for the corpus, with which it becomes several pieces."""
  values = {
    "seq_length": LENGTH,
    "piece_bytes": 5000,
    "validation_share": 0.2,
    **_OF_OBJECTIVE[changes.get("objective", "masked_lm")],
  }
  return prepare_settings.PrepareSettings(
    input=str(input_path), output_dir=str(output_dir), **(values | changes)
  )


def write_text(
  folder: pathlib.Path, **changes
) -> prepare_settings.PrepareSettings:
  """Writes the corpus into a folder; returns settings for it."""
  (folder / "text.txt").write_text(make_text())
  return settings(folder / "text.txt", folder / "out", **changes)


def run(made: prepare_settings.PrepareSettings, **changes) -> dict:
  """Prepares in this process; returns `dataset.json`."""
  return prepare.prepare(dataclasses.replace(made, **changes), num_workers=1)


def contents(folder: pathlib.Path) -> dict[str, bytes]:
  """Returns the files of a folder, by name."""
  return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def read(folder: pathlib.Path, part: str) -> list[dict[str, np.ndarray]]:
  """Returns the records of `train` or `validation`, in their order."""
  paths = sorted(folder.glob(f"{part}-*"))
  return [r for path in paths for r in records.read_records(str(path))]


def unmasked(record: dict[str, np.ndarray]) -> np.ndarray:
  """Returns the ids of a record as they were before masking, [S]."""
  ids = record["input_word_ids"].copy()
  used = record["masked_lm_weights"] > 0
  ids[record["masked_lm_positions"][used]] = record["masked_lm_ids"][used]
  return ids


def tokens(folder: pathlib.Path, ids: Sequence[int]) -> list[str]:
  """Returns what ids mean in the vocabulary of a folder."""
  vocab = vocabulary.Vocabulary.from_file(str(folder / "vocab.txt"))
  return [vocab.tokens[i] for i in ids]
