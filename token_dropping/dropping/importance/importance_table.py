# SPDX-License-Identifier: Apache-2.0
"""A file with one score for each id of a vocabulary, made before training.

`.json` (where NaN is `null`) or `.npz`; it also has a `format_version`.
"""

import dataclasses
import io
import json
import math
import os
import zipfile
import zlib

import numpy as np

from token_dropping.common import errors
from token_dropping.common import files
from token_dropping.common import plain_json
from token_dropping.common import vocabulary

KINDS = ("pretrained_mlm", "mutual_information")
ENDINGS = (".npz", ".json")
FORMAT_VERSION = 1
_SHOWN = 10
# What NumPy and JSON raise for files that are something else.
_NOT_A_TABLE = (ValueError, KeyError, TypeError, EOFError, RuntimeError)
_NOT_A_TABLE += (zipfile.BadZipFile, zlib.error)


@dataclasses.dataclass(frozen=True)
class ImportanceTable:
  """Scores by id, and what they were made of."""

  kind: str  # one of `KINDS`
  vocab_crc32: str  # see `fingerprint`
  scores: np.ndarray  # float32 [V]; NaN for ids that were never seen
  counts: np.ndarray  # int64 [V], tokens or records behind each score

  @classmethod
  def of_seen(
    cls, kind: str, words: vocabulary.Vocabulary, scores, counts
  ) -> "ImportanceTable":
    """Makes a table in which ids whose count is 0 have no score."""
    known = np.where(counts > 0, scores, np.nan).astype(np.float32)
    return cls(kind, fingerprint(words), known, counts)

  @classmethod
  def read(cls, path: str) -> "ImportanceTable":
    """Reads a table, on any filesystem; raises `UserError` if it is none."""
    check_ending(path, "importance.table_file")
    content = files.read_input(path, "importance.table_file")
    try:
      return cls._from_content(_parse(content, path))
    except _NOT_A_TABLE as error:
      raise errors.UserError(
        "importance.table_file must be a table of format_version "
        f"{FORMAT_VERSION} that token_dropping.importance made. Received: "
        f"{path!r} ({type(error).__name__}: {errors.first_line(error)})"
      ) from error

  @classmethod
  def _from_content(cls, content: dict) -> "ImportanceTable":
    version = _numbers(content["format_version"], "iu")
    scores = _numbers(content["scores"], "iuf").astype(np.float32)
    counts = _numbers(content["counts"], "iu").astype(np.int64)
    if version != FORMAT_VERSION:
      raise ValueError(f"format_version {version}")
    if scores.ndim != 1 or counts.shape != scores.shape:
      raise ValueError(f"{scores.shape} scores and {counts.shape} counts")
    if np.isinf(scores).any() or np.isnan(scores).all():
      raise ValueError("scores that are infinite, or none")
    kind, crc32 = str(content["kind"]), str(content["vocab_crc32"])
    return cls(kind, crc32, scores, counts)

  def write(self, path: str) -> None:
    """Writes the table, whole; raises `UserError` if that is impossible."""
    check_ending(path, "--output")
    content = dataclasses.asdict(self) | {"format_version": FORMAT_VERSION}
    files.write_output(path, _serialize(content, path))

  def summary(self, words: vocabulary.Vocabulary, path: str) -> str:
    seen = np.flatnonzero(self.counts)
    order = seen[np.argsort(self.scores[seen], kind="stable")]
    ranked = [words.tokens[index] for index in order]
    return (
      f"Wrote {path}: {self.kind} of {len(words):,} ids, {len(seen):,} of "
      f"them seen, {self.counts.sum():,} times.\n"
      f"  most important   {' '.join(ranked[::-1][:_SHOWN])}\n"
      f"  least important  {' '.join(ranked[:_SHOWN])}"
    )

  def check_kind(self, kind: str, path: str) -> None:
    rule = f"importance.table_file must be of importance.type, {kind}"
    errors.require(self.kind == kind, rule, f"{path!r} of kind {self.kind}")

  def check_vocabulary(self, words: vocabulary.Vocabulary, path: str) -> None:
    errors.require(
      self.vocab_crc32 == fingerprint(words),
      "importance.table_file must be made with the vocabulary of the records",
      f"{path!r} of {len(self.scores)} tokens, CRC-32 {self.vocab_crc32}, for "
      f"{len(words)} tokens, CRC-32 {fingerprint(words)}",
    )

  def padded_scores(self, vocab_size: int, path: str) -> np.ndarray:
    """Returns float32 [vocab_size]; NaN beyond the vocabulary of the table."""
    padding = vocab_size - len(self.scores)
    rule = "importance.table_file must have at most vocab_size scores"
    received = f"{path!r} with {len(self.scores)}"
    errors.require(padding >= 0, f"{rule}, {vocab_size}", received)
    return np.pad(self.scores, [0, padding], constant_values=np.nan)


def fingerprint(words: vocabulary.Vocabulary) -> str:
  """Returns the CRC-32 of a vocabulary's tokens, 8 hexadecimal digits."""
  text = "\n".join(words.tokens)
  return f"{zlib.crc32(text.encode()):08x}"


def check_ending(path: str, name: str) -> None:
  """Refuses a file name that says neither JSON nor NumPy."""
  rule = f"{name} must end in {' or '.join(ENDINGS)}"
  errors.require(os.path.splitext(path)[1] in ENDINGS, rule, repr(path))


def _numbers(values, kinds: str) -> np.ndarray:
  """Returns numbers of some kinds of NumPy's; no texts, for example."""
  array = np.asarray(values)
  if array.dtype.kind not in kinds:
    raise ValueError(f"{errors.shorten(values)} where there must be numbers")
  return array


def _parse(content: bytes, path: str) -> dict:
  if path.endswith(".json"):
    table = plain_json.loads(content)
    scores = [math.nan if n is None else n for n in table["scores"]]
    return table | {"scores": scores}
  with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
    return dict(arrays)


def _serialize(content: dict, path: str) -> bytes:
  if path.endswith(".json"):
    numbers = content["scores"].tolist()
    scores = [None if math.isnan(n) else n for n in numbers]
    lists = {"scores": scores, "counts": content["counts"].tolist()}
    return (json.dumps(content | lists, allow_nan=False) + "\n").encode()
  buffer = io.BytesIO()
  np.savez_compressed(buffer, **content)
  return buffer.getvalue()
