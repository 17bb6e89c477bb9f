# SPDX-License-Identifier: Apache-2.0
"""A small bitext for tests, and settings for it."""

import dataclasses
import pathlib
from collections.abc import Sequence

from token_dropping.data import prepare_pairs
from token_dropping.data.pretraining.pairs import pair_settings

NOUNS = {"cat": "Katze", "bird": "Ente", "cow": "Kuh", "mouse": "Maus"}
VERBS = {"sees": "sieht", "hears": "hört", "likes": "mag"}
Pairs = Sequence[tuple[str, str]]
PAIRS = [
  (f"The {one} {verb} a {two} .", f"Die {eine} {verbt} eine {andere} .")
  for one, eine in NOUNS.items()
  for verb, verbt in VERBS.items()
  for two, andere in NOUNS.items()
]


def text(folder: pathlib.Path, pairs: Pairs) -> dict[str, str]:
  """Writes two aligned files; returns the settings that name them."""
  named = {}
  for side, flag in enumerate(("source_input", "target_input")):
    path = folder / f"{flag}.txt"
    path.write_text("".join(f"{pair[side]}\n" for pair in pairs))
    named[flag] = str(path)
  return named


def settings(output_dir: pathlib.Path, **changes) -> pair_settings.PairSettings:
  """Returns settings for the bitext, with which it becomes several pieces."""
  values = {
    **{"source_language": "en", "target_language": "de", "vocab_size": 100},
    **{"seq_length": 40, "target_length": 48, "validation_share": 0.2},
    **{"document_pairs": 4, "piece_bytes": 1000},
  }
  return pair_settings.PairSettings(
    output_dir=str(output_dir), **(values | changes)
  )


def run(made: pair_settings.PairSettings, **changes) -> dict:
  """Prepares in this process; returns `dataset.json`."""
  made = dataclasses.replace(made, **changes)
  return prepare_pairs.prepare(made, num_workers=1)
