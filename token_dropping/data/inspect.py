# SPDX-License-Identifier: Apache-2.0
"""Verifies a dataset and shows what is in it.

    python -m token_dropping.data.inspect DIR

compares the folder with its `dataset.json` (sizes, checksums and number of
records; with `--quick` names and sizes only), prints statistics, and shows
random training records as text, masks marked. Exits with code 2 and
one line if the folder is not what `dataset.json` says.
"""

import functools
import os
import sys
from collections.abc import Callable, Iterator

import numpy as np
from absl import flags

from token_dropping.common import errors
from token_dropping.common import files
from token_dropping.common import vocabulary
from token_dropping.data import records
from token_dropping.data.pretraining import dataset_folder
from token_dropping.data.pretraining import record_text
from token_dropping.data.pretraining.causal import record_text as causal_text
from token_dropping.data.pretraining.pairs import record_text as pair_text
from token_dropping.data.text import byte_tokenizer
from token_dropping.data.text import subword_tokenizer

# Examples are among the first records of the files: finding a later one means
# reading all before it.
_CANDIDATES = 1000
_ROWS = (  # Name, key in `dataset.json`, format.
  ("documents", "documents", "{:,}"),
  ("pairs", "pairs", "{:,}"),
  ("pairs too long", "too_long_pairs", "{:,}"),
  ("uneven pairs", "uneven_pairs", "{:,}"),
  ("sequences", "sequences", "{:,}"),
  ("records", "records", "{:,}"),
  ("tokens", "tokens", "{:,}"),
  ("source tokens", "source_tokens", "{:,}"),
  ("target tokens", "target_tokens", "{:,}"),
  ("  a sequence, source", "source_tokens_per_sequence", "{:.1f}"),
  ("  a sequence, target", "target_tokens_per_sequence", "{:.1f}"),
  ("bytes", "bytes", "{:,}"),
  ("bytes per token", "bytes_per_token", "{:.2f}"),
  ("[UNK]", "unknown_share", "{:.3%}"),
  ("padding", "padding_share", "{:.3%}"),
  ("source padding", "source_padding_share", "{:.3%}"),
  ("target padding", "target_padding_share", "{:.3%}"),
  ("truncated tokens", "truncated_tokens", "{:,}"),
  ("dropped tokens", "dropped_tokens", "{:,}"),
  ("masked tokens", "masked_tokens", "{:,}"),
)


def statistics(card: dict) -> str:
  """Returns the figures of a `dataset.json`; "-" is what it does not say."""
  rows = [("", *dataset_folder.SPLITS)]
  for name, key, form in _ROWS:
    if not any(key in card[split] for split in dataset_folder.SPLITS):
      continue
    values = [card[split].get(key) for split in dataset_folder.SPLITS]
    rows.append((name, *("-" if v is None else form.format(v) for v in values)))
  sizes = [
    [e["bytes"] for n, e in card["files"].items() if n.startswith(f"{split}-")]
    for split in dataset_folder.SPLITS
  ]
  rows.append(("files", *(f"{len(own):,}" for own in sizes)))
  rows.append(("MB", *(f"{sum(own) / 1e6:,.1f}" for own in sizes)))
  table = _aligned(rows)
  counted = [(k, f"{v:,}") for k, v in card.get("text", {}).items() if v]
  return f"{table}\n\ntext\n{_aligned(counted)}" if counted else table


def examples(
  folder: str, card: dict, number: int, seed: int
) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
  """Yields up to `number` records that `seed` chooses: place, and features."""
  names = sorted(n for n in card["files"] if n.startswith("train-"))
  limits = [min(card["files"][n]["records"], _CANDIDATES) for n in names]
  ends = np.cumsum(limits)
  total = int(sum(limits))
  rng = np.random.default_rng(seed)
  for pick in rng.choice(total, min(number, total), replace=False):
    file = int(np.searchsorted(ends, pick, side="right"))
    index = int(pick - ends[file] + limits[file])
    path = files.join(folder, names[file])
    yield f"{names[file]}, record {index}", _read(path, index)


def report(
  folder: str, number: int, seed: int, quick: bool, coloured: bool
) -> Iterator[str]:
  """Yields what the command prints; `UserError` if `dataset.json` disagrees."""
  card = dataset_folder.verify(folder, quick)
  yield _headline(folder, card, quick)
  yield ""
  yield statistics(card)
  if not number or not card["train"]["records"]:
    return
  show, legend = _reader(folder, card, coloured)
  if legend:
    yield f"\n{legend}"
  for where, record in examples(folder, card, number, seed):
    yield f"\n{where}\n  {show(record, where)}"


def _reader(folder: str, card: dict, coloured: bool) -> tuple[Callable, str]:
  """Returns what makes text of a record, and how to read marks in it."""
  if card.get("objective") == dataset_folder.TRANSLATION:
    subwords = subword_tokenizer.SubwordTokenizer.from_folder(folder)
    return functools.partial(pair_text.show, subwords), ""
  if card.get("objective") == dataset_folder.CAUSAL_LM:
    tokenizer = byte_tokenizer.ByteTokenizer.from_folder(folder)
    return causal_text.RecordText(tokenizer, coloured).show, ""
  vocab = vocabulary.Vocabulary.from_file(files.join(folder, vocabulary.FILE))
  text = record_text.RecordText(vocab, coloured)
  is_static = card.get("masking") != "dynamic"
  return text.show, text.legend() if is_static else ""


def _headline(folder: str, card: dict, quick: bool) -> str:
  settings = card.get("settings", {})
  checked = "names and sizes" if quick else "sizes, checksums and records"
  known = {
    "objective": card.get("objective"),
    "packing": settings.get("packing"),
    "masking": card.get("masking"),
    "seq_length": settings.get("seq_length"),
    "target_length": settings.get("target_length"),
    "vocab_size": card.get("vocab_size"),
  }
  kind = ", ".join(f"{k} {v}" for k, v in known.items() if v is not None)
  return f"{folder}: {checked} of {len(card['files']):,} files agree\n{kind}"


def _aligned(rows: list[tuple[str, ...]]) -> str:
  widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
  return "\n".join(
    "  ".join(
      [f"  {row[0]:<{widths[0]}}"]
      + [f"{c:>{w}}" for c, w in zip(row[1:], widths[1:], strict=True)]
    )
    for row in rows
  )


def _read(path: str, index: int) -> dict[str, np.ndarray]:
  record = next(records.read_records(path, skip=index), None)
  rule = "files must hold as many records as dataset.json says"
  errors.require(record is not None, rule, f"{path} without record {index}")
  return record


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
  """Defines the command's flags."""
  flags.DEFINE_integer(
    "examples", 3, "Training records to show.", 0, flag_values=values
  )
  flags.DEFINE_integer(
    "seed", 0, "Chooses the records to show.", 0, flag_values=values
  )
  flags.DEFINE_boolean(
    "quick", False, "Compare names and sizes only.", flag_values=values
  )


def main(argv: list[str], values: flags.FlagValues = flags.FLAGS) -> None:
  """Runs the command; `argv` has the folder."""
  rule = "arguments must be one folder, and flags (--name=value)"
  errors.require(len(argv) == 2, rule, " ".join(argv[1:]) or "nothing")
  coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
  chosen = values.examples, values.seed, values.quick
  for line in report(argv[1], *chosen, coloured):
    print(line)


if __name__ == "__main__":
  define_flags()
  errors.run_command(main)
