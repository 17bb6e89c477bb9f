# SPDX-License-Identifier: Apache-2.0
"""A small bitext for tests, in every format, and settings for it."""

import dataclasses
import json
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


def _tsv(path: pathlib.Path, pairs: Pairs) -> None:
  path.write_text("".join("\t".join(pair) + "\n" for pair in pairs))


def _jsonl(path: pathlib.Path, pairs: Pairs) -> None:
  lines = (
    json.dumps({"document": i // 4, "translation": {"en": en, "de": de}})
    for i, (en, de) in enumerate(pairs)
  )
  path.write_text("\n".join(lines))


def _tmx(path: pathlib.Path, pairs: Pairs) -> None:
  units = "".join(
    f'<tu><tuv xml:lang="en-GB"><seg>{en}</seg></tuv>'
    f'<tuv xml:lang="de"><seg>{de}</seg></tuv></tu>\n'
    for en, de in pairs
  )
  path.write_text(
    f'<?xml version="1.0"?>\n<tmx version="1.4"><body>{units}</body></tmx>'
  )


def _catalogue(path: pathlib.Path, pairs: Pairs) -> None:
  """Writes a `.po` or `.mo`."""
  import polib

  made = polib.POFile()
  made.metadata = {
    "Language": "de",
    "Content-Type": "text/plain; charset=utf-8",
  }
  made.extend(polib.POEntry(msgid=en, msgstr=de) for en, de in pairs)
  save = made.save if path.suffix == ".po" else made.save_as_mofile
  save(str(path))


WRITERS = {
  **{"tsv": _tsv, "jsonl": _jsonl, "tmx": _tmx},
  **{"po": _catalogue, "mo": _catalogue},
}


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
