# SPDX-License-Identifier: Apache-2.0
"""Every type of importance trains from YAML alone, and goes on as it was."""

import numpy as np
import pytest
import tensorflow as tf

from tests import fault_testing
from tests import replica_testing
from tests import testing
from token_dropping.common import errors
from token_dropping.common import vocabulary
from token_dropping.dropping.importance import importance_table
from token_dropping.dropping.importance import importance_types

BY_ID = ("mlm_loss", "frequency", "mlm_loss_random", "mlm_loss_noise")
LEARNT = {"frequency": "counts"} | dict.fromkeys(
  ("mlm_loss", "mlm_loss_random", "mlm_loss_noise"), "table"
)
# In two stages, so that scores are asked for twice.
STAGES = [{"layer": 0, "keep_ratio": 0.75}, {"layer": 1, "keep_ratio": 0.5}]


@pytest.fixture
def folder(tmp_path):
  fault_testing.write_run(tmp_path)
  return tmp_path


def _configure(folder, kind: str, steps: int, **fields) -> None:
  """Writes `tiny.yaml` of a short run without evaluation."""
  importance = {"type": kind} | fields
  if kind in importance_table.KINDS and not fields:
    importance["table_file"] = _write_table(folder / f"{kind}.json", kind)
  fault_testing.write_config(
    folder,
    task={
      "model": {
        "encoder": {"any": {"importance": importance, "stages": STAGES}}
      }
    },
    trainer={
      "train_steps": steps,
      "steps_per_loop": 2,
      "checkpoint_interval": 2,
      "best_checkpoint_export_subdir": "",
      "optimizer_config": {
        "learning_rate": {"polynomial": {"decay_steps": 100}}
      },
    },
  )


def _write_table(path, kind: str, size: int = testing.VOCAB_SIZE) -> str:
  words = [*vocabulary.SPECIAL_TOKENS, *(f"word{i}" for i in range(size - 5))]
  importance_table.ImportanceTable.of_seen(
    kind,
    vocabulary.Vocabulary(tuple(words)),
    np.linspace(0.0, 1.0, size),
    np.ones([size], int),
  ).write(str(path))
  return str(path)


def _train(folder, model_dir) -> dict[str, np.ndarray]:
  fault_testing.launch(folder, model_dir, mode="train")
  return fault_testing.variables(tf.train.latest_checkpoint(str(model_dir)))


@pytest.mark.parametrize("kind", importance_types.TYPES)
def test_type_trains_from_yaml(folder, capsys, kind):
  _configure(folder, kind, steps=2)
  weights = _train(folder, folder / "run")
  saved = {name for name in weights if name.startswith("importance/")}
  name = LEARNT.get(kind)
  expected = {f"importance/{name}/.ATTRIBUTES/VARIABLE_VALUE"} if name else ()
  assert saved == set(expected)
  out = capsys.readouterr().out.splitlines()
  ranked = [line for line in out if line.startswith("  most important")]
  has_table = kind in BY_ID or kind in importance_table.KINDS
  assert len(ranked) == has_table
  assert all("word" in line for line in ranked)
  assert "" not in out
  curves = fault_testing.curves(folder / "run" / "train")
  assert ("importance" in curves) == has_table


@pytest.mark.parametrize(
  "kind", ["random", pytest.param("mlm_loss_noise", marks=pytest.mark.slow)]
)
def test_random_scores_go_on_as_they_were(folder, kind):
  _configure(folder, kind, steps=4)
  whole = _train(folder, folder / "whole")
  _configure(folder, kind, steps=2)
  _train(folder, folder / "parts")
  _configure(folder, kind, steps=4)
  parts = _train(folder, folder / "parts")
  assert whole.keys() == parts.keys()
  for name, value in whole.items():
    assert value.tobytes() == parts[name].tobytes(), name


