# SPDX-License-Identifier: Apache-2.0
"""Texts of a TensorFlow Datasets data set, `name[/config][:split]`.

The split is `train` by default; what is not there is a `UserError`. The import
of TensorFlow Datasets is late: it takes seconds, and only this input needs it.
"""

import contextlib
from collections.abc import Iterator

from token_dropping.common import errors

_BYTES_PER_EXAMPLE = 1000  # a guess where the data set does not know its size
_MAX_STRIPES = 1000


def number_of_examples(name: str) -> int | None:
  """Returns how many examples a split has; None if the set does not know."""
  info = _split_info(name)
  return info.num_examples if info else None


def number_of_stripes(name: str, target: int) -> int:
  """Returns into how many parts of about `target` bytes to divide a split."""
  info = _split_info(name)
  if info is None:
    return 1
  total = info.num_bytes or info.num_examples * _BYTES_PER_EXAMPLE
  most = min(_MAX_STRIPES, max(info.num_examples, 1))
  return min(max(-(-total // target), 1), most)


def read_texts(
  name: str, field: str, stripe: int, stripes: int
) -> Iterator[bytes]:
  """Yields the texts of one stripe of a split, in a fixed order."""
  import tensorflow_datasets as tfds

  with opened(name) as (builder, split):
    builder.download_and_prepare()
    decoders = tfds.decode.PartialDecoding({field: True})
    for example in _read(builder, split, stripe, stripes, decoders=decoders):
      yield example[field]


def check_text(name: str, field: str) -> None:
  """Refuses a set without such a text, before it is downloaded."""
  import tensorflow_datasets as tfds

  with opened(name) as (builder, _):
    features = builder.info.features
    is_text = isinstance(dict(features).get(field), tfds.features.Text)
    rule = f"text_field must be a text feature of {name}"
    errors.require(is_text, f"{rule} ({', '.join(features)})", repr(field))


def check_translations(name: str, languages: tuple[str, str]) -> None:
  """Refuses a set without texts in the languages, before it is downloaded."""
  with opened(name) as (builder, _):
    features = list(builder.info.features)
    rule = f"tfds_name must be a set with texts in {' and '.join(languages)}"
    fits = set(languages) <= set(features)
    errors.require(fits, rule, f"{name!r} with {', '.join(features)}")


def read_translations(
  name: str, languages: tuple[str, str], stripe: int, stripes: int
) -> Iterator[tuple[bytes, bytes]]:
  """Yields the texts of one stripe in two languages, in a fixed order."""
  with opened(name) as (builder, split):
    builder.download_and_prepare()
    for example in _read(builder, split, stripe, stripes):
      yield tuple(example[language] for language in languages)


def _read(builder, split: str, stripe: int, stripes: int, **options):
  import tensorflow_datasets as tfds

  part = tfds.even_splits(split, stripes)[stripe] if stripes > 1 else split
  data = builder.as_dataset(split=part, shuffle_files=False, **options)
  return data.as_numpy_iterator()


def _split_info(name: str):
  with opened(name) as (builder, split):
    if not builder.info.splits:
      builder.download_and_prepare()
    if not builder.info.splits:
      return None
    rule = f"tfds_name must name a split ({', '.join(builder.info.splits)})"
    with errors.refusing(rule, repr(name), KeyError, ValueError):
      return builder.info.splits[split]


@contextlib.contextmanager
def opened(name: str) -> Iterator[tuple]:
  """Gives builder and split; what cannot be had or read is a `UserError`."""
  import tensorflow as tf
  import tensorflow_datasets as tfds

  set_name, _, split = name.partition(":")
  rule = "tfds_name must be name[/config][:split] of a data set that "
  rule += "TensorFlow Datasets knows"
  unknown = tfds.core.DatasetNotFoundError, ValueError
  with errors.refusing(rule, repr(name), *unknown):
    builder = tfds.builder(set_name)
  try:
    yield builder, split or "train"
  # Without a network, requests raises an OSError.
  except (OSError, tfds.download.DownloadError, tf.errors.OpError) as error:
    raise errors.UserError(
      "tfds_name must be a data set that is there and readable, or can be "
      f"downloaded. Received: {name!r} ({type(error).__name__}: "
      f"{errors.first_line(error)[:200]})"
    ) from error
