# SPDX-License-Identifier: Apache-2.0
"""Starting from an earlier run, or from the weights of any BERT."""

import tensorflow as tf
from absl import logging

from token_dropping import errors
from token_dropping import pretrainer


def initialize_from(model: pretrainer.TokenDropPretrainer, path: str) -> None:
  """Restores the encoder, and whatever else the checkpoint holds.

  The encoder must be restored completely. Heads and importance table that the
  checkpoint lacks, such as a plain BERT's, keep their initial values.

  Args:
    model: the model to fill.
    path: a checkpoint prefix, or a directory, which means its latest.

  Raises:
    UserError: no checkpoint at `path`, one of another shape, or one that lacks
      an encoder weight.
  """
  prefix = tf.train.latest_checkpoint(path) if tf.io.gfile.isdir(path) else path
  items = model.checkpoint_items
  try:
    names = tf.train.load_checkpoint(prefix or path).get_variable_to_shape_map()
    held = {name.split("/")[0] for name in names}
    absent = sorted(set(items) - held - {"encoder"})
    items = {name: item for name, item in items.items() if name not in absent}
    status = tf.train.Checkpoint(**items).read(prefix)
    status.expect_partial().assert_existing_objects_matched()
  except (tf.errors.OpError, ValueError, AssertionError) as error:
    reason = " ".join(str(error).split())
    raise errors.UserError(
      "task.init_checkpoint must hold every weight of the configured model. "
      f"Received: {path!r} ({reason[:200]})"
    ) from error
  logging.info("Initialized from %s; absent there: %s", prefix, absent)


def latest_step(model_dir: str) -> int:
  """Returns the step that a run continues from.

  Args:
    model_dir: folder of the run; empty for none.

  Returns:
    The step of its latest checkpoint, or 0 without one.
  """
  path = tf.train.latest_checkpoint(model_dir) if model_dir else None
  if path is None:
    return 0
  name = "global_step/.ATTRIBUTES/VARIABLE_VALUE"
  return int(tf.train.load_variable(path, name))
