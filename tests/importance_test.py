# SPDX-License-Identifier: Apache-2.0
"""Tests of the command: tables from data and from models, and refusals."""

import functools

import numpy as np
import pytest

from tests import dataset_testing
from tests import finetune_testing
from tests import replica_testing
from tests import run_testing
from tests import testing
from token_dropping import importance as command
from token_dropping.common import vocabulary
from token_dropping.data import records
from token_dropping.dropping.importance import importance_table
from token_dropping.tasks.importance_tables import from_data
from token_dropping.tasks.masked_lm import losses as mlm_losses
from token_dropping.training import trained_run

V, TOKENS = testing.VOCAB_SIZE, testing.TOKENS
SETTINGS = {
  "seq_length": testing.SEQ_LENGTH,
  "max_predictions_per_seq": testing.PREDICTIONS,
  "masking_rate": 0.15,
}


_run = functools.partial(testing.run_command, command)
_refused = functools.partial(testing.refused, _run)


def _write_data(
  folder, tokens=TOKENS, make=testing.random_features, count=10, **fields
) -> str:
  """Writes a dataset of two training files; returns its path."""
  folder.mkdir()
  features = [make(seed) for seed in range(count)]
  shards = {f"train-{file}": features[file::2] for file in range(2)}
  shards["validation-0"] = [make(99)]
  fields = {"settings": SETTINGS} | fields
  dataset_testing.write_dataset(folder, tokens, shards, **fields)
  return str(folder)


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
  """A folder with `run`, a masked LM, and `data`, which fits it."""
  folder = tmp_path_factory.mktemp("importance")
  run_testing.make_run(folder / "run")
  _write_data(folder / "data")
  return folder


def _read(path) -> importance_table.ImportanceTable:
  return importance_table.ImportanceTable.read(str(path))


def _from_model(folder, output, *argv, **changes) -> list[str]:
  values = {"model": folder / "run", "data": folder / "data"} | changes
  named = [f"--{name}={value}" for name, value in values.items()]
  return ["from_model", *named, f"--output={output}", *argv]


# From a model.


def _losses(folder) -> tuple[np.ndarray, np.ndarray]:
  """Returns ids and losses of the predictions of the training records."""
  run = trained_run.TrainedRun.read(str(folder / "run"))
  model = run.build_masked_lm()
  batch = replica_testing.make_records(10)
  losses = mlm_losses.masked_lm_losses(batch, model(batch, training=False))
  used = batch["masked_lm_weights"] > 0
  return batch["masked_lm_ids"][used], losses.numpy()[used]


def test_table_of_a_model_holds_mean_losses(shared, tmp_path, capsys):
  path = tmp_path / "table.npz"
  _run(*_from_model(shared, path, "--batch_size=4"))
  table = _read(path)
  ids, losses = _losses(shared)
  assert capsys.readouterr().out.startswith(
    f"Wrote {path}: pretrained_mlm of 50 ids, {len(set(ids))} of them seen, 20 "
    "times.\n  most important   word"
  )
  counts = np.bincount(ids, minlength=V)
  np.testing.assert_array_equal(table.counts, counts)
  means = np.bincount(ids, losses, V)[counts > 0] / counts[counts > 0]
  np.testing.assert_allclose(table.scores[counts > 0], means, rtol=1e-4)
  assert np.isnan(table.scores[counts == 0]).all()
  assert table.kind == "pretrained_mlm"


@testing.eagerly()
def test_reading_may_end_early(shared, tmp_path):
  path = tmp_path / "table.npz"
  _run(*_from_model(shared, path, "--max_records=5", "--batch_size=3"))
  table = _read(path)
  assert table.counts.sum() == 5 * (testing.PREDICTIONS - 1)


