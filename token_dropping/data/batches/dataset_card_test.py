# SPDX-License-Identifier: Apache-2.0
"""Tests of what lies beside prepared records, and whether it is true."""

import pytest
from official.nlp.data import pretrain_dataloader

from tests import dataset_testing
from tests import testing
from token_dropping.common import errors
from token_dropping.data.batches import dataset_card
from token_dropping.data.batches import pretrain_data


@pytest.fixture
def folder(tmp_path):
  (tmp_path / "dataset.json").write_text('{"records": 3}')
  (tmp_path / "vocab.txt").write_text("[PAD]\n")
  return tmp_path


def _data(input_path):
  return pretrain_dataloader.BertPretrainDataConfig(input_path=input_path)


@pytest.mark.parametrize(
  "paths",
  [
    "{}/train-*",
    "{}/train-0.tfrecord",
    "{}/train-*,/elsewhere/train-*",
    " {}/train-*",
    ["{}/train-*", "/elsewhere/train-*"],
    ("{}/train-*",),
  ],
)
def test_card_is_found_beside_the_first_records(folder, paths):
  if isinstance(paths, str):
    paths = paths.format(folder)
  else:
    paths = type(paths)(path.format(folder) for path in paths)
  assert dataset_card.read_card(_data(paths)) == {"records": 3}


@pytest.mark.parametrize("paths", ["", [], "dummy"])
def test_no_records_have_no_card(folder, paths):
  assert dataset_card.read_card(_data(paths)) is None


def test_records_from_elsewhere_have_no_card(tmp_path):
  assert dataset_card.read_card(_data(f"{tmp_path}/train-*")) is None


def test_mixture_has_no_card(folder):
  data = _data("")
  data.input_path = {"wikipedia": f"{folder}/train-*"}
  assert dataset_card.read_card(data) is None


def test_relative_path_is_of_the_working_folder(folder, monkeypatch):
  monkeypatch.chdir(folder)
  assert dataset_card.read_card(_data("train-*")) == {"records": 3}


def test_card_must_be_json(folder):
  path = folder / "dataset.json"
  path.write_text("{'records': 3}")
  with pytest.raises(errors.UserError) as caught:
    dataset_card.read_card(_data(f"{folder}/train-*"))
  assert str(caught.value) == (
    f"dataset.json must be JSON. Received: {path} (Expecting property name "
    "enclosed in double quotes: line 1 column 2 (char 1))"
  )


def test_card_must_be_text(folder):
  path = folder / "dataset.json"
  path.write_bytes(b'{"records": "\xff"}')
  with pytest.raises(errors.UserError) as caught:
    dataset_card.read_card(_data(f"{folder}/train-*"))
  message = str(caught.value)
  assert message.startswith(f"dataset.json must be JSON. Received: {path} (")
  assert "\n" not in message


@pytest.mark.parametrize(
  ("card", "loss"),
  [
    ({"validation": {"unigram_loss": 6.5}}, 6.5),
    ({"validation": {"unigram_loss": None}}, None),
    ({"validation": {"records": 8}}, None),
    ({"validation": 8}, None),
    ({}, None),
  ],
)
def test_loss_of_a_guess_is_told_if_it_is_known(folder, card, loss):
  dataset_testing.write_card(folder, card)
  assert dataset_card.unigram_loss(_data(f"{folder}/train-*")) == loss


def test_records_from_elsewhere_have_no_loss_of_a_guess(tmp_path):
  assert dataset_card.unigram_loss(_data(f"{tmp_path}/train-*")) is None


# The files against the card.

TRAIN = [f"train-{index:05d}-of-00003.tfrecord" for index in range(3)]
VALIDATION = "validation-00000-of-00001.tfrecord"
TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


@pytest.fixture
def dataset(tmp_path):
  shards = {name: [testing.random_features(0)] for name in [*TRAIN, VALIDATION]}
  dataset_testing.write_dataset(tmp_path, TOKENS, shards)
  return tmp_path


def _refused(input_path) -> str:
  with pytest.raises(errors.UserError) as caught:
    dataset_card.check_files(_data(input_path))
  return str(caught.value)


