# SPDX-License-Identifier: Apache-2.0
"""Tests of reading records epoch by epoch."""

import itertools

import pytest
import tensorflow as tf
from official.nlp.data import pretrain_dataloader

from tests import dataset_testing
from tests import testing
from token_dropping.data.batches import epochs
from token_dropping.data.batches import record_files

FILES, IN_EACH = 4, 3
RECORDS = FILES * IN_EACH


def _write(path, numbers) -> str:
  return testing.write_records(path, [str(n).encode() for n in numbers])


@pytest.fixture
def folder(tmp_path):
  """Four files of three records, 0 to 11."""
  for file in range(FILES):
    start = file * IN_EACH
    _write(tmp_path / f"records-{file}", range(start, start + IN_EACH))
  return tmp_path


def _data(folder, **fields) -> pretrain_dataloader.BertPretrainDataConfig:
  defaults = {"input_path": f"{folder}/records-*", "is_training": True}
  defaults |= {"global_batch_size": 4, "shuffle_buffer_size": 3}
  return pretrain_dataloader.BertPretrainDataConfig(**(defaults | fields))


def _pairs(dataset, count) -> list[tuple]:
  """Returns the first (epoch, record) pairs."""
  return [
    (int(epoch), int(record))
    for epoch, _, record in itertools.islice(dataset.as_numpy_iterator(), count)
  ]


def _read(folder, count, context=None, step=0, **fields) -> list[tuple]:
  data = _data(folder, **fields)
  return _pairs(epochs.read_epochs(data, context, step), count)


def _of_epoch(pairs: list[tuple], number: int) -> list[int]:
  return [record for epoch, record in pairs if epoch == number]


@pytest.mark.parametrize("cache", [False, True])
@pytest.mark.parametrize(("files", "buffer"), [("*", 3), ("2", 3), ("*", 100)])
def test_training_reads_epoch_by_epoch(folder, files, cache, buffer):
  expected = list(range(RECORDS)) if files == "*" else [6, 7, 8]
  fields = {"cache": cache, "shuffle_buffer_size": buffer}
  fields["input_path"] = f"{folder}/records-{files}"
  pairs = _read(folder, 3 * len(expected), **fields)
  assert [number for number, _ in pairs] == sorted([0, 1, 2] * len(expected))
  for number in range(3):
    assert sorted(_of_epoch(pairs, number)) == expected


def test_cached_records_are_read_once(folder):
  iterator = iter(epochs.read_epochs(_data(folder, cache=True)))
  for _ in range(RECORDS + 1):  # a cache is complete when its end is read
    next(iterator)
  for file in range(FILES):
    (folder / f"records-{file}").unlink()
  assert int(next(iterator)[0]) == 1


def test_validation_is_one_epoch_number_0(folder):
  pairs = _read(folder, None, is_training=False, step=7)
  assert sorted(pairs) == [(0, record) for record in range(RECORDS)]


@pytest.mark.parametrize(
  "fields",
  [
    {},
    {"cache": True},
    {"seed": 3, "cycle_length": 2, "block_length": 2},
    {"input_path": "{}/records-2"},
    {"shuffle_buffer_size": 100},
  ],
)
def test_a_later_step_reads_what_it_would_have_read(folder, fields):
  if "input_path" in fields:
    fields = fields | {"input_path": fields["input_path"].format(folder)}
  whole = _read(folder, 4 * RECORDS, **fields)
  for step in (3, 7):
    rest = _read(folder, 4 * RECORDS - 4 * step, step=step, **fields)
    assert rest == whole[4 * step :]


@pytest.mark.parametrize("fields", [{}, {"seed": 3, "cycle_length": 2}])
def test_a_later_step_beside_a_card_reads_no_file_to_count(folder, fields):
  whole = _read(folder, 3 * RECORDS, **fields)
  paths = sorted(folder.glob("records-*"))
  dataset_testing.write_counts(folder, dict.fromkeys(paths, IN_EACH))
  contents = {path: path.read_bytes() for path in paths}
  for path, content in contents.items():
    path.write_bytes(bytes(len(content)))  # no TFRecords
  dataset = epochs.read_epochs(_data(folder, **fields), first_step=4)
  for path, content in contents.items():
    path.write_bytes(content)
  assert _pairs(dataset, 3 * RECORDS - 16) == whole[16:]


