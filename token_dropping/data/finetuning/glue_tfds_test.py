# SPDX-License-Identifier: Apache-2.0
"""Tests for glue_tfds and tfds_examples, without a network."""

import types

import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from token_dropping.common import errors
from token_dropping.data.finetuning import glue_tasks
from token_dropping.data.finetuning import glue_tfds
from token_dropping.data.finetuning import tfds_examples


@pytest.mark.parametrize("name", glue_tasks.TASKS)
def test_every_task_has_the_splits_texts_and_labels_of_its_table(name):
  task = glue_tasks.TASKS[name]
  with tfds.testing.mock_data(num_examples=3):
    data = glue_tfds.read(task, tfds_examples.load_builder(f"glue/{name}"))
  assert set(data.splits) == set(task.files)
  for split_name, split in data.splits.items():
    assert split.labelled == (not split_name.startswith("test"))
    for number, example in enumerate(split.examples):
      assert len(example.texts) == len(task.texts)
      if split.labelled:
        assert example.id == number
      elif task.labels:
        assert example.label == 0
      if split.labelled and task.labels:
        assert 0 <= example.label < len(task.labels)


def _builder(names):
  """Returns what is asked of a builder, with two examples in every split."""
  rows = {"sentence": ["é", "b"], "label": [1, 0], "idx": [5, 3]}
  label = types.SimpleNamespace(names=names)
  return types.SimpleNamespace(
    info=types.SimpleNamespace(
      features={"label": label}, full_name="glue/cola/2.0.0"
    ),
    as_dataset=lambda **_: tf.data.Dataset.from_tensor_slices(rows),
  )


def test_examples_are_read_as_they_are():
  task = glue_tasks.TASKS["cola"]
  splits = glue_tfds.read(task, _builder(task.labels)).splits
  shown = [(e.texts, e.label, e.id) for e in splits["train"].examples]
  assert shown == [(("é",), 1, 0), (("b",), 0, 1)]
  shown = [(e.texts, e.label, e.id) for e in splits["test"].examples]
  assert shown == [(("é",), 0, 5), (("b",), 0, 3)]


def test_labels_in_another_order():
  names = ["acceptable", "unacceptable"]
  message = "of glue/cola/2.0.0 must be unacceptable, acceptable. Received: acc"
  with pytest.raises(errors.UserError, match=message):
    glue_tfds.read(glue_tasks.TASKS["cola"], _builder(names))


@pytest.mark.parametrize(
  "failure", [OSError("no\nnetwork"), tfds.download.DownloadError("404")]
)
def test_without_a_network(monkeypatch, failure):
  def fail(self, **options):
    raise failure

  with tfds.testing.mock_data():
    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", fail)
    message = f"downloadable .*'glue/cola' .*{type(failure).__name__}"
    with pytest.raises(errors.UserError, match=message) as caught:
      tfds_examples.load_builder("glue/cola")
  assert "\n" not in str(caught.value)
