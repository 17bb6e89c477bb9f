# SPDX-License-Identifier: Apache-2.0
"""The sentences that an evaluation translates, and what they should become.

`token_dropping.data.prepare_pairs` writes them beside the records.
"""

import dataclasses

from official.core import config_definitions as cfg

from token_dropping.common import errors
from token_dropping.common import files
from token_dropping.data.batches import dataset_card
from token_dropping.data.batches import pair_data
from token_dropping.data.text import subword_tokenizer


@dataclasses.dataclass(frozen=True)
class References:
  """Sentences, their translations by people, and the tokenizer of both."""

  sources: list[str]
  targets: list[str]
  tokenizer: subword_tokenizer.SubwordTokenizer

  @classmethod
  def read(cls, data: cfg.DataConfig, count: int) -> "References | None":
    """Reads the first sentences beside records, -1: all, 0: none.

    Returns `None` without files. Raises a `UserError` for texts without lines,
    and of different numbers of them.
    """
    paths = _paths(data)
    if not count or None in paths:
      return None
    sources, targets = map(files.read_lines, paths, pair_data.TEXTS)
    rule = f"{paths[0]} must have at least one line"
    errors.require(bool(sources), rule, "none")
    rule = f"{paths[1]} must have a line for each of {pair_data.TEXTS[0]} "
    rule += f"beside it, {len(sources):,}"
    errors.require(len(sources) == len(targets), rule, f"{len(targets):,}")
    tokenizer = subword_tokenizer.SubwordTokenizer.from_file(paths[2])
    part = slice(None if count < 0 else count)
    return cls(sources[part], targets[part], tokenizer)


def are_beside(data: cfg.DataConfig) -> bool:
  """Says whether there is what an evaluation can translate."""
  return None not in _paths(data)


def _paths(data: cfg.DataConfig) -> list[str | None]:
  names = (*pair_data.TEXTS, subword_tokenizer.FILE)
  return [dataset_card.find_beside(data, name) for name in names]
