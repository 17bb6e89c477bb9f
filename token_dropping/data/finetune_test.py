# SPDX-License-Identifier: Apache-2.0
"""The command that prepares fine-tuning data, as a whole."""

import os

import pytest
import tensorflow_datasets as tfds
from absl import flags

from tests import finetune_testing
from token_dropping.common import errors
from token_dropping.data import finetune
from token_dropping.data import records
from token_dropping.data.finetuning import finetune_folder
from token_dropping.data.text import tokenizer_config

ROWS = ["text\tlabel", "the cat\tgood", "A DOG.\tbad"]


@pytest.fixture
def run(tmp_path):
  """Calls the command with a vocabulary and an output folder."""
  vocab_file = finetune_testing.write_vocabulary(tmp_path)

  def prepare(**values):
    given = {"vocab_file": vocab_file, "output_dir": tmp_path / "out"} | values
    defined = flags.FlagValues()
    finetune.define_flags(defined)
    defined(["finetune", *(f"--{k}={v}" for k, v in given.items() if v != "")])
    return finetune.prepare(finetune.settings_from_flags(defined))

  return prepare


def _table(tmp_path, **values):
  file = finetune_testing.write_lines(tmp_path / "a.tsv", *ROWS)
  files = {"train_file": file, "validation_file": file}
  return {"task": "classification"} | files | values


def test_a_table(run, tmp_path):
  card = run(**_table(tmp_path))
  out = tmp_path / "out"
  assert finetune_folder.read_card(str(out)) == card
  assert sorted(card["files"]) == [
    *("tokenizer_config.json", "train.tfrecord"),
    *("validation.tfrecord", "vocab.txt"),
  ]
  assert card["kind"] == "classification"
  assert (card["labels"], card["num_classes"]) == (["bad", "good"], 2)
  assert card["metrics"] == ["accuracy"]
  assert card["splits"]["validation"]["records"] == 2
  found = list(records.read_records(str(out / "validation.tfrecord")))
  assert [record["label_ids"].tolist() for record in found] == [[1], [0]]
  expected = finetune_testing.ids("[CLS] [UNK] dog . [SEP]")
  assert found[1]["input_ids"][:5].tolist() == expected
  assert len(found[1]["input_ids"]) == card["seq_length"] == 128


def test_glue_keeps_what_a_submission_needs(run, tmp_path):
  header = "index\tsentence1\tsentence2"
  folder = finetune_testing.write_glue(
    tmp_path / "rte",
    {
      "train.tsv": [f"{header}\tlabel", "0\tthe\tcat\tentailment"],
      "dev.tsv": [f"{header}\tlabel", "0\tthe\tcat\tnot_entailment"],
      "test.tsv": [header, "5\tthe\tdog"],
    },
  )
  card = run(task="rte", input_dir=folder)
  assert card["submissions"] == {"test": "RTE.tsv"}
  assert card["submission_labels"] == ["entailment", "not_entailment"]
  assert not card["splits"]["test"]["labelled"]
  path = str(tmp_path / "out" / "test.tfrecord")
  (record,) = records.read_records(path)
  assert record["example_id"].tolist() == [5]


@pytest.mark.parametrize("name", ["glue/stsb", "glue/mnli"])
def test_tensorflow_datasets(run, name):
  with tfds.testing.mock_data(num_examples=4):
    card = run(tfds_name=name)
  assert card["settings"]["input"] == [{"name": f"{name}/2.0.0"}]
  assert all(split["records"] == 4 for split in card["splits"].values())
  if name == "glue/stsb":
    assert card["kind"] == "regression"
    assert (card["num_classes"], card["label_range"]) == (1, [0.0, 5.0])


@pytest.mark.parametrize("name", ["squad/v1.1", "squad/v2.0"])
def test_squad_of_tensorflow_datasets(run, name):
  def rows(self, **options):
    data = finetune_testing.mock_squad(self)
    if name == "squad/v2.0":
      return data
    return data.map(
      lambda row: {k: v for k, v in row.items() if k != "is_impossible"}
    )

  with tfds.testing.mock_data(as_dataset_fn=rows):
    card = run(tfds_name=name)
  assert card["kind"] == "span"
  assert card["version_2_with_negative"] == (name == "squad/v2.0")
  assert card["splits"]["train"]["impossible"] == (name == "squad/v2.0")
  assert card["seq_length"] == 384
  assert {"validation.json", "validation.spans.json"} < set(card["files"])


