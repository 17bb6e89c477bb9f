# SPDX-License-Identifier: Apache-2.0
"""Examples of a TensorFlow Datasets set, a split at a time."""

from collections.abc import Iterator

from token_dropping.common import errors


def load_builder(name: str):
  """Returns the builder of a set whose data are on this machine.

  Args:
    name: such as `glue/cola`. Downloaded, unless it is there already.

  Raises:
    UserError: it cannot be downloaded.
  """
  # Takes seconds, and only this source needs it.
  import tensorflow_datasets as tfds

  builder = tfds.builder(name)
  failures = (
    OSError,  # what requests raises without a network
    tfds.download.DownloadError,
  )
  try:
    builder.download_and_prepare()
  except failures as error:
    raise errors.UserError(
      "tfds_name must be there or downloadable (without a network, give local "
      f"files). Received: {name!r} ({type(error).__name__}: "
      f"{' '.join(str(error).split())[:200]})"
    ) from error
  return builder


def describe(builder) -> dict:
  """Returns name and version of a set, for the card."""
  return {"name": builder.info.full_name}


def read(builder, split: str) -> Iterator[dict]:
  """Yields the examples of a split as NumPy, in a fixed order.

  Args:
    builder: what `load_builder` returned.
    split: its name.
  """
  data = builder.as_dataset(split=split, shuffle_files=False)
  yield from data.as_numpy_iterator()
