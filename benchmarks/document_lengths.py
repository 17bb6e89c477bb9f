# SPDX-License-Identifier: Apache-2.0
"""How long are the documents of a text, in tokens?

    python -m benchmarks.document_lengths --vocab_sizes=1000,8000 \\
      text/sotu.txt text/django.txt text/shakespeare.txt

A table says for each file, in which a blank line ends a document, and each size
of a vocabulary that is learnt from it, how long the documents are and how much
of the text is in those of more than `--seq_length` tokens.
"""

import os

import numpy as np
import tokenizers
from absl import flags

from benchmarks import case_flags
from token_dropping.common import errors
from token_dropping.common import files
from token_dropping.common import plain_text
from token_dropping.data.pretraining import wordpiece
from token_dropping.data.text import tokenizer_config

_ROW = "{:14s}{:>8s}{:>8s}{:>11s}{:>9s}{:>9s}{:>9s}{:>9s}"
_MOST = 10_000_000
_TITLES = ("text", "V", "docs", "tokens", "median", "90 %", "longer", "tokens")


def lengths(documents: list[str], vocab_size: int) -> np.ndarray:
  """Returns the number of tokens of each document."""
  config = tokenizer_config.TokenizerConfig()
  counts = wordpiece.count_words(documents, config)
  vocab = wordpiece.learn_vocabulary(counts, vocab_size)
  ids = {token: index for index, token in enumerate(vocab.tokens)}
  model = tokenizers.BertWordPieceTokenizer(vocab=ids)
  found = (model.encode(each, add_special_tokens=False) for each in documents)
  return np.array([len(each) for each in found])


def row(name: str, vocab_size: int, found: np.ndarray, limit: int) -> str:
  """Returns a line of the table; `found` are the lengths of its documents.

  >>> row("x", 100, np.array([1, 2, 3, 94]), limit=50).split()
  ['x', '100', '4', '100', '2', '66', '25.0%', '94.0%']
  """
  longer = found > limit
  return _ROW.format(
    name,
    f"{vocab_size:,}",
    f"{len(found):,}",
    f"{found.sum():,}",
    f"{int(np.median(found)):,}",
    f"{int(np.percentile(found, 90)):,}",
    f"{longer.mean():.1%}",
    f"{found[longer].sum() / found.sum():.1%}",
  )


def _read(path: str) -> list[str]:
  rule = "arguments must be text files"
  errors.require(os.path.isfile(path), rule, repr(path))
  text = plain_text.decode(files.read(path), "a file", path)
  found = [part for part in text.split("\n\n") if part.strip()]
  errors.require(bool(found), "a file must hold text", repr(path))
  return found


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
  """Defines the command's flags."""
  flags.DEFINE_list(
    "vocab_sizes", ["8000"], "V of the tables.", flag_values=values
  )
  flags.DEFINE_integer(
    "seq_length", 2048, "S, which documents may exceed.", flag_values=values
  )


def main(argv: list[str], values: flags.FlagValues = flags.FLAGS) -> None:
  """Prints the table."""
  texts = {path: _read(path) for path in argv[1:] or [""]}
  rule = int, lambda n: 0 < n <= _MOST, f"whole numbers in [1, {_MOST}]"
  sizes, (limit,) = (
    case_flags.read_numbers(values, name, *rule)
    for name in ("vocab_sizes", "seq_length")
  )
  print(_ROW.format(*_TITLES))
  for path, documents in texts.items():
    name = os.path.splitext(os.path.basename(path))[0]
    for size in sizes:
      print(row(name, size, lengths(documents, size), limit))


if __name__ == "__main__":
  define_flags()
  errors.run_command(main)
