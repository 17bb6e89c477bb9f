# SPDX-License-Identifier: Apache-2.0
"""Runs of several types of importance go on as they were."""

import numpy as np
import pytest
import tensorflow as tf

from tests import fault_testing
from tests import replica_testing
from tests import testing

# In two stages, so that scores are asked for twice.
STAGES = [{"layer": 0, "keep_ratio": 0.75}, {"layer": 1, "keep_ratio": 0.5}]


def _write(folder, kind: str, steps: int = 2, **fields) -> None:
  """Writes a short run without evaluation."""
  encoder = {"importance": {"type": kind} | fields, "stages": STAGES}
  rate = {"learning_rate": {"polynomial": {"decay_steps": 100}}}
  fault_testing.write_run(
    folder,
    task={"model": {"encoder": {"any": encoder}}},
    trainer={
      "train_steps": steps,
      "checkpoint_interval": 2,
      "best_checkpoint_export_subdir": "",
      "optimizer_config": rate,
    },
  )


def _train(folder, model_dir) -> dict[str, np.ndarray]:
  fault_testing.launch(folder, model_dir, mode="train")
  return fault_testing.variables(tf.train.latest_checkpoint(str(model_dir)))


@pytest.mark.parametrize(
  "kind", ["random", pytest.param("mlm_loss_noise", marks=pytest.mark.slow)]
)
@testing.eagerly()
def test_random_scores_go_on_as_they_were(tmp_path, kind):
  _write(tmp_path, kind, steps=4)
  whole = _train(tmp_path, tmp_path / "whole")
  testing.copy_as_it_was(tmp_path / "whole", 2, tmp_path / "parts")
  fault_testing.assert_same(whole, _train(tmp_path, tmp_path / "parts"))


@testing.eagerly()
def test_another_type_may_begin_from_a_checkpoint(tmp_path):
  _write(tmp_path, "mlm_loss")
  found = _train(tmp_path, tmp_path / "run")
  frequency = {"importance": {"type": "frequency"}}
  task = {
    "init_checkpoint": str(tmp_path / "run"),
    "model": {"encoder": {"any": frequency}},
  }
  run = replica_testing.Run(tf.distribute.get_strategy(), {"task": task})
  run.task.initialize(run.model)
  encoder = run.model.encoder_network
  assert not encoder.importance_scorer.counts.numpy().any()
  kernel = "encoder/_pooler_layer/kernel/.ATTRIBUTES/VARIABLE_VALUE"
  np.testing.assert_array_equal(encoder.pooler_layer.kernel, found[kernel])


def test_replicas_count_alike():
  frequency = {"type": "frequency"}
  changes = {"task": {"model": {"encoder": {"any": {"importance": frequency}}}}}
  records = replica_testing.make_records(24, padding_every=8)
  run = replica_testing.Run(testing.mirrored(2), changes)
  run.train(records)
  expected = np.bincount(
    records["masked_lm_ids"].ravel(),
    records["masked_lm_weights"].ravel(),
    testing.VOCAB_SIZE,
  )
  np.testing.assert_array_equal(run.tables(), [expected] * 2)


# What is refused.


def _refused(folder, kind: str, path: str) -> str:
  _write(folder, kind, table_file=path)
  refused = testing.refused(_train, folder, folder / "run")
  assert not (folder / "run").exists()
  path, _, message = refused.partition(": ")
  assert path == "task.model.encoder.any"
  return message


@pytest.mark.parametrize(
  ("kind", "size", "message"),
  [
    (
      *("mutual_information", testing.VOCAB_SIZE),
      "be of importance.type, pretrained_mlm. Received: PATH of kind mutual",
    ),
    (
      *("pretrained_mlm", 20),
      "be made with the vocabulary of the records. Received: PATH of 20 tokens",
    ),
    (
      *("pretrained_mlm", 90),
      "have at most vocab_size scores, 50. Received: PATH with 90",
    ),
  ],
)
def test_other_tables(tmp_path, kind, size, message):
  path = testing.write_importance_table(tmp_path / "table.npz", kind, size)
  assert _refused(tmp_path, "pretrained_mlm", path).startswith(
    f"importance.table_file must {message.replace('PATH', repr(path))}"
  )


@pytest.mark.parametrize(
  ("kind", "path"), [("mutual_information", ""), ("random", "table.npz")]
)
def test_table_that_is_missing_or_not_read(tmp_path, kind, path):
  assert _refused(tmp_path, kind, path) == (
    "importance.table_file must be set with importance.type pretrained_mlm "
    "and mutual_information, and with no other. "
    f"Received: {path!r} with {kind}"
  )