@pytest.mark.parametrize("pipelines", [2, 5])
def test_a_later_step_of_uneven_files_and_several_pipelines(folder, pipelines):
  _write(folder / "records-1", range(100, 107))
  for index in (0, pipelines - 1):
    context = tf.distribute.InputContext(pipelines, index, 2 * pipelines)
    fields = {"global_batch_size": 2 * pipelines}  # 2 records each a step
    whole = _read(folder, 24, context, **fields)
    rest = _read(folder, 24 - 2 * 9, context, step=9, **fields)
    assert rest == whole[2 * 9 :]


def test_the_global_seed_changes_nothing(folder):
  context = tf.distribute.InputContext(2, 1, 2)
  expected = _read(folder, 2 * RECORDS, context)
  tf.random.set_seed(7)
  assert _read(folder, 2 * RECORDS, context) == expected
  rest = _read(folder, 2 * RECORDS - 10, context, step=5)
  assert rest == expected[10:]


def test_every_record_has_its_place(folder):
  paths = [f"{folder}/records-{file}" for file in range(FILES)]
  records = epochs.read_epochs(_data(folder, input_path=paths))
  for _, place, record in records.take(2 * RECORDS).as_numpy_iterator():
    assert epochs.file_and_index(int(place)) == divmod(int(record), IN_EACH)


@pytest.mark.parametrize(
  ("pipelines", "count", "step"),  # the step is in the second epoch
  [(1, 2 * RECORDS, 9), (5, 6, 2)],  # by file, by record
)
def test_a_file_that_breaks_off_ends_with_a_fault(
  folder, pipelines, count, step
):
  path = folder / "records-2"
  path.write_bytes(path.read_bytes()[:-1])
  data = _data(folder, global_batch_size=2 * pipelines)
  files = sorted(map(str, folder.glob("records-*")))
  contents = record_files.read_files(files, data)
  found = []
  for index in range(pipelines):
    context = tf.distribute.InputContext(pipelines, index, pipelines)
    whole, rest = (
      list(
        epochs.read_epochs(data, context, first, contents)
        .take(count - 2 * first)
        .as_numpy_iterator()
      )
      for first in (0, step)
    )
    found += [one.record for one in whole if one.epoch == 0]
    assert rest == whole[2 * step :]
  assert found.count(epochs.FAULT) == 1
  intact = [int(record) for record in found if record != epochs.FAULT]
  assert sorted(intact) == [*range(8), 9, 10, 11]


def test_files_and_records_come_in_another_order_each_epoch(folder):
  one = {"input_path": f"{folder}/records-2"}
  pairs = _read(folder, 5 * IN_EACH, **one)
  assert len({tuple(_of_epoch(pairs, number)) for number in range(5)}) > 1
  pairs = _read(folder, 3 * RECORDS, seed=1)
  assert len({tuple(_of_epoch(pairs, number)) for number in range(3)}) > 1
  assert _read(folder, 3 * RECORDS, seed=1) == pairs
  assert _read(folder, 3 * RECORDS, seed=2) != pairs


def test_nothing_to_go_on_with(tmp_path):
  _write(tmp_path / "records-0", [])
  message = testing.refused(_read, tmp_path, 1, step=1)
  assert "input_path must hold records. Received: " in message


@pytest.mark.parametrize(
  ("pipelines", "is_training"), [(3, True), (5, True), (5, False)]
)
def test_pipelines_share_the_records_of_an_epoch(
  folder, pipelines, is_training
):
  records = []
  for index in range(pipelines):
    context = tf.distribute.InputContext(pipelines, index, pipelines)
    pairs = _read(folder, RECORDS, context, is_training=is_training)
    records += _of_epoch(pairs, 0)
  assert sorted(records) == list(range(RECORDS))


@pytest.mark.parametrize(
  "fields", [{"sharding": False}, {"enable_tf_data_service": True}]
)
def test_pipelines_that_do_not_share_read_everything(folder, fields):
  context = tf.distribute.InputContext(2, 1, 2)
  pairs = _read(folder, RECORDS, context, **fields)
  assert sorted(_of_epoch(pairs, 0)) == list(range(RECORDS))
