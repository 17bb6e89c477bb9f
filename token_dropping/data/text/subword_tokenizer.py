# SPDX-License-Identifier: Apache-2.0
"""Sentences <-> ids of one SentencePiece vocabulary for two languages.

The special pieces are Model Garden's: padding 0, end of sentence 1, unknown 2,
and no beginning (Kudo & Richardson, 2018, describe SentencePiece).
"""

import sentencepiece
import tensorflow as tf
import tensorflow_text as tf_text

from token_dropping.common import errors
from token_dropping.common import files

FILE = "spiece.model"  # its name in a folder, as of T5 and Pegasus
PAD_ID, END_ID, UNK_ID = 0, 1, 2


class SubwordTokenizer(tf.Module):
  """Turns text into ids and back: eagerly, in `tf.data`, in a SavedModel.

  The model is a constant of the graph, so a SavedModel needs no file. A
  `UserError` refuses a model whose special pieces are others.
  """

  FILES = (FILE,)

  def __init__(self, model: bytes, path: str):
    super().__init__(name="subword_tokenizer")
    self.model = model
    self.processor = _processor(model, path)
    self._tokenizer = tf_text.SentencepieceTokenizer(model, out_type=tf.int32)

  @classmethod
  def from_file(cls, path: str) -> "SubwordTokenizer":
    """Reads a model, local or remote; raises `UserError`."""
    return cls(files.read_input(path, FILE), path)

  @classmethod
  def from_folder(cls, folder: str) -> "SubwordTokenizer":
    """Reads the model in a folder; as `from_file`."""
    return cls.from_file(files.join(folder, FILE))

  def __len__(self) -> int:
    return len(self.processor)

  @property
  def names(self) -> tuple[str, ...]:
    """What each id stands for, for people."""
    return tuple(map(self.processor.id_to_piece, range(len(self))))

  def tokenize(self, strings: tf.Tensor) -> tf.RaggedTensor:
    """Returns int32 ids [n, tokens] of [n] sentences, each with its end."""
    ids = self._tokenizer.tokenize(strings)
    ends = tf.fill([ids.nrows(), 1], END_ID)
    return tf.concat([ids, ends], axis=1)

  def detokenize(self, ids: tf.Tensor | tf.RaggedTensor) -> tf.Tensor:
    """Returns the sentences [n] of ids [n, tokens]; padding and end are empty.

    An unknown piece is a double question mark, as SentencePiece has it.
    """
    return self._tokenizer.detokenize(ids)


def _processor(model: bytes, path: str):
  rule = f"{FILE} must be a SentencePiece model"
  with errors.refusing(rule, repr(path), RuntimeError):
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
  names = "pad", "eos", "unk", "bos"
  found = {name: getattr(processor, f"{name}_id")() for name in names}
  wanted = dict(zip(names, (PAD_ID, END_ID, UNK_ID, -1), strict=True))
  errors.require(
    found == wanted,
    f"{rule} with {_shown(wanted)}",
    f"{path!r} with {_shown(found)}",
  )
  return processor


def _shown(ids: dict[str, int]) -> str:
  return ", ".join(
    f"{name} {number}" if number >= 0 else f"no {name}"
    for name, number in ids.items()
  )
