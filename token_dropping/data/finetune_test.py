# SPDX-License-Identifier: Apache-2.0
"""The command that prepares fine-tuning data, as a whole."""

import os

import numpy as np
import pytest
import tensorflow_datasets as tfds
from absl import flags
from official.nlp.data import sentence_prediction_dataloader

from tests import finetune_testing
from tests import testing
from token_dropping.data import finetune
from token_dropping.data import records
from token_dropping.data import settings_flags
from token_dropping.data.finetuning import finetune_folder
from token_dropping.data.finetuning import finetune_settings
from token_dropping.data.finetuning import sentence_sources
from token_dropping.data.finetuning.sentence_sources import Example
from token_dropping.data.text import tokenizer_config

_ids = finetune_testing.ids
V1 = {"is_impossible": False}
ROWS = ["text\tlabel", "the cat\tgood", "A DOG.\tbad"]


@pytest.fixture
def run(tmp_path):
  """Calls the command with a vocabulary and an output folder."""
  vocab_file = finetune_testing.write_vocabulary(tmp_path)

  def prepare(**values):
    given = {"vocab_file": vocab_file, "output_dir": tmp_path / "out"} | values
    choices = finetune_settings.CHOICES
    defined = flags.FlagValues()
    settings_flags.define(finetune_settings.FinetuneSettings, choices, defined)
    defined(["finetune", *(f"--{k}={v}" for k, v in given.items() if v != "")])
    settings = settings_flags.read(finetune_settings.FinetuneSettings, defined)
    return finetune.prepare(settings)

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
  assert (card["labels"], card["num_classes"]) == (["bad", "good"], 2)
  found = list(records.read_records(str(out / "validation.tfrecord")))
  assert [record["label_ids"].tolist() for record in found] == [[1], [0]]
  expected = _ids("[CLS] [UNK] dog . [SEP]")
  assert found[1]["input_ids"][:5].tolist() == expected
  assert len(found[1]["input_ids"]) == card["seq_length"] == 128
  assert finetune.summary(card, "data") == (
    "classification: data\n"
    "classification: bad, good\n"
    "metrics: accuracy\n"
    "train: 2 examples, 2 records\n"
    "validation: 2 examples, 2 records"
  )


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
  (record,) = records.read_records(str(tmp_path / "out" / "test.tfrecord"))
  assert record["example_id"].tolist() == [5]


def test_tensorflow_datasets(run):
  with tfds.testing.mock_data(num_examples=4):
    card = run(tfds_name="glue/stsb")
  assert card["settings"]["input"] == [{"name": "glue/stsb/2.0.0"}]
  assert [split["records"] for split in card["splits"].values()] == [4] * 3
  assert card["kind"] == "regression"
  assert (card["num_classes"], card["label_range"]) == (1, [0.0, 5.0])


@pytest.mark.parametrize("name", ["squad/v1.1", "squad/v2.0"])
def test_squad_of_tensorflow_datasets(run, name):
  is_v2 = name == "squad/v2.0"

  def rows(self, **options):
    data = finetune_testing.mock_squad(self)
    return data.map(lambda row: row | ({} if is_v2 else V1))

  with tfds.testing.mock_data(as_dataset_fn=rows):
    card = run(tfds_name=name)
  assert (card["kind"], card["seq_length"]) == ("span", 384)
  assert card["version_2_with_negative"] == is_v2
  assert card["splits"]["train"]["impossible"] == is_v2
  assert {"validation.json", "validation.spans.json"} < set(card["files"])


def test_a_pretraining_run_gives_the_tokenizer(run, tmp_path):
  model, out = tmp_path / "model", tmp_path / "out"
  model.mkdir()
  finetune_testing.write_vocabulary(model)
  tokenizer_config.TokenizerConfig(do_lower_case=False).write(str(model))
  settings = _table(tmp_path, vocab_file="", pretrained=model)
  card = run(**settings)
  assert card["tokenizer"]["do_lower_case"] is False
  _, second = records.read_records(str(out / "validation.tfrecord"))
  expected = _ids("[CLS] [UNK] [UNK] . [SEP]")
  assert second["input_ids"][:5].tolist() == expected
  for name in ("vocab.txt", "tokenizer_config.json"):  # readable without it
    assert (out / name).read_bytes() == (model / name).read_bytes()
  for missing in ("tokenizer_config.json", "vocab.txt"):
    (model / missing).unlink()
    assert testing.refused(run, **settings).endswith(f"without {missing}")


def test_a_second_run_finds_the_data(run, tmp_path, capsys):
  card = run(**_table(tmp_path))
  path = tmp_path / "out" / "train.tfrecord"
  time = path.stat().st_mtime_ns
  assert run(**_table(tmp_path)) == card
  assert "ready, made earlier" in capsys.readouterr().out
  assert path.stat().st_mtime_ns == time
  # The same settings give the same bytes: the card has the sum of every file.
  assert run(**_table(tmp_path, output_dir=tmp_path / "again")) == card


