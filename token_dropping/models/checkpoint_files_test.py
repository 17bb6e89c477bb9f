# SPDX-License-Identifier: Apache-2.0
"""Tests of what is no checkpoint, and what it is said to be."""

import shutil

import pytest
import tensorflow as tf

from tests import testing
from token_dropping.models import checkpoint_files

DATA = "ckpt-1.data-00000-of-00001"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
  """A folder with whole checkpoints, and others that are none."""
  folder = tmp_path_factory.mktemp("made")
  checkpoint = tf.train.Checkpoint(v=tf.Variable([1.0] * 1000))
  checkpoint.save(folder / "good" / "ckpt")
  names = ("unlisted", "no_data", "no_index", "cut", "garbled")
  for name in names:
    shutil.copytree(folder / "good", folder / name)
  (folder / "unlisted" / "checkpoint").unlink()
  (folder / "no_data" / DATA).unlink()
  (folder / "no_index" / "ckpt-1.index").unlink()
  (folder / "cut" / DATA).write_bytes(b"0" * 500)
  (folder / "garbled" / "ckpt-1.index").write_bytes(b"0" * 500)
  for name in ("empty", "saved", "hugging", "files"):
    (folder / name).mkdir()
  (folder / "saved" / "saved_model.pb").touch()
  (folder / "hugging" / "config.json").touch()
  (folder / "files" / "weights.h5").touch()
  with tf.Graph().as_default(), tf.compat.v1.Session() as session:
    variable = tf.compat.v1.get_variable("bert/word", initializer=[1.0])
    session.run(variable.initializer)
    saver = tf.compat.v1.train.Saver()
    saver.save(session, str(folder / "tf1" / "model"), write_meta_graph=False)
  return folder


@pytest.mark.parametrize("name", ["good", "good/ckpt-1", "unlisted/ckpt-1"])
def test_whole_checkpoints_are_found(made, name):
  folder = made / name.partition("/")[0]
  prefix = checkpoint_files.find(str(made / name), "--x")
  assert prefix == str(folder / "ckpt-1")


@pytest.mark.parametrize(
  ("name", "reason"),
  [
    ("none", "which is not there"),
    ("none/ckpt-1", "which is not there"),
    ("empty", "a folder without checkpoints"),
    ("unlisted", "file `checkpoint` names none; one of it is '{}/ckpt-1'"),
    ("no_data", "without its .data file"),
    ("no_index/ckpt-1", "without its .index file"),
    ("cut", "Read less bytes than requested"),
    ("garbled", "not an sstable (bad magic number)"),
    ("saved", "a SavedModel; the run that it was made of has one"),
    ("hugging", "huggingface import` makes a run"),
    ("files/weights.h5", "a file of another kind"),
    ("good/ckpt-1.index", "a part of the checkpoint '{}/ckpt-1'"),
    (f"good/{DATA}", "a part of the checkpoint '{}/ckpt-1'"),
    ("tf1", "tools/tf2_bert_encoder_checkpoint_converter.py converts it"),
  ],
)
def test_what_is_none_is_named(made, name, reason):
  message = testing.refused(checkpoint_files.find, str(made / name), "--x")
  assert message.startswith(
    "--x must name a whole checkpoint of TensorFlow 2, or a folder with one. "
  )
  assert message.endswith(reason.format(made / name.partition("/")[0]))
