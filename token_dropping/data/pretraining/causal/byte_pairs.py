# SPDX-License-Identifier: Apache-2.0
"""Learns the merges of a `ByteTokenizer` from counted words.

Words are those of GPT-2 (Radford et al., 2019), split by Hugging Face's
`tokenizers`, an optional dependency: letters, digits or other signs, with the
space before them. No piece crosses their borders. SentencePiece merges.
"""

import collections
import io
import re
from collections.abc import Iterable, Mapping

import sentencepiece

from token_dropping.common import extras
from token_dropping.data.text import byte_tokenizer

MIN_FREQUENCY = 2  # of words: rarer ones would become pieces of their own
MAX_WORD = 256  # bytes; longer words are left out
_MAX_PIECE = 48  # bytes, 16 Chinese characters
_SPACE = "\u0120"  # as `tokenizers` has it
_CHUNK = re.compile(" ?[^ ]+")


def count_words(lines: Iterable[str]) -> collections.Counter[str]:
  """Counts the words of lines with single spaces, their bytes as characters.

  >>> sorted(count_words(["don't do", "do"]).items())
  [(' do', 1), ("'t", 1), ('do', 1), ('don', 1)]
  """
  need = "learning a tokenizer, without --vocab_file, needs tokenizers"
  tokenizers = extras.require("tokenizers", need, "data")
  splitter = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
  chunks: collections.Counter[str] = collections.Counter()
  for line in lines:  # split at spaces only, which is fast
    chunks.update(_CHUNK.findall(line))
  counts: collections.Counter[str] = collections.Counter()
  for chunk, number in chunks.items():
    for word, _ in splitter.pre_tokenize_str(chunk):
      if len(word) <= MAX_WORD:
        counts[word.replace(_SPACE, " ")] += number
  return counts


def learn(counts: Mapping[str, int], vocab_size: int) -> bytes:
  """Returns a `tokenizer.model`; the same counts give the same bytes.

  Its tokens are padding, end of text, the merged pieces as they were merged,
  and the 256 bytes: fewer than `vocab_size` if the words give no more.
  """
  characters = byte_tokenizer.byte_characters()
  kept = sorted(w for w, number in counts.items() if number >= MIN_FREQUENCY)
  rows = [f"{word}\t{counts[word]}" for word in kept]
  # SentencePiece takes no characters that no word has, and none whose share it
  # cannot tell from 0 in 32 bits. Alone they are no part of a pair.
  total = sum(len(word) * counts[word] for word in kept)
  share = 1 + total // 1_000_000
  rows += [f"{character}\t{share}" for character in characters]
  model = io.BytesIO()
  sentencepiece.SentencePieceTrainer.train(
    sentence_iterator=iter(rows),
    input_format="tsv",
    model_writer=model,
    model_type="bpe",
    vocab_size=vocab_size,
    hard_vocab_limit=False,
    max_sentencepiece_length=_MAX_PIECE,
    # Every byte is a character of the model, and stays what it is.
    character_coverage=1.0,
    required_chars="".join(characters).replace(" ", byte_tokenizer.SPACE),
    normalization_rule_name="identity",
    add_dummy_prefix=False,
    remove_extra_whitespaces=False,
    byte_fallback=False,
    # The words are split already.
    split_by_unicode_script=False,
    split_by_number=False,
    # SentencePiece wants an unknown token. No text has one here, so that it can
    # be the padding.
    unk_id=byte_tokenizer.PAD_ID,
    unk_piece=byte_tokenizer.PAD,
    pad_id=-1,
    bos_id=-1,
    eos_id=byte_tokenizer.END_OF_TEXT_ID,
    eos_piece=byte_tokenizer.END_OF_TEXT,
    num_threads=1,
    minloglevel=2,
  )
  return model.getvalue()
