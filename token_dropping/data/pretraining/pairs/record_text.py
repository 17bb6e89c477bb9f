# SPDX-License-Identifier: Apache-2.0
"""Records of translation as text for people."""

from collections.abc import Mapping

import numpy as np

from token_dropping.data import records
from token_dropping.data.batches import pair_data
from token_dropping.data.text import subword_tokenizer

_ARROW = " → "


def show(
  tokenizer: subword_tokenizer.SubwordTokenizer,
  record: Mapping[str, np.ndarray],
  where: str,
) -> str:
  """Returns the pairs of a record, [size] arrays by name, one a line."""
  sizes = dict.fromkeys(pair_data.SIDES, len(tokenizer))
  numbers = {
    name: len(record.get(name, ())) + 1
    for name in map(pair_data.segmentation, pair_data.SIDES)
  }
  records.check_values(record, sizes | numbers, where)
  sides = [_sentences(tokenizer, record, side) for side in pair_data.SIDES]
  return "\n  ".join(map(_ARROW.join, zip(*sides, strict=True)))


def _sentences(tokenizer, record: Mapping, side: str) -> list[str]:
  ids, numbers = record[side], record[pair_data.segmentation(side)]
  return [
    tokenizer.processor.decode(ids[numbers == number].tolist())
    for number in range(1, numbers.max(initial=0) + 1)
  ]
