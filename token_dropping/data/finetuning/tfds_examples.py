# SPDX-License-Identifier: Apache-2.0
"""Examples of a TensorFlow Datasets set, a split at a time."""

from collections.abc import Iterator

from token_dropping.common import errors


def load_builder(name: str):
  """Returns the builder of a set, such as `glue/cola`, with its data here."""
  # Takes seconds, and only this source needs it.
  import tensorflow_datasets as tfds

  builder = tfds.builder(name)
  # Without a network, requests raises an OSError.
  try:
    builder.download_and_prepare()
  except (OSError, tfds.download.DownloadError) as error:
    raise errors.UserError(
      "tfds_name must be there or downloadable (without a network, give local "
      f"files). Received: {name!r} ({type(error).__name__}: "
      f"{' '.join(str(error).split())[:200]})"
    ) from error
  return builder


def decode(text: bytes) -> str:
  """Returns a text of an example; bytes not UTF-8 become U+FFFD."""
  return text.decode("utf-8", "replace")


def read_split(builder, split: str) -> Iterator[dict]:
  """Yields the examples of a split as NumPy, in a fixed order."""
  data = builder.as_dataset(split=split, shuffle_files=False)
  yield from data.as_numpy_iterator()