@testing.eagerly()
def test_dynamic_records_are_masked_in_the_pipeline(shared, tmp_path):
  dynamic = {"make": testing.dynamic_features, "masking": "dynamic"}
  data = _write_data(tmp_path / "data", count=4, **dynamic)
  path = tmp_path / "table.npz"
  _run(*_from_model(shared, path, data=data))
  assert 4 <= _read(path).counts.sum() <= 4 * testing.PREDICTIONS


@pytest.mark.slow
@testing.eagerly()
def test_folder_of_hugging_face_gives_the_same_table(shared, tmp_path):
  exporting = pytest.importorskip("token_dropping.huggingface.exporting")
  exporting.export_run(str(shared / "run"), str(tmp_path / "hf"), "latest")
  for name, model in (("ours", shared / "run"), ("theirs", tmp_path / "hf")):
    _run(*_from_model(shared, tmp_path / f"{name}.npz", model=model))
  ours, theirs = (_read(tmp_path / f"{n}.npz") for n in ("ours", "theirs"))
  np.testing.assert_allclose(ours.scores, theirs.scores, rtol=1e-4)


UNFIT = [
  (
    {"tokens": [*TOKENS[:-1], "other"]},
    "--data must be made with the vocabulary of --model. Received: DATA with "
    "50 tokens, RUN with 50",
  ),
  (
    {"settings": SETTINGS | {"seq_length": 32}},
    "seq_length of --data must be at most max_position_embeddings of --model, "
    "16. Received: 32",
  ),
  (
    {"settings": {"seq_length": 16}},
    "settings of dataset.json must have max_predictions_per_seq. Received: "
    "DATA without it",
  ),
]


@pytest.mark.parametrize(("changes", "message"), UNFIT)
def test_data_that_do_not_fit_are_refused(shared, tmp_path, changes, message):
  data = _write_data(tmp_path / "data", **changes)
  refused = _refused(*_from_model(shared, tmp_path / "t.npz", data=data))
  message = message.replace("DATA", repr(data))
  assert refused == message.replace("RUN", repr(str(shared / "run")))


def test_folders_that_are_no_model_or_have_no_checkpoints(shared, tmp_path):
  argv = _from_model(shared, tmp_path / "t.npz", model=tmp_path, checkpoint=3)
  assert _refused(*argv) == (
    f"--model must hold params.yaml. Received: {str(tmp_path)!r} without it"
  )
  (tmp_path / "config.json").write_text("{}")  # of Hugging Face
  assert _refused(*argv) == (
    "--checkpoint must be unset for a folder of Hugging Face. Received: '3'"
  )


@pytest.mark.parametrize("name", ["from_model", "from_data"])
def test_causal_data_are_refused(shared, tmp_path, name):
  data = _write_data(tmp_path / "data", objective="causal_lm")
  argv = _from_model(shared, tmp_path / "t.npz", data=data)
  if name == "from_data":
    argv = ["from_data", f"--data={data}", f"--output={data}.npz"]
  assert _refused(*argv) == (
    "--data must name data of prepare --objective=masked_lm. "
    f"Received: {data!r}, made for causal_lm"
  )


# From data.


def test_table_of_documents(shared, tmp_path):
  path = tmp_path / "table.npz"
  _run("from_data", f"--data={shared / 'data'}", f"--output={path}")
  table = _read(path)
  counted = from_data.DocumentInformation(V)
  for seed in range(10):
    features = testing.random_features(seed)
    ids = np.array(features["input_word_ids"])
    # The last slot has no weight.
    ids[features["masked_lm_positions"][:-1]] = features["masked_lm_ids"][:-1]
    counted.add(ids)
  seen = counted.counts > 0
  np.testing.assert_array_equal(table.counts, counted.counts)
  np.testing.assert_allclose(table.scores[seen], counted.scores()[seen], 1e-6)
  assert table.kind == "mutual_information"
  words = vocabulary.Vocabulary.from_file(str(shared / "data" / "vocab.txt"))
  table.check_vocabulary(words, str(path))


