# SPDX-License-Identifier: Apache-2.0
"""Which documents validate: a number in [0, 1) for each, below a threshold.

The number depends on the seed and the text alone, so two copies of a text are
never on both sides.
"""

import hashlib

import numpy as np

from token_dropping.common import errors

# From here on chance hits the wanted share within about 5 %; the threshold is
# then the share itself, which is known before all documents were read.
MANY_DOCUMENTS = 10_000


def document_hash(document: bytes, seed: int) -> int:
  """Hashes a document to 64 bits.

  Args:
    document: its text.
    seed: any integer.
  """
  digest = hashlib.blake2b(str(seed).encode() + b"\n", digest_size=8)
  digest.update(document)
  return int.from_bytes(digest.digest(), "big")


def values(hashes: np.ndarray) -> np.ndarray:
  """Turns hashes, uint64, into numbers that are uniform in [0, 1)."""
  # 53 bits: what a float holds exactly, so that 1.0 never comes out.
  return (hashes >> np.uint64(11)).astype(np.float64) / 2**53


def copies(hashes: np.ndarray) -> np.ndarray:
  """Returns the ascending places of hashes that stand earlier already.

  Example:

  >>> copies(np.array([7, 3, 7, 3, 7])).tolist()
  [2, 3, 4]
  """
  _, first = np.unique(hashes, return_index=True)
  is_copy = np.ones(len(hashes), bool)
  is_copy[first] = False
  return np.flatnonzero(is_copy)


def validation_threshold(
  numbers: np.ndarray, share: float, at_least: int = 1
) -> float:
  """Returns the number below which documents belong to validation.

  Few documents are divided by their number, to the nearest document; many (at
  least 10,000) by chance, with `share` as the threshold. Copies count once.

  Args:
    numbers: `values` of the hashes of all documents.
    share: wanted part of the documents, in (0, 1).
    at_least: int, default 1: different documents that each side needs.

  Returns:
    The threshold: `value < threshold` is validation.

  Raises:
    UserError: fewer than `2 * at_least` different documents.

  Example:

  >>> validation_threshold(np.array([0.5, 0.75, 0.875, 0.625]), 0.5)
  0.75
  """
  distinct = np.unique(numbers)
  number = len(distinct)
  if number < 2 * at_least:
    raise errors.UserError(
      f"input must hold at least {2 * at_least} different documents, "
      f"{at_least} for training and {at_least} for validation. Received: "
      f"{number} of more than one word (documents end at blank lines, "
      "or see --document_per_line and --document_per_file)"
    )
  below = int(np.sum(distinct < share))
  if number >= MANY_DOCUMENTS and at_least <= below <= number - at_least:
    return share
  place = min(max(round(share * number), at_least), number - at_least)
  return float(distinct[place])
