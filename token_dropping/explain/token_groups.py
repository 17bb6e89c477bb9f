# SPDX-License-Identifier: Apache-2.0
"""What is kept of rare and frequent tokens and of the parts of sentences.

And how well kept and dropped tokens are predicted: a row for each group.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from token_dropping.explain import sequences as sequences_lib

PARTS = ("beginning", "middle", "end")
FATES = ("kept", "partly kept", "dropped")
FEW = 30  # tokens below which a mean is said to be of too few
_SENTENCE_ENDS = frozenset(".!?")


def tabulate(
  sequences: Sequence[sequences_lib.TextSequence],
  computed: Sequence[np.ndarray],
  losses: Sequence[np.ndarray] | None = None,
) -> pd.DataFrame:
  """Returns a row for every ordinary token: `id`, `part`, `share`, `loss`.

  `part` is the third of its sentence, `share` how many of the middle layers
  computed it; losses are in nats.
  """
  ordinary = np.concatenate([~sequence.special for sequence in sequences])
  return pd.DataFrame(
    {
      "id": np.concatenate([sequence.ids for sequence in sequences])[ordinary],
      "part": np.concatenate([_thirds(sequence) for sequence in sequences]),
      "share": np.concatenate(computed)[ordinary],
      "loss": np.concatenate(losses)[ordinary] if losses else np.nan,
    }
  )


def _thirds(sequence: sequences_lib.TextSequence) -> np.ndarray:
  """A sentence ends with `.`, `!` or `?`, and where document or sequence do."""
  own = ~sequence.special
  pieces = np.array(sequence.pieces, object)[own]
  numbers = (
    np.zeros(len(own))
    if sequence.document_ids is None
    else sequence.document_ids
  )
  ends = np.append(np.diff(numbers[own]) != 0, True)
  thirds, length = [], 0
  for piece, is_end in zip(pieces, ends, strict=False):
    length += 1
    if piece in _SENTENCE_ENDS or is_end:
      thirds += [3 * place // length for place in range(length)]
      length = 0
  return np.array(thirds, int)


def by_frequency(tokens: pd.DataFrame) -> pd.DataFrame:
  """Groups tokens by occurrences of their id: once, 2 to 3, 4 to 7 times..."""
  occurrences = tokens.groupby("id").id.transform("size")
  groups = _kept_shares(tokens, occurrences.map(int.bit_length))
  return groups.rename(
    lambda n: "once" if n == 1 else f"{2 ** (n - 1)}–{2**n - 1} times"
  )


def by_part(tokens: pd.DataFrame) -> pd.DataFrame:
  """Groups tokens by the third of their sentence: `count` and mean `share`."""
  return _kept_shares(tokens, "part").rename(lambda part: PARTS[part])


def _kept_shares(tokens: pd.DataFrame, key) -> pd.DataFrame:
  return tokens.groupby(key).share.agg(count="size", share="mean")


def by_fate(tokens: pd.DataFrame) -> pd.DataFrame:
  """Returns mean losses of kept and of dropped tokens, where there are any.

  `margin` is half of the mean's 95 % interval, NaN for one loss.
  """
  kept = [tokens.share == 1, tokens.share > 0]
  fates = np.select(kept, FATES[:2], FATES[2])
  means = tokens.groupby(fates).loss.agg(
    count="size", mean="mean", margin=lambda losses: 1.96 * losses.sem()
  )
  means["too_few"] = means["count"] < FEW
  return means.reindex([fate for fate in FATES if fate in means.index])
