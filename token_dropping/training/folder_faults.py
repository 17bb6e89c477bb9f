# SPDX-License-Identifier: Apache-2.0
"""A full disk or a folder that became read-only, told in one line."""

import contextlib
from collections.abc import Iterator

import tensorflow as tf

from token_dropping.common import errors


@contextlib.contextmanager
def explained(model_dir: str) -> Iterator[None]:
  """Raises `UserError` in place of an error that names a run's folder.

  Files are written at many places, TensorFlow's own among them. What they raise
  names the file.
  """
  try:
    yield
  except (tf.errors.OpError, OSError) as error:
    # Damaged data was read, not written.
    if isinstance(error, tf.errors.DataLossError) or (
      model_dir not in str(error)
    ):
      raise
    good = tf.train.latest_checkpoint(model_dir)
    raise errors.UserError(
      "--model_dir must be writable and have room; the last good checkpoint is "
      f"{good}. Received: {errors.first_line(error)}"
    ) from error
