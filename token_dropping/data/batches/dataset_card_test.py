# SPDX-License-Identifier: Apache-2.0
"""Tests of what lies beside prepared records, and whether it is true."""

import pytest
from official.nlp.data import pretrain_dataloader

from tests import dataset_testing
from tests import testing
from token_dropping.common import errors
from token_dropping.data.batches import dataset_card
from token_dropping.data.batches import pretrain_data

CARD = {"records": 3}


@pytest.fixture
def folder(tmp_path):
  """A folder of records from an older version."""
  dataset_testing.write_card(tmp_path, CARD)
  return tmp_path


def _data(input_path):
  return pretrain_dataloader.BertPretrainDataConfig(input_path=input_path)


def _formatted(paths, *names):
  if isinstance(paths, str):
    return paths.format(*names)
  return type(paths)(path.format(*names) for path in paths)


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
def test_card_is_found_beside_the_first_records(folder, paths, monkeypatch):
  assert dataset_card.read_card(_data(_formatted(paths, folder))) == CARD
  # A relative path is one of the working folder.
  monkeypatch.chdir(folder)
  assert dataset_card.read_card(_data("train-*")) == CARD


@pytest.mark.parametrize("paths", ["", [], "dummy", "/elsewhere/train-*"])
def test_records_from_elsewhere_have_no_card(paths):
  assert dataset_card.read_card(_data(paths)) is None
  assert dataset_card.read_tokenizer_config(_data(paths)) is None
  assert dataset_card.unigram_loss(_data(paths)) is None


def test_mixture_has_no_card(folder):
  data = _data("")
  data.input_path = {f"{folder}/wikipedia": f"{folder}/train-*"}
  assert dataset_card.read_card(data) is None


def test_card_must_be_json(folder):
  (folder / "dataset.json").write_text("{'records': 3}")
  with pytest.raises(errors.UserError, match="dataset.json must be JSON. "):
    dataset_card.read_card(_data(f"{folder}/train-*"))


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


# The files against the card.

TRAIN = [f"train-{index:05d}-of-00003.tfrecord" for index in range(3)]
VALIDATION = "validation-00000-of-00001.tfrecord"


def _write_dataset(folder):
  shards = {name: [testing.random_features(0)] for name in [*TRAIN, VALIDATION]}
  dataset_testing.write_dataset(folder, ["[PAD]"], shards)
  return folder


@pytest.fixture
def dataset(tmp_path):
  """Three files to train with and one to validate with."""
  return _write_dataset(tmp_path)


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
  assert f"{str(dataset)!r} without {TRAIN[1]}" in _refused(
    pattern.format(dataset)
  )


@pytest.mark.parametrize("pattern", [*PATTERNS, f"{{}}/{TRAIN[1]}"])
def test_truncated_file_is_noticed(dataset, pattern):
  content = (dataset / TRAIN[1]).read_bytes()
  (dataset / TRAIN[1]).write_bytes(content[:-1])
  message = _refused(pattern.format(dataset))
  assert message.startswith(f"{dataset}/{TRAIN[1]} must have {len(content)} ")


def test_unlisted_file_is_noticed(dataset):
  (dataset / "train-00003-of-00003.tfrecord.tmp").write_bytes(b"")
  message = _refused(f"{dataset}/train-*")
  assert message.endswith("/train-00003-of-00003.tfrecord.tmp, which is not")


def test_card_must_agree_with_itself(dataset):
  card = dataset_card.read_card(_data(f"{dataset}/train-*"))
  card["train"]["records"] += 1
  dataset_testing.write_card(dataset, card)
  assert _refused(f"{dataset}/{TRAIN[0]}").startswith("train.records in ")
  dataset_testing.write_card(dataset, {"format_version": 3})
  assert "format_version" in _refused(f"{dataset}/train-*")


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
  dataset_card.check_files(_data(_formatted(paths, *names)))


def test_every_folder_is_compared(dataset, tmp_path_factory):
  other = _write_dataset(tmp_path_factory.mktemp("other"))
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
  warning = capsys.readouterr().err
  assert warning.startswith("warning: every file that dataset.json lists must ")
  assert warning.endswith(f"{str(dataset)!r} without {TRAIN[1]}\n")
