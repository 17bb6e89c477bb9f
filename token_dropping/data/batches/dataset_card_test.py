# SPDX-License-Identifier: Apache-2.0
"""Tests of what lies beside prepared records, and whether it is true."""

import shutil

import pytest
from official.nlp.data import pretrain_dataloader

from tests import dataset_testing
from tests import testing
from token_dropping.data.batches import causal_data
from token_dropping.data.batches import dataset_card
from token_dropping.data.batches import pair_data
from token_dropping.data.batches import pretrain_data

CARD = {"records": 3}  # of an older version


def _data(input_path):
  return pretrain_dataloader.BertPretrainDataConfig(input_path=input_path)


def _formatted(paths, *names):
  if isinstance(paths, str):
    return paths.format(*names)
  return type(paths)(path.format(*names) for path in paths)


@pytest.mark.parametrize(
  "paths",
  [
    *("{}/train-*", "{}/train-0.tfrecord", "{}/train-*,/elsewhere/train-*"),
    *(" {}/train-*", ["{}/train-*", "/elsewhere/train-*"], ("{}/train-*",)),
  ],
)
def test_card_is_found_beside_the_first_records(tmp_path, paths, monkeypatch):
  dataset_testing.write_card(tmp_path, CARD)
  assert dataset_card.read_card(_data(_formatted(paths, tmp_path))) == CARD
  # A relative path is one of the working folder.
  monkeypatch.chdir(tmp_path)
  assert dataset_card.read_card(_data("train-*")) == CARD
  # A mixture has no card.
  data = _data("")
  data.input_path = {f"{tmp_path}/wikipedia": f"{tmp_path}/train-*"}
  assert dataset_card.read_card(data) is None


@pytest.mark.parametrize("paths", ["", [], "dummy", "/nowhere/train-*"])
def test_records_from_elsewhere_have_no_card(paths):
  data = _data(paths)
  assert dataset_card.read_card(data) is None
  assert dataset_card.read_tokenizer_config(data) is None
  assert dataset_card.unigram_loss(data) is None
  dataset_card.check_files(data)
  dataset_card.check_files(_data("none://x/train-*"))


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
def test_loss_of_a_guess_is_told_if_it_is_known(tmp_path, card, loss):
  dataset_testing.write_card(tmp_path, card)
  assert dataset_card.unigram_loss(_data(f"{tmp_path}/train-*")) == loss


@pytest.mark.parametrize("made", ["masked_lm", "causal_lm", "translation"])
def test_data_must_be_those_of_the_task(tmp_path, made):
  kinds = {
    "masked_lm": pretrain_data.PretrainDataConfig,
    "causal_lm": causal_data.CausalDataConfig,
    "translation": pair_data.PairDataConfig,
  }
  commands = {
    "masked_lm": "prepare --objective=masked_lm",
    "causal_lm": "prepare --objective=causal_lm",
    "translation": "prepare_pairs",
  }
  card = {} if made == "masked_lm" else {"objective": made}
  dataset_testing.write_counts(tmp_path, {}, **card)
  for wanted, kind in kinds.items():
    data = kind(input_path=f"{tmp_path}/train-*")
    if wanted == made:
      dataset_card.check_objective(data, "data")
    else:
      assert testing.refused(dataset_card.check_objective, data, "data") == (
        f"data.input_path must name data of {commands[wanted]}. "
        f"Received: '{tmp_path}', made for {made}"
      )
  dataset_card.check_objective(_data("dummy"), "data")


def _check_documents(**fields) -> None:
  data = pretrain_data.PretrainDataConfig(attend_within_documents=True)
  dataset_card.check_documents(data.replace(**fields), "data")


@pytest.mark.parametrize("packing", ["full", "documents", "best-fit"])
def test_documents_that_sep_ends_are_kept_apart(tmp_path, packing):
  dataset_testing.write_counts(tmp_path, {}, settings={"packing": packing})
  _check_documents(input_path=f"{tmp_path}/train-*")


