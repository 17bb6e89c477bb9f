# SPDX-License-Identifier: Apache-2.0
"""Tests of what training shows of its dropping."""

import types

import numpy as np
import pytest
import tensorflow as tf

from tests import drops_testing
from tests import testing as small
from token_dropping.dropping import keep_schedule
from token_dropping.explain import training_pictures
from token_dropping.tasks import experiments
from token_dropping.tasks.masked_lm import task as masked_lm


def _params():
  params = experiments.get("bert/token_drop")
  params.override(small.TINY)
  return params


@pytest.fixture
def params(tmp_path):
  """A tiny experiment with four validation records."""
  params = _params()
  records = [small.random_features(seed) for seed in range(4)]
  path = small.write_records(tmp_path / "records", records)
  params.task.validation_data.input_path = path
  vocabulary = small.write_vocabulary(tmp_path / "vocab.txt")
  params.task.model.encoder.any.vocab_file = vocabulary
  params.task.dropping_pictures = True
  return params


@pytest.fixture(scope="module")
def trainer():
  """What is used of a trainer, at step 6."""
  return types.SimpleNamespace(
    model=masked_lm.TokenDropMaskedLMTask(_params().task).build_model(),
    global_step=tf.Variable(6, dtype=tf.int64),
    strategy=tf.distribute.get_strategy(),
  )


@pytest.fixture
def act(params, trainer):
  """Makes the one evaluation action, calls it and returns it."""

  def act(folder):
    (action,) = training_pictures.of(params, trainer, str(folder))
    action({})
    return action

  return act


def _written(folder) -> dict[str, tuple[int, np.ndarray]]:
  found = {}
  for path in sorted((folder / "validation").glob("events*")):
    for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
      event = tf.compat.v1.Event.FromString(record)
      for value in event.summary.value:
        found[value.tag] = event.step, tf.make_ndarray(value.tensor)
  return found


def test_text_and_picture_are_written_the_same_every_time(act, tmp_path):
  for name in ("one", "two"):
    act(tmp_path / name)
  one, two = _written(tmp_path / "one"), _written(tmp_path / "two")
  assert set(one) == {training_pictures.TEXT, training_pictures.PICTURE}
  for tag, (step, value) in one.items():
    assert step == 6
    np.testing.assert_array_equal(value, two[tag][1])
  text = one[training_pictures.TEXT][1].item().decode()
  first, *sequences = text.split("\n\n")
  assert first == "Kept words are **bold**."
  assert len(sequences) == 4
  # Nothing is learnt yet: of equal scores the earlier half stays.
  assert [part.count("word") for part in sequences[0].split("**")] == [0, 8, 8]
  _, _, pixels = one[training_pictures.PICTURE][1]
  image = tf.io.decode_png(pixels).numpy()
  assert image.shape[-1] == 3 and len(np.unique(image)) > 10


def test_records_that_cannot_be_read_are_noted(params, act, tmp_path, capsys):
  params.task.validation_data.input_path = "dummy"
  act(tmp_path)({})
  assert capsys.readouterr().err == (
    "note: nothing dropped is shown: task.validation_data.input_path must name "
    "records. Received: 'dummy'\n"
  )
  assert _written(tmp_path) == {}


def test_nothing_is_shown_where_nothing_is_dropped_or_wanted(params, trainer):
  network = types.SimpleNamespace(
    drop_plan=drops_testing.make_plan(3, token_keep_ratio=1.0)
  )
  dense = types.SimpleNamespace(
    model=types.SimpleNamespace(encoder_network=network),
    strategy=trainer.strategy,
  )
  assert training_pictures.of(params, dense, "") == []
  params.task.dropping_pictures = False
  assert training_pictures.of(params, trainer, "") == []


def test_a_schedule_is_followed(params, act, tmp_path):
  params.task.keep_schedule = keep_schedule.KeepScheduleConfig(
    type="steps",
    steps=[keep_schedule.KeepStep(step=5, keep_ratios=(0.25,))],
    train_steps=10,
  )
  act(tmp_path)
  text = _written(tmp_path)[training_pictures.TEXT][1].item().decode()
  kept = text.split("\n\n")[1].split("**")[1]
  assert kept.count("word") == 4
