# SPDX-License-Identifier: Apache-2.0
"""The files of a vocabulary of pairs in a Hugging Face folder.

`transformers` reads it as a unigram model, as that of T5. The model of
SentencePiece lies beside, and is what is read again.
"""

import os

import tokenizers
from tokenizers import decoders
from tokenizers import models
from tokenizers import normalizers
from tokenizers import pre_tokenizers
from tokenizers import processors
from transformers.utils import sentencepiece_model_pb2_new

from token_dropping.common import files
from token_dropping.data.text import subword_tokenizer
from token_dropping.data.text import tokenizer_config
from token_dropping.huggingface import tokenizer_files

_SPACE = "\u2581"


def write(
  folder: str, tokenizer: subword_tokenizer.SubwordTokenizer, fields: dict
) -> None:
  """Writes its model and two JSON files; `fields`, of the network, in one."""
  write_model(folder, tokenizer)
  build(tokenizer).save(os.path.join(folder, tokenizer_files.WHOLE))
  path = os.path.join(folder, tokenizer_config.FILE)
  pad, end, unknown = _special(tokenizer)
  own = {
    "tokenizer_class": "PreTrainedTokenizerFast",
    "pad_token": pad,
    "eos_token": end,
    "unk_token": unknown,
    "split_special_tokens": True,  # "</s>" in a text is text
    "clean_up_tokenization_spaces": False,
  }
  files.write_json(path, own | fields, ensure_ascii=False)


def write_model(
  folder: str, tokenizer: subword_tokenizer.SubwordTokenizer
) -> None:
  """Writes `spiece.model`."""
  path = os.path.join(folder, subword_tokenizer.FILE)
  files.write(path, tokenizer.model)


def read(folder: str) -> subword_tokenizer.SubwordTokenizer:
  """Reads what `write` wrote; raises `UserError` for other tokenizers."""
  read_file = subword_tokenizer.SubwordTokenizer.from_file
  return tokenizer_files.read_model(
    folder, subword_tokenizer.FILE, read_file, build
  )


def build(
  tokenizer: subword_tokenizer.SubwordTokenizer,
) -> tokenizers.Tokenizer:
  """Returns the tokenizer of the `tokenizers` package with the same ids."""
  # SentencePiece's own needs the newest protobuf, which TensorFlow has not.
  read = sentencepiece_model_pb2_new.ModelProto.FromString
  proto = read(tokenizer.model)
  pieces = [(piece.piece, piece.score) for piece in proto.pieces]
  unknown = subword_tokenizer.UNK_ID
  built = tokenizers.Tokenizer(models.Unigram(pieces, unk_id=unknown))
  normalizer = proto.normalizer_spec.precompiled_charsmap
  steps = [normalizers.Precompiled(normalizer)] if normalizer else []
  steps += [
    normalizers.Strip(),
    normalizers.Replace(tokenizers.Regex(" {2,}"), " "),
  ]
  built.normalizer = normalizers.Sequence(steps)
  built.pre_tokenizer = pre_tokenizers.Metaspace(_SPACE, "always")
  built.decoder = decoders.Metaspace(_SPACE, "always")
  pad, end, unknown = _special(tokenizer)
  built.post_processor = processors.TemplateProcessing(
    single=f"$A {end}", special_tokens=[(end, subword_tokenizer.END_ID)]
  )
  built.add_special_tokens([pad, end, unknown])
  return built


def _special(tokenizer: subword_tokenizer.SubwordTokenizer) -> list[str]:
  """Returns the pieces of padding, end and the unknown."""
  return [*map(tokenizer.processor.id_to_piece, range(3))]