PATTERNS = [
  "{}/train-*",
  "{}/t*",
  "{}/*.tfrecord",
  "{}/*",
  "{}/train-0000[12]*",
  "{}/train-0000?-of-00003.tfrecord",
  "{0}/validation-*, {0}/train-*",
]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_whole_dataset_is_accepted(dataset, pattern):
  dataset_card.check_files(_data(pattern.format(dataset)))
  dataset_card.check_files(_data([pattern.format(dataset)]))


@pytest.mark.parametrize("pattern", PATTERNS)
def test_missing_file_is_noticed(dataset, pattern):
  (dataset / TRAIN[1]).unlink()
  assert _refused(pattern.format(dataset)) == (
    "every file that dataset.json lists must be in its folder. "
    f"Received: {str(dataset)!r} without {TRAIN[1]}"
  )


@pytest.mark.parametrize("pattern", [*PATTERNS, f"{{}}/{TRAIN[1]}"])
def test_truncated_file_is_noticed(dataset, pattern):
  content = (dataset / TRAIN[1]).read_bytes()
  (dataset / TRAIN[1]).write_bytes(content[:-1])
  assert _refused(pattern.format(dataset)) == (
    f"{dataset}/{TRAIN[1]} must have {len(content)} bytes, as dataset.json "
    f"says. Received: {len(content) - 1} bytes"
  )


def test_unlisted_file_is_noticed(dataset):
  (dataset / "train-00003-of-00003.tfrecord.tmp").write_bytes(b"")
  assert _refused(f"{dataset}/train-*") == (
    "every train- and validation- file must be listed in dataset.json. "
    f"Received: {dataset}/train-00003-of-00003.tfrecord.tmp, which is not"
  )


def test_card_must_agree_with_itself(dataset):
  card = dataset_card.read_card(_data(f"{dataset}/train-*"))
  card["train"]["records"] += 1
  dataset_testing.write_card(dataset, card)
  assert _refused(f"{dataset}/{TRAIN[0]}") == (
    f"train.records in {dataset}/dataset.json must be the sum over its train- "
    "files, 3. Received: 4"
  )


def test_newer_card_is_refused(dataset):
  dataset_testing.write_card(dataset, {"format_version": 3})
  assert _refused(f"{dataset}/train-*") == (
    "dataset.json must have format_version 2. Received: 3 in "
    f"{dataset}/dataset.json"
  )


@pytest.mark.parametrize(
  "paths",
  [
    "{0}/train-00000*",
    "{0}/{1}",
    "{0}/{1},{0}/{2}",
    ["{0}/{2}", "{0}/{1}"],
  ],
)
def test_part_of_a_dataset_may_be_named(dataset, paths):
  """What was not named may even be elsewhere."""
  (dataset / TRAIN[1]).unlink()
  names = dataset, TRAIN[0], TRAIN[2]
  if isinstance(paths, str):
    dataset_card.check_files(_data(paths.format(*names)))
  else:
    dataset_card.check_files(_data([path.format(*names) for path in paths]))


def test_every_folder_is_compared(dataset, tmp_path_factory):
  other = tmp_path_factory.mktemp("other")
  shards = {name: [testing.random_features(0)] for name in [*TRAIN, VALIDATION]}
  dataset_testing.write_dataset(other, TOKENS, shards)
  (other / TRAIN[2]).unlink()
  message = _refused(f"{dataset}/train-*,{other}/train-*")
  assert message.endswith(f"{str(other)!r} without {TRAIN[2]}")


@pytest.mark.parametrize("card", [{"records": 3}, {"format_version": 1}])
def test_card_without_counts_is_left_alone(dataset, card):
  dataset_testing.write_card(dataset, card)
  (dataset / TRAIN[0]).write_bytes(b"")
  dataset_card.check_files(_data(f"{dataset}/train-*"))


@pytest.mark.parametrize(
  "paths", ["", [], "dummy", "/nowhere/train-*", "none://x/train-*"]
)
def test_no_files_are_not_compared(paths):
  dataset_card.check_files(_data(paths))


def test_to_skip_bad_records_a_complaint_is_a_warning(dataset, capsys):
  (dataset / TRAIN[1]).unlink()
  data = pretrain_data.PretrainDataConfig(
    input_path=f"{dataset}/train-*", on_bad_records="skip"
  )
  dataset_card.check_files(data)
  assert capsys.readouterr().err == (
    "warning: every file that dataset.json lists must be in its folder. "
    f"Received: {str(dataset)!r} without {TRAIN[1]}\n"
  )