def test_documents_that_no_sep_tells_apart_are_refused(tmp_path):
  dataset_testing.write_counts(tmp_path, {}, settings={"packing": "pairs"})
  elsewhere, text = tmp_path / "elsewhere", "true, records without it"
  for fields, received in (
    ({"input_path": f"{tmp_path}/train-*"}, "true, pairs"),
    ({"input_path": f"{elsewhere}/train-*"}, text),
    ({"input_path": "dummy"}, text),
    ({"tfds_name": "x", "input_path": f"{tmp_path}/train-*"}, text),
  ):
    assert testing.refused(_check_documents, **fields) == (
      "data.attend_within_documents must be false unless dataset.json beside "
      "the records says a packing of full, documents, best-fit. "
      f"Received: {received}"
    )


# The files against the card.

TRAIN = [f"train-{index:05d}-of-00003.tfrecord" for index in range(3)]
VALIDATION = "validation-00000-of-00001.tfrecord"


@pytest.fixture
def dataset(tmp_path):
  """Three files to train with and one to validate with."""
  shards = {name: [testing.random_features(0)] for name in [*TRAIN, VALIDATION]}
  dataset_testing.write_dataset(tmp_path, ["[PAD]"], shards)
  return tmp_path


def _refused(input_path) -> str:
  return testing.refused(dataset_card.check_files, _data(input_path))


@pytest.mark.parametrize(
  "pattern",
  [
    *("{}/train-*", "{}/t*", "{}/*.tfrecord", "{}/*", "{}/train-0000[12]*"),
    *("{}/train-0000?-of-00003.tfrecord", "{0}/validation-*, {0}/train-*"),
  ],
)
def test_the_files_of_a_pattern_must_be_those_of_the_card(dataset, pattern):
  pattern = pattern.format(dataset)
  dataset_card.check_files(_data(pattern))
  dataset_card.check_files(_data([pattern]))
  path = dataset / TRAIN[1]
  content = path.read_bytes()
  path.write_bytes(content[:-1])
  start = f"{path} must have {len(content)} "
  assert _refused(pattern).startswith(start)
  assert _refused(str(path)).startswith(start)
  path.unlink()
  assert _refused(pattern).endswith(f"{str(dataset)!r} without {TRAIN[1]}")


def test_unlisted_file_is_noticed(dataset):
  (dataset / "train-00003-of-00003.tfrecord.tmp").write_bytes(b"")
  message = _refused(f"{dataset}/train-*")
  assert message.endswith("/train-00003-of-00003.tfrecord.tmp, which is not")


def test_card_must_agree_with_itself(dataset):
  card = dataset_card.read_card(_data(f"{dataset}/train-*"))
  card["train"]["records"] += 1
  dataset_testing.write_card(dataset, card)
  assert _refused(f"{dataset}/{TRAIN[0]}").startswith("train.records in ")


@pytest.mark.parametrize(
  "paths",
  ["{0}/train-00000*", "{0}/{1}", "{0}/{1},{0}/{2}", ["{0}/{2}", "{0}/{1}"]],
)
def test_part_of_a_dataset_may_be_named(dataset, paths):
  """What was not named may even be elsewhere."""
  (dataset / TRAIN[1]).unlink()
  names = dataset, TRAIN[0], TRAIN[2]
  dataset_card.check_files(_data(_formatted(paths, *names)))


def test_every_folder_is_compared(dataset, tmp_path_factory):
  other = tmp_path_factory.mktemp("other")
  shutil.copytree(dataset, other, dirs_exist_ok=True)
  (other / TRAIN[2]).unlink()
  message = _refused(f"{dataset}/train-*,{other}/train-*")
  assert message.endswith(f"{str(other)!r} without {TRAIN[2]}")


@pytest.mark.parametrize("card", [CARD, {"format_version": 1}])
def test_card_without_counts_is_left_alone(dataset, card):
  dataset_testing.write_card(dataset, card)
  (dataset / TRAIN[0]).write_bytes(b"")
  dataset_card.check_files(_data(f"{dataset}/train-*"))


def test_to_skip_bad_records_a_complaint_is_a_warning(dataset, capsys):
  (dataset / TRAIN[1]).unlink()
  data = pretrain_data.PretrainDataConfig(
    input_path=f"{dataset}/train-*", on_bad_records="skip"
  )
  dataset_card.check_files(data)
  warning = capsys.readouterr().err
  assert warning.startswith("warning: every file that dataset.json lists must ")
  assert warning.endswith(f"{str(dataset)!r} without {TRAIN[1]}\n")
