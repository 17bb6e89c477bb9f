# SPDX-License-Identifier: Apache-2.0
"""Tests of the curves of a run."""

import tensorflow as tf

from token_dropping.training import summaries


def _summarize(folder, values: dict[int, float], suffix: str) -> None:
  writer = tf.summary.create_file_writer(str(folder), filename_suffix=suffix)
  with writer.as_default():
    for step, value in values.items():
      tf.summary.scalar("loss", value, step)
      tf.summary.histogram("scores", [value, value], step)
  writer.close()


def test_curves_come_back_the_last_value_of_a_step(tmp_path):
  _summarize(tmp_path, {1: 1.0, 3: 3.0}, ".a")
  _summarize(tmp_path, {2: 2.0, 3: 4.0}, ".b")
  expected = {"loss": {1: 1.0, 2: 2.0, 3: 4.0}}
  assert summaries.read_scalars(str(tmp_path)) == expected
  assert summaries.read_scalars(str(tmp_path / "none")) == {}


def test_an_incomplete_last_event_is_not_read(tmp_path):
  _summarize(tmp_path, {1: 1.0, 2: 2.0}, "")
  (path,) = tmp_path.iterdir()
  path.write_bytes(path.read_bytes()[:-500])
  assert 1 in summaries.read_scalars(str(tmp_path))["loss"]
