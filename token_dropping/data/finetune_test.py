# SPDX-License-Identifier: Apache-2.0
"""Tests for finetune."""

import json

import pytest
import tensorflow_datasets as tfds
from absl import flags

from tests import finetune_testing
from token_dropping.common import errors
from token_dropping.data import finetune
from token_dropping.data import records
from token_dropping.data.finetuning import finetune_folder
from token_dropping.data.finetuning import finetune_tokenizer
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


def test_a_pretraining_run_gives_the_tokenizer(run, tmp_path):
  model = tmp_path / "model"
  model.mkdir()
  finetune_testing.write_vocabulary(model)
  config = tokenizer_config.TokenizerConfig(do_lower_case=False)
  config.write(str(model))
  card = run(**_table(tmp_path, vocab_file="", pretrained=model))
  assert card["tokenizer"]["do_lower_case"] is False
  found = list(
    records.read_records(str(tmp_path / "out" / "validation.tfrecord"))
  )
  expected = finetune_testing.ids("[CLS] [UNK] [UNK] . [SEP]")
  assert found[1]["input_ids"][:5].tolist() == expected
  again = finetune_tokenizer.TokenizerFiles._from_run(str(tmp_path / "out"))
  assert (again.vocab, again.config) == (finetune_testing.VOCAB, config)


def test_a_second_run_finds_the_data(run, tmp_path, capsys):
  card = run(**_table(tmp_path))
  path = tmp_path / "out" / "train.tfrecord"
  time = path.stat().st_mtime_ns
  assert run(**_table(tmp_path)) == card
  assert "ready, made earlier" in capsys.readouterr().out
  assert path.stat().st_mtime_ns == time


@pytest.mark.parametrize("change", ["seed", "input", "vocabulary"])
def test_other_settings_make_other_data(run, tmp_path, change):
  card = run(**_table(tmp_path))
  values = {"seed": 2} if change == "seed" else {}
  if change == "input":
    ROWS_AND_ONE = [*ROWS, "on the mat\tbad"]
    finetune_testing.write_lines(tmp_path / "b.tsv", *ROWS_AND_ONE)
    values = {"train_file": tmp_path / "b.tsv"}
  if change == "vocabulary":
    text = (tmp_path / "vocab.txt").read_text()
    (tmp_path / "vocab.txt").write_text(f"{text}bird\n")
  assert run(**_table(tmp_path, **values)) != card


def test_the_same_settings_give_the_same_bytes(run, tmp_path):
  card = run(**_table(tmp_path))
  again = run(**_table(tmp_path, output_dir=tmp_path / "again"))
  assert again == card


def test_a_failure_leaves_nothing(run, tmp_path):
  with pytest.raises(errors.UserError, match="must be one of 'x, y'"):
    run(**_table(tmp_path, labels="x,y"))
  assert not (tmp_path / "out").exists()
  assert not list(tmp_path.glob("*.tmp"))


def test_files_of_others_are_left_alone(run, tmp_path):
  (tmp_path / "out").mkdir()
  (tmp_path / "out" / "mine").write_text("")
  with pytest.raises(errors.UserError, match="did not make. .* with mine"):
    run(**_table(tmp_path))


@pytest.mark.parametrize("missing", ["vocab.txt", "tokenizer_config.json"])
def test_an_incomplete_pretraining_run(run, tmp_path, missing):
  model = tmp_path / "model"
  model.mkdir()
  finetune_testing.write_vocabulary(model)
  tokenizer_config.TokenizerConfig().write(str(model))
  (model / missing).unlink()
  with pytest.raises(errors.UserError, match=f"without {missing}"):
    run(**_table(tmp_path, vocab_file="", pretrained=model))


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


def test_the_card_is_json(run, tmp_path):
  card = run(**_table(tmp_path))
  text = (tmp_path / "out" / "finetune.json").read_text()
  assert json.loads(text) == card
