# SPDX-License-Identifier: Apache-2.0
"""Which documents validate: a number in [0, 1) for each, below a threshold.

The number depends on the seed and the text alone, so two copies of a text are
never on both sides.
"""

import hashlib
from collections.abc import Iterable, Sequence

from token_dropping import errors

# From here on chance hits the wanted share within about 5 %; the threshold is
# then the share itself, which is known before all documents were read.
MANY_DOCUMENTS = 10_000


def document_value(document: Iterable[str], seed: int) -> float:
  """Hashes a document to a number that is uniform in [0, 1).

  Args:
    document: its sentences.
    seed: any integer.
  """
  digest = hashlib.blake2b(str(seed).encode(), digest_size=8)
  for sentence in document:
    digest.update(b"\n" + sentence.encode("utf-8", "surrogatepass"))
  # 53 bits: what a float holds exactly, so that 1.0 never comes out.
  return (int.from_bytes(digest.digest(), "big") >> 11) / 2**53


def validation_threshold(
  values: Sequence[float], share: float, at_least: int = 1
) -> float:
  """Returns the number below which documents belong to validation.

  Few documents are divided by their number, to the nearest document; many (at
  least 10,000) by chance, with `share` as the threshold. Copies count once.

  Args:
    values: `document_value` of every document.
    share: wanted part of the documents, in (0, 1).
    at_least: int, default 1: different documents that each side needs.

  Returns:
    The threshold: `value < threshold` is validation.

  Raises:
    UserError: fewer than `2 * at_least` different documents.

  Example:

  >>> validation_threshold([0.5, 0.75, 0.875, 0.625], 0.5)
  0.75
  """
  distinct = sorted(set(values))
  number = len(distinct)
  if number < 2 * at_least:
    raise errors.UserError(
      f"input must hold at least {2 * at_least} different documents, "
      f"{at_least} for training and {at_least} for validation. Received: "
      f"{number} (documents end at blank lines, or with the file under "
      "--document_per_file)"
    )
  below = sum(value < share for value in distinct)
  if number >= MANY_DOCUMENTS and at_least <= below <= number - at_least:
    return share
  return distinct[min(max(round(share * number), at_least), number - at_least)]
