# SPDX-License-Identifier: Apache-2.0
"""Metrics of the checkpoint's step, and of no other."""

import tensorflow as tf

from token_dropping.huggingface import validation_metrics


def test_scalars_of_the_step(tmp_path):
  writer = tf.summary.create_file_writer(str(tmp_path / "validation"))
  with writer.as_default():
    for step, loss in ((10, 5.0), (20, 4.0)):
      tf.summary.scalar("lm_example_loss", loss, step=step)
      tf.summary.histogram("importance", [1.0, 2.0], step=step)
  writer.close()
  assert validation_metrics.read(str(tmp_path), 20) == {"lm_example_loss": 4.0}
  assert validation_metrics.read(str(tmp_path), 30) == {}


def test_run_without_validation(tmp_path):
  assert validation_metrics.read(str(tmp_path), 20) == {}