def test_settings_input_and_vocabulary_decide_about_the_data(run, tmp_path):
  longer = finetune_testing.write_lines(tmp_path / "b.tsv", *ROWS, "on\tbad")
  changes = [{}, {"seed": 2}, {"train_file": longer}]
  cards = [run(**_table(tmp_path, **change)) for change in changes]
  with open(tmp_path / "vocab.txt", "a") as file:
    file.write("bird\n")
  cards.append(run(**_table(tmp_path)))
  assert all(cards.count(card) == 1 for card in cards)


def test_a_failure_leaves_what_was_there(run, tmp_path):
  bad = _table(tmp_path, labels="x,y")
  assert "must be one of 'x, y'" in testing.refused(run, **bad)
  assert sorted(os.listdir(tmp_path)) == ["a.tsv", "vocab.txt"]
  card = run(**_table(tmp_path))
  testing.refused(run, **bad)
  assert finetune_folder.read_card(str(tmp_path / "out")) == card
  assert len(os.listdir(tmp_path)) == 3
  (tmp_path / "out" / "mine").write_text("")
  message = testing.refused(run, **_table(tmp_path, seed=2))
  assert "did not make. " in message and message.endswith(" with mine")


def test_the_command_takes_flags_only():
  message = testing.refused(finetune.main, ["finetune", "x"])
  assert message.startswith("arguments must be flags")


# Records of sentences.


EXAMPLES = [
  Example(("The cat sat.", "dogs"), 1, 7),
  Example(("the the the the", "ran on the mat"), 0, 8),
]


def _write(path, examples, regression=False, rng=None):
  split = sentence_sources.Split(examples, labelled=True, short_rows=3)
  tokenizer = finetune_testing.tokenizer()
  return finetune.write_sentences(
    str(path), split, tokenizer, 9, regression, rng
  )


def test_records_by_hand(tmp_path):
  assert _write(tmp_path / "a", EXAMPLES) == {
    "examples": 2,
    "records": 2,
    "labelled": True,
    "truncated": 1,
    "short_rows": 3,
  }
  first, second = finetune_testing.read(tmp_path / "a")
  assert first == {
    "input_ids": _ids("[CLS] the cat sat . [SEP] dog ##s [SEP]"),
    "input_mask": [1] * 9,
    "segment_ids": [0] * 6 + [1] * 3,
    "label_ids": [1],
    "example_id": [7],
  }
  expected = "[CLS] the the the [SEP] ran on the [SEP]"
  assert second["input_ids"] == _ids(expected)
  # One text, and padding.
  _write(tmp_path / "a", [Example(("Cat?",), 0, 0)])
  (record,) = finetune_testing.read(tmp_path / "a")
  assert record["input_ids"] == _ids("[CLS] cat ? [SEP]") + [0] * 5
  assert record["input_mask"] == [1] * 4 + [0] * 5
  assert record["segment_ids"] == [0] * 9


@pytest.mark.parametrize(("words", "truncated"), [(7, 0), (8, 1)])
def test_what_just_fits_is_not_truncated(tmp_path, words, truncated):
  example = Example((" ".join(["the"] * words),), 0, 0)
  assert _write(tmp_path / "a", [example])["truncated"] == truncated


@pytest.mark.parametrize(
  ("labels", "label_type"), [([1, 0], "int"), ([1.5, 3.0], "float")]
)
def test_model_garden_reads_the_records(tmp_path, labels, label_type):
  examples = [Example(("the",), label, 7) for label in labels]
  _write(tmp_path / "a", examples, regression=label_type == "float")
  config = sentence_prediction_dataloader.SentencePredictionDataConfig(
    input_path=str(tmp_path / "a"),
    global_batch_size=2,
    is_training=False,
    seq_length=9,
    include_example_id=True,
    label_type=label_type,
  )
  loader = sentence_prediction_dataloader.SentencePredictionDataLoader(config)
  batch = next(iter(loader.load()))
  assert sorted(batch) == [
    *("example_id", "input_mask", "input_type_ids"),
    *("input_word_ids", "label_ids"),
  ]
  assert batch["label_ids"].numpy().tolist() == labels
  assert batch["example_id"].numpy().tolist() == [7, 7]


def test_shuffling_changes_the_order_only(tmp_path):
  examples = [Example(("the",), 0, i) for i in range(50)]
  _write(tmp_path / "a", examples)
  _write(tmp_path / "b", examples, rng=np.random.default_rng(0))
  orders = [
    [r["example_id"][0] for r in finetune_testing.read(tmp_path / n)]
    for n in "ab"
  ]
  assert orders[0] == list(range(50)) == sorted(orders[1])
  assert orders[1] != orders[0]
