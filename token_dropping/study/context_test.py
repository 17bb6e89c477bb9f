# SPDX-License-Identifier: Apache-2.0
"""Tests of the measures of context on a run of random weights."""

import json

import numpy as np
import pytest

from tests import run_testing
from tests import testing
from token_dropping.study import context
from token_dropping.study import context_losses
from token_dropping.training import trained_run

S = testing.SEQ_LENGTH
CLS, SEP, MASK = 2, 3, 4


def _record(seed: int, length: int) -> dict:
  """Returns `[CLS] tokens [SEP]`, two of them masked, and padding."""
  record = testing.random_features(seed)
  ids = record["input_word_ids"]
  places = [3, length - 4, 0]
  record["masked_lm_positions"] = places
  record["masked_lm_ids"] = [*ids[places[:2]], 0]
  ids[places[:2]] = MASK
  ids[0], ids[length - 1], ids[length:] = CLS, SEP, 0
  record["input_mask"] = (np.arange(S) < length).astype(int)
  return record


@pytest.fixture(scope="module")
def run(tmp_path_factory):
  """The folder of a run, beside whose records nothing lies."""
  folder = tmp_path_factory.mktemp("context")
  run_testing.make_run(folder / "run")
  records = [_record(seed, S) for seed in range(3)]
  path = testing.write_records(folder / "records", records)
  place = ("task", "validation_data", "input_path")
  run_testing.edit(folder / "run", *place, value=path)
  return folder / "run"


@pytest.fixture(scope="module")
def network(run):
  found = trained_run.TrainedRun.read(str(run))
  return context_losses.Network(found, attends_within=False)


def _batch(length: int) -> dict:
  records = [_record(seed, length) for seed in range(2)]
  batch = {name: np.stack([r[name] for r in records]) for name in records[0]}
  return {
    name: values.astype(np.float32 if "weights" in name else np.int32)
    for name, values in batch.items()
  }


def _losses(network, ids, positions, labels) -> np.ndarray:
  ids = np.array([ids], np.int32)
  inputs = {
    "input_word_ids": ids,
    "input_mask": np.ones_like(ids),
    "input_type_ids": np.zeros_like(ids),
    "masked_lm_positions": np.array([positions], np.int32),
  }
  return network.predict(inputs, np.array([labels], np.int32))[0, 0]


def test_losses_are_those_of_windows_made_by_hand(network):
  batch = _batch(S)
  _, short, _, whole, _ = context_losses.of_batch(network, batch, [10, S], 5)
  for row in range(2):
    ids, labels = batch["input_word_ids"][row], batch["masked_lm_ids"][row, :2]
    np.testing.assert_allclose(
      whole[2 * row : 2 * row + 2],
      _losses(network, ids, [3, S - 4], labels),
      rtol=1e-5,
    )
    for slot, window, place in (
      (0, [*ids[:9], SEP], 3),
      (1, [CLS, *ids[-9:]], 6),
    ):
      np.testing.assert_allclose(
        short[2 * row + slot],
        _losses(network, window, [place], labels[slot : slot + 1])[0],
        rtol=1e-5,
      )


def test_a_record_that_fits_into_a_window_has_one_loss(network):
  found = context_losses.of_batch(network, _batch(9), [10, S], 5)
  assert found.shape == (5, 4)
  np.testing.assert_allclose(found[1:3], found[3:], rtol=1e-5)


def _launch(run, **values) -> None:
  defaults = {"model_dir": str(run), "contexts": "8", "distance": 5}
  testing.run_command(context, **(defaults | values))


def test_results_are_shown_and_written(run, tmp_path, capsys):
  path = tmp_path / "context.json"
  _launch(run, output=str(path), sequences=2)
  found = json.loads(path.read_text())
  lines = capsys.readouterr().out.splitlines()
  assert [row["context"] for row in found["contexts"]] == [8, S]
  assert (found["sequences"], found["tokens"]) == (2, 4)
  shown = f"{found['contexts'][1]['loss']:.3f}"
  assert lines[2].split()[:2] == [str(S), shown]
  assert lines[3].startswith("4 masked tokens of 2 sequences; far: ")


@pytest.mark.parametrize(
  ("values", "message"),
  [
    (
      {"contexts": "8,16"},
      "--contexts must be lengths in [8, 16), of windows shorter than "
      "task.validation_data.seq_length of the run. Received: 8,16",
    ),
    ({"contexts": "x"}, "--contexts must be lengths in [8, 16), of "),
    ({"distance": 16}, "--distance must be in [1, 16). Received: 16"),
    ({"sequences": 0}, "--sequences must be in [1, 10000000). Received: 0"),
    ({"output": "/nowhere/x"}, "--output must be a file in an existing "),
    (
      {"input_path": "/nowhere/records"},
      "task.validation_data.input_path must match TFRecord files that can be ",
    ),
    (
      {"input_path": "dummy"},
      "--input_path or task.validation_data.input_path of the run must name "
      "records. Received: 'dummy'",
    ),
  ],
)
def test_refusals(run, values, message):
  assert testing.refused(_launch, run, **values).startswith(message)


def test_a_bad_record_is_one_line(run, tmp_path, monkeypatch):
  monkeypatch.setattr(context.bad_records, "check_first_records", lambda _: 0)
  monkeypatch.chdir(tmp_path)
  found = trained_run.TrainedRun.read(str(run))
  record = _record(0, S)
  record["input_word_ids"][5] = testing.VOCAB_SIZE
  path = testing.write_records("records", [record])
  data = context.validation_data(found, path)
  assert testing.refused(list, context.batches(found, data, 1)) == (
    "task.validation_data.input_path must be readable records. Received: "
    "'records' (input_word_ids must be in [0, vocab_size) (50); is the "
    "encoder's vocab_size that of the records? Received: 50)"
  )


def test_documents_are_kept_apart_as_in_the_run(network, monkeypatch):
  """Where `[SEP]` stands in the middle, halves have the losses of records."""
  ids = _batch(S)["input_word_ids"][:1]
  half = S // 2
  ids[0, half - 1] = SEP
  monkeypatch.setattr(network, "_attends_within", True)
  assert network.documents(ids).tolist() == [[0] * half + [1] * half]
  first = _losses(network, ids[0, :half], [3], [7])
  np.testing.assert_allclose(_losses(network, ids[0], [3], [7]), first, 1e-5)
