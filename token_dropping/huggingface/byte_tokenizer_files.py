# SPDX-License-Identifier: Apache-2.0
"""The files of a tokenizer by bytes in a Hugging Face folder.

`transformers` reads it as byte-pair encoding by bytes, as that of GPT-2, but
without GPT-2's division into words, which SentencePiece does not make either.
The model of SentencePiece lies beside, and is what is read again.
"""

import os

import tokenizers
from tokenizers import decoders
from tokenizers import models
from tokenizers import pre_tokenizers

from token_dropping.common import files
from token_dropping.data.text import byte_tokenizer
from token_dropping.data.text import tokenizer_config
from token_dropping.huggingface import tokenizer_files

_SPECIAL = (byte_tokenizer.PAD, byte_tokenizer.END_OF_TEXT)
_SPACE = "\u0120"  # as GPT-2 has it
_FIELDS = {
  "tokenizer_class": "PreTrainedTokenizerFast",
  "bos_token": byte_tokenizer.END_OF_TEXT,
  "eos_token": byte_tokenizer.END_OF_TEXT,
  "pad_token": byte_tokenizer.PAD,
  # "<|endoftext|>" in a text is text.
  "split_special_tokens": True,
  "clean_up_tokenization_spaces": False,
}


def write(
  folder: str, tokenizer: byte_tokenizer.ByteTokenizer, fields: dict
) -> None:
  """Writes its model and two JSON files; `fields`, of the network, in one."""
  write_model(folder, tokenizer)
  build(tokenizer).save(os.path.join(folder, tokenizer_files.WHOLE))
  path = os.path.join(folder, tokenizer_config.FILE)
  files.write_json(path, _FIELDS | fields, ensure_ascii=False)


def write_model(folder: str, tokenizer: byte_tokenizer.ByteTokenizer) -> None:
  """Writes `tokenizer.model`."""
  path = os.path.join(folder, byte_tokenizer.FILE)
  files.write(path, tokenizer.model)


def read(folder: str) -> byte_tokenizer.ByteTokenizer:
  """Reads what `write` wrote; raises `UserError` for other tokenizers."""
  read_file = byte_tokenizer.ByteTokenizer.from_file
  return tokenizer_files.read_model(
    folder, byte_tokenizer.FILE, read_file, build
  )


def build(tokenizer: byte_tokenizer.ByteTokenizer) -> tokenizers.Tokenizer:
  """Returns the tokenizer of the `tokenizers` package with the same ids."""
  names = [*_SPECIAL, *map(_name, tokenizer.pieces[len(_SPECIAL) :])]
  vocab = {name: i for i, name in enumerate(names)}
  built = tokenizers.Tokenizer(models.BPE(vocab, merges(tokenizer.pieces)))
  built.pre_tokenizer = pre_tokenizers.ByteLevel(
    add_prefix_space=False, use_regex=False
  )
  built.decoder = decoders.ByteLevel()
  built.add_special_tokens(list(_SPECIAL))
  return built


def merges(pieces: list[bytes]) -> list[tuple[str, str]]:
  """Returns the pairs that become a piece of BPE, by precedence.

  SentencePiece merges any two neighbours that together are a piece, first what
  has the lower id, of equals the leftmost. Here a pair has a rank. Where two
  pairs of one piece overlap (`ab a ba`), the left one begins with what the
  other ends with, so it is ranked before.

  >>> merges([b"", b"", b"ba", b"ab", b"aba", b"a", b"b"])
  [('b', 'a'), ('a', 'b'), ('ab', 'a'), ('a', 'ba')]
  """
  known = set(pieces)
  found = []
  for i, piece in enumerate(pieces):
    for place in range(1, len(piece)):
      left, right = piece[:place], piece[place:]
      if left in known and right in known:
        is_later = not piece.startswith(right)
        found.append((i, is_later, place, _name(left), _name(right)))
  return [(left, right) for *_, left, right in sorted(found)]


def _name(piece: bytes) -> str:
  characters = byte_tokenizer.byte_characters()
  return "".join(characters[byte] for byte in piece).replace(" ", _SPACE)
