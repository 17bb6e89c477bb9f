# SPDX-License-Identifier: Apache-2.0
"""Tests of finding the card and the vocabulary beside prepared records."""

import pytest
from official.core import exp_factory
from official.nlp.data import pretrain_dataloader

from token_dropping import dataset_card
from token_dropping import errors
from token_dropping import experiments


@pytest.fixture
def folder(tmp_path):
  (tmp_path / "dataset.json").write_text('{"records": 3}')
  (tmp_path / "vocab.txt").write_text("[PAD]\n")
  return tmp_path


def _data(input_path):
  return pretrain_dataloader.BertPretrainDataConfig(input_path=input_path)


def _experiment(input_path, name: str = "bert/token_drop"):
  assert name in experiments.NAMES
  params = exp_factory.get_exp_config(name)
  params.task.train_data.input_path = input_path
  return params


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


def test_unset_vocab_file_is_filled_in(folder):
  params = _experiment(f"{folder}/train-*")
  dataset_card.fill_in_vocab_file(params)
  assert params.task.model.encoder.any.vocab_file == f"{folder}/vocab.txt"


def test_set_vocab_file_stays(folder):
  params = _experiment(f"{folder}/train-*")
  params.task.model.encoder.any.vocab_file = "mine.txt"
  dataset_card.fill_in_vocab_file(params)
  assert params.task.model.encoder.any.vocab_file == "mine.txt"


@pytest.mark.parametrize("missing", ["dataset.json", "vocab.txt"])
def test_incomplete_folder_fills_in_nothing(folder, missing):
  (folder / missing).unlink()
  params = _experiment(f"{folder}/train-*")
  dataset_card.fill_in_vocab_file(params)
  assert params.task.model.encoder.any.vocab_file == ""


def test_no_records_fill_in_nothing(folder, monkeypatch):
  monkeypatch.chdir(folder)
  params = _experiment("")
  dataset_card.fill_in_vocab_file(params)
  assert params.task.model.encoder.any.vocab_file == ""


def test_baseline_is_left_alone(folder):
  params = _experiment(f"{folder}/train-*", "bert/pretraining")
  before = params.as_dict()
  dataset_card.fill_in_vocab_file(params)
  assert params.as_dict() == before


DATA = ("train_data", "validation_data")


def test_dynamic_data_gets_the_vocabulary_beside_its_own_records(
  folder, tmp_path_factory
):
  other = tmp_path_factory.mktemp("other")
  for name in ("dataset.json", "vocab.txt"):
    (other / name).write_text("")
  params = _experiment(f"{folder}/train-*")
  params.task.validation_data.input_path = f"{other}/validation-*"
  for name in DATA:
    getattr(params.task, name).masking = "dynamic"
  dataset_card.fill_in_vocab_file(params)
  assert params.task.train_data.vocab_file == f"{folder}/vocab.txt"
  assert params.task.validation_data.vocab_file == f"{other}/vocab.txt"
  assert params.task.model.encoder.any.vocab_file == f"{folder}/vocab.txt"


def test_set_vocab_file_of_dynamic_data_stays(folder):
  params = _experiment(f"{folder}/train-*")
  params.task.train_data.override({"masking": "dynamic", "vocab_file": "mine"})
  dataset_card.fill_in_vocab_file(params)
  assert params.task.train_data.vocab_file == "mine"


def test_static_data_needs_no_vocabulary(folder):
  params = _experiment(f"{folder}/train-*")
  dataset_card.fill_in_vocab_file(params)
  assert params.task.train_data.vocab_file == ""
