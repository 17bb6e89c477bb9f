# SPDX-License-Identifier: Apache-2.0
"""Learns the vocabulary of a `SubwordTokenizer` from counted words.

No piece of SentencePiece crosses white space, so counted words say as much as
the sentences, in bounded memory. Its unigram model (Kudo, 2018, "Subword
Regularization") is that of T5 and Pegasus.
"""

import collections
import io
from collections.abc import Iterable, Mapping

import sentencepiece

from token_dropping.common import errors
from token_dropping.data.text import subword_tokenizer

MAX_WORD = 256  # characters; longer words are left out


def count_words(lines: Iterable[str]) -> collections.Counter[str]:
  """Counts what white space separates.

  >>> sorted(count_words(["a cat\\teine Katze", "a dog"]).items())
  [('Katze', 1), ('a', 2), ('cat', 1), ('dog', 1), ('eine', 1)]
  """
  counts: collections.Counter[str] = collections.Counter()
  for line in lines:
    counts.update(word for word in line.split() if len(word) <= MAX_WORD)
  return counts


def learn(counts: Mapping[str, int], vocab_size: int) -> bytes:
  """Returns a model; the same counts give the same bytes.

  It has fewer than `vocab_size` pieces if the words give no more.
  """
  model = io.BytesIO()
  rule = "vocab_size must be one that SentencePiece can learn from the text"
  with errors.refusing(rule, vocab_size, RuntimeError, with_reason=True):
    sentencepiece.SentencePieceTrainer.train(
      sentence_iterator=(f"{word}\t{counts[word]}" for word in sorted(counts)),
      input_format="tsv",
      model_writer=model,
      model_type="unigram",
      vocab_size=vocab_size,
      hard_vocab_limit=False,
      pad_id=subword_tokenizer.PAD_ID,
      eos_id=subword_tokenizer.END_ID,
      unk_id=subword_tokenizer.UNK_ID,
      bos_id=-1,
      num_threads=1,
      minloglevel=2,
    )
  return model.getvalue()