def test_a_run_of_another_type_is_refused(folder):
  _configure(folder, "mlm_loss", steps=2)
  _train(folder, folder / "run")
  _configure(folder, "hidden_norm", steps=4)
  with pytest.raises(errors.UserError) as caught:
    _train(folder, folder / "run")
  assert str(caught.value).endswith(
    "encoder.any.importance.type=mlm_loss. Received: hidden_norm"
  )


def test_another_type_may_begin_from_a_checkpoint(folder):
  _configure(folder, "mlm_loss", steps=2)
  _train(folder, folder / "run")
  run = replica_testing.Run(
    tf.distribute.get_strategy(),
    {
      "task": {
        "init_checkpoint": str(folder / "run"),
        "model": {"encoder": {"any": {"importance": {"type": "frequency"}}}},
      }
    },
  )
  run.task.initialize(run.model)
  encoder = run.model.encoder_network
  assert not encoder.importance_scorer.counts.numpy().any()
  found = fault_testing.variables(folder / "run" / "ckpt-2")
  kernel = "encoder/_pooler_layer/kernel/.ATTRIBUTES/VARIABLE_VALUE"
  np.testing.assert_array_equal(encoder.pooler_layer.kernel, found[kernel])


def test_replicas_count_alike():
  frequency = {"type": "frequency"}
  changes = {"task": {"model": {"encoder": {"any": {"importance": frequency}}}}}
  records = replica_testing.make_records(24, padding_every=8)
  tables = {}
  for replicas in (1, 2):
    run = replica_testing.Run(testing.mirrored(replicas), changes)
    run.train(replica_testing.distribute(run.strategy, records))
    tables[replicas] = run.tables()
    assert len(tables[replicas]) == replicas
  expected = np.bincount(
    records["masked_lm_ids"].ravel(),
    records["masked_lm_weights"].ravel(),
    testing.VOCAB_SIZE,
  )
  for table in [*tables[1], *tables[2]]:
    np.testing.assert_array_equal(table, expected)


# Tables that are refused.


def _refused(folder, kind: str, path: str) -> str:
  _configure(folder, kind, 2, table_file=path)
  with pytest.raises(errors.UserError) as caught:
    _train(folder, folder / "run")
  assert not (folder / "run").exists()
  path, _, message = str(caught.value).partition(": ")
  assert path == "task.model.encoder.any"
  return message


def test_table_of_another_kind(folder):
  path = _write_table(folder / "table.npz", "mutual_information")
  assert _refused(folder, "pretrained_mlm", path) == (
    "importance.table_file must be of importance.type, pretrained_mlm. "
    f"Received: {path!r} of kind mutual_information"
  )


def test_table_of_another_vocabulary(folder):
  path = _write_table(folder / "table.npz", "pretrained_mlm", size=20)
  message = _refused(folder, "pretrained_mlm", path)
  assert message.startswith(
    "importance.table_file must be made with the vocabulary of the records. "
    f"Received: {path!r} of 20 tokens, CRC-32 "
  )


def test_table_of_a_larger_vocabulary(folder):
  path = _write_table(folder / "table.npz", "pretrained_mlm", size=90)
  assert _refused(folder, "pretrained_mlm", path) == (
    "importance.table_file must have at most vocab_size scores, 50. "
    f"Received: {path!r} with 90"
  )


@pytest.mark.parametrize(
  ("kind", "path"), [("mutual_information", ""), ("random", "table.npz")]
)
def test_table_that_is_missing_or_not_read(folder, kind, path):
  assert _refused(folder, kind, path) == (
    "importance.table_file must be set with importance.type pretrained_mlm "
    "and mutual_information, and with no other. "
    f"Received: {path!r} with {kind}"
  )


def test_unknown_type(folder):
  message = _refused(folder, "loss", "")
  assert message == (
    "importance.type must be one of mlm_loss, frequency, random, "
    "mlm_loss_random, mlm_loss_noise, hidden_norm, pretrained_mlm, "
    "mutual_information. Received: 'loss'"
  )