def test_special_tokens_are_no_text(tmp_path):
  dynamic = {"make": testing.dynamic_features, "masking": "dynamic"}
  data = _write_data(tmp_path / "data", count=1, **dynamic)
  path = tmp_path / "table.npz"
  _run("from_data", f"--data={data}", f"--output={path}")
  table = _read(path)
  # Without [CLS], [SEP] and [PAD].
  assert table.counts.sum() == testing.SEQ_LENGTH - 3
  assert not table.counts[[0, 2, 3, 4]].any()


def test_table_of_labels(shared, tmp_path):
  data = finetune_testing.prepare_classes(tmp_path / "data", shared / "run")
  path = tmp_path / "table.json"
  _run("from_data", f"--data={data}", f"--output={path}")
  table = _read(path)
  counted = from_data.LabelInformation(V, 2)
  for record in records.read_records(f"{data}/train.tfrecord"):
    ids = record["input_ids"]
    counted.add(ids[ids > 4], record["label_ids"][0])
  seen = table.counts > 0
  np.testing.assert_array_equal(table.counts, counted.counts)
  np.testing.assert_allclose(table.scores[seen], counted.scores()[seen], 1e-6)
  # Words 0 to 4 are those of one label, 20 to 24 of the other.
  assert seen.sum() == 10 and (table.scores[seen] > 0.05).all()


def test_spans_are_refused(shared, tmp_path):
  data = finetune_testing.prepare_spans(tmp_path / "data", shared / "run")
  assert _refused("from_data", data=data, output=f"{data}.npz") == (
    "--data must be data of a classification to train on, or of "
    f"token_dropping.data.prepare. Received: {data!r} of squad_v2.0 (span)"
  )


@pytest.mark.parametrize(
  ("change", "message"),
  [
    (b"\xff no proto", "records must be TFRecords of tf.train.Example. "),
    (
      {"input_word_ids": [V]},
      "must have input_word_ids in [0, 50). Received: 50 in",
    ),
    (
      {"masked_lm_ids": [-1]},
      "must have masked_lm_ids in [0, 50). Received: -1 in",
    ),
    (
      {"masked_lm_positions": [16]},
      "must have masked_lm_positions in [0, 16). Received: 16",
    ),
  ],
)
def test_bad_records_are_named(tmp_path, change, message):
  def make(seed):
    good = testing.random_features(seed)
    if seed != 4:
      return good
    return change if isinstance(change, bytes) else good | change

  data = _write_data(tmp_path / "data", make=make)
  refused = _refused("from_data", f"--data={data}", f"--output={data}.npz")
  assert message in refused
  assert f"{data}/train-0, record 2" in refused


def test_damaged_data_are_refused(tmp_path):
  data = _write_data(tmp_path / "data")
  (tmp_path / "data" / "train-0").unlink()
  message = _refused("from_data", f"--data={data}", f"--output={data}.npz")
  assert message.startswith("every file that dataset.json lists must be in ")


# Flags.


COMMANDS = "arguments must be from_model or from_data, and flags (--name=value)"
REFUSED = [
  ("from_data", "--data must be set. Received: nothing"),
  ("from_model", "--model must be set. Received: nothing"),
  ("from_data --data=d", "--output must be set. Received: nothing"),
  (
    "from_data --data=d --output=t.npz --batch_size=3",
    "--batch_size must be unset for from_data. Received: 3",
  ),
  (
    "from_data --data=d --output=table",
    "--output must end in .npz or .json. Received: 'table'",
  ),
  ("make", f"{COMMANDS}. Received: make"),
  ("", f"{COMMANDS}. Received: nothing"),
]


@pytest.mark.parametrize(("argv", "message"), REFUSED)
def test_other_flags_are_refused(argv, message):
  assert _refused(*argv.split()) == message


def test_output_must_be_new(tmp_path):
  (path := tmp_path / "table.npz").touch()
  message = _refused("from_data", "--data=d", f"--output={path}")
  assert message == f"--output must not exist. Received: {str(path)!r}"