@pytest.fixture
def model(tmp_path):
  """A folder with the tokenizer of a pretraining run that keeps case."""
  folder = tmp_path / "model"
  folder.mkdir()
  finetune_testing.write_vocabulary(folder)
  tokenizer_config.TokenizerConfig(do_lower_case=False).write(str(folder))
  return folder


def test_a_pretraining_run_gives_the_tokenizer(run, tmp_path, model):
  card = run(**_table(tmp_path, vocab_file="", pretrained=model))
  assert card["tokenizer"]["do_lower_case"] is False
  out = tmp_path / "out"
  _, second = records.read_records(str(out / "validation.tfrecord"))
  expected = finetune_testing.ids("[CLS] [UNK] [UNK] . [SEP]")
  assert second["input_ids"][:5].tolist() == expected
  for name in ("vocab.txt", "tokenizer_config.json"):  # readable without it
    assert (out / name).read_bytes() == (model / name).read_bytes()


@pytest.mark.parametrize("missing", ["vocab.txt", "tokenizer_config.json"])
def test_an_incomplete_pretraining_run(run, tmp_path, model, missing):
  (model / missing).unlink()
  with pytest.raises(errors.UserError, match=f"without {missing}"):
    run(**_table(tmp_path, vocab_file="", pretrained=model))


def test_a_second_run_finds_the_data(run, tmp_path, capsys):
  card = run(**_table(tmp_path))
  path = tmp_path / "out" / "train.tfrecord"
  time = path.stat().st_mtime_ns
  assert run(**_table(tmp_path)) == card
  assert "ready, made earlier" in capsys.readouterr().out
  assert path.stat().st_mtime_ns == time


def test_settings_input_and_vocabulary_decide_about_the_data(run, tmp_path):
  longer = finetune_testing.write_lines(tmp_path / "b.tsv", *ROWS, "on\tbad")
  changes = [{}, {"seed": 2}, {"train_file": longer}]
  cards = [run(**_table(tmp_path, **change)) for change in changes]
  with open(tmp_path / "vocab.txt", "a") as file:
    file.write("bird\n")
  cards.append(run(**_table(tmp_path)))
  assert all(cards.count(card) == 1 for card in cards)


def test_the_same_settings_give_the_same_bytes(run, tmp_path):
  card = run(**_table(tmp_path))  # with the sum of every file
  assert run(**_table(tmp_path, output_dir=tmp_path / "again")) == card


def test_a_failure_leaves_what_was_there(run, tmp_path):
  with pytest.raises(errors.UserError, match="must be one of 'x, y'"):
    run(**_table(tmp_path, labels="x,y"))
  assert sorted(os.listdir(tmp_path)) == ["a.tsv", "vocab.txt"]
  card = run(**_table(tmp_path))
  with pytest.raises(errors.UserError):
    run(**_table(tmp_path, labels="x,y"))
  assert finetune_folder.read_card(str(tmp_path / "out")) == card
  assert len(os.listdir(tmp_path)) == 3


def test_files_of_others_are_left_alone(run, tmp_path):
  (tmp_path / "out").mkdir()
  (tmp_path / "out" / "mine").write_text("")
  with pytest.raises(errors.UserError, match="did not make. .* with mine"):
    run(**_table(tmp_path))


def test_summary(run, tmp_path):
  card = run(**_table(tmp_path))
  assert finetune.summary(card, "data") == (
    "classification: data\n"
    "classification: bad, good\n"
    "metrics: accuracy\n"
    "train: 2 examples, 2 records\n"
    "validation: 2 examples, 2 records"
  )


def test_the_command_takes_flags_only():
  with pytest.raises(errors.UserError, match="flags only. Received: 'x'"):
    finetune.main(["finetune", "x"])
