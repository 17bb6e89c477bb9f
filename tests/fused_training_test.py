# SPDX-License-Identifier: Apache-2.0
"""Training steps with fused attention: the same bits, checkpoints and names."""

import json
import re

import numpy as np
import pytest
import tensorflow as tf

from tests import config_testing
from tests import modernbert_testing
from tests import replica_testing
from tests import testing
from token_dropping.models import fused_attention
from token_dropping.models import xla_calls
from token_dropping.training import attention
from token_dropping.training import trainer as trainer_lib

B, S, N, H = replica_testing.BATCH, testing.SEQ_LENGTH, 2, 24
READ, KEPT = 1 + testing.PREDICTIONS, S // 2
ENCODER = {
  "hidden_size": N * H,
  "num_layers": 4,
  "drop_layer": 1,
  "restore_layer": 3,
}
# Queries and keys of each layer.
LAYERS = [(S, S), (KEPT, S), (KEPT, KEPT), (READ, S)]


class _Run:
  """A network and its compiled step, in one type, fused or plain."""

  def __init__(self, dtype: str, fuses: int, tiny=None, **experiment):
    """`fuses` is in how many layers."""
    with replica_testing.precision(dtype) as runtime:
      task = {"model": {"encoder": {"any": ENCODER}}}
      changes = {"task": task, "runtime": runtime}
      self.run = replica_testing.Run(
        tf.distribute.get_strategy(),
        testing.merged(changes, tiny or {}),
        **experiment,
      )
    run = self.run
    if fuses:
      assert fused_attention.fuse(run.model) == fuses
    self.checkpoint = tf.train.Checkpoint(
      optimizer=run.optimizer, **run.model.checkpoint_items
    )

    @tf.function(jit_compile=True)
    def step(batch):
      return run.task.train_step(batch, run.model, run.optimizer, run.metrics)

    self.step = step

  def learnt(self) -> list[np.ndarray]:
    """Returns what one more step leads to."""
    logs = self.step(_batch())
    variables = self.run.optimizer.variables()
    return [*logs.values(), *variables, *self.run.learnt()]


def _batch(documents: bool = False) -> dict[str, tf.Tensor]:
  """Returns records of which every second one ends with padding."""
  records = replica_testing.make_records(B)
  records["input_mask"][::2, -3:] = 0
  if documents:
    records["document_ids"] = np.array([[0] * 5 + [1] * (S - 5)] * B, np.int32)
  return {name: tf.constant(array) for name, array in records.items()}


@pytest.mark.parametrize("documents", [False, True])
def test_each_layer_is_two_calls_on_a_gpu_and_writes_no_scores(documents):
  with xla_calls.as_on_gpu():
    step = _Run("bfloat16", fuses=len(LAYERS)).step
    read = step.experimental_get_compiler_ir(_batch(documents))
    text = read(stage="hlo")
  kind = "ScaleBiasSoftmax" if documents else "Softmax"
  _assert_calls(text, kind, LAYERS)


@pytest.mark.slow
@pytest.mark.parametrize("documents", [False, True])
def test_of_modernbert_global_layers_are_without_documents(documents):
  """The first and the last."""
  tiny = testing.merged(
    modernbert_testing.TINY,
    {"task": {"model": {"encoder": {"any": {"global_every": 3}}}}},
  )
  name = modernbert_testing.EXPERIMENT
  with xla_calls.as_on_gpu():
    step = _Run("bfloat16", 2, tiny, name=name).step
    read = step.experimental_get_compiler_ir(_batch(documents))
    text = read(stage="hlo")
  layers = [] if documents else [(S, S), (READ, S)]
  _assert_calls(text, "Softmax", layers)


def _assert_calls(text: str, kind: str, layers: list) -> None:
  """Looks for two calls a layer, of its queries and keys, and no scores."""
  calls = re.findall(r'custom_call_target="__cudnn\$fmha(\w+)"', text)
  pairs = [name for _ in layers for name in (kind, f"{kind}Backward")]
  assert sorted(calls) == sorted(pairs)
  shapes = []
  for found in re.findall(r"backend_config=(\{.*\})", text):
    config = json.loads(found)["cudnn_fmha_backend_config"]
    scores = config["intermediate_tensor_shape"]["dimensions"]
    shapes.append(tuple(map(int, scores)))
  expected = [(B, N, *layer) for layer in layers]
  assert sorted(shapes) == sorted(2 * expected)
  for shape in expected:
    assert f"[{','.join(map(str, shape))}]" not in text


def test_on_a_cpu_steps_and_checkpoints_are_those_of_plain(tmp_path):
  """In float32; in bfloat16 XLA may round a sum that ends in both, or not."""
  plain, fused = (_Run("float32", fuses) for fuses in (0, len(LAYERS)))
  _assert_same(fused.learnt(), plain.learnt())
  paths = [
    run.checkpoint.save(str(tmp_path / name))
    for run, name in ((plain, "plain"), (fused, "fused"))
  ]
  wanted, found = map(tf.train.list_variables, paths)
  assert found == wanted
  # Each goes on from the other's.
  fused.checkpoint.restore(paths[0]).assert_consumed()
  plain.checkpoint.restore(paths[1]).assert_consumed()
  _assert_same(fused.learnt(), plain.learnt())


def test_the_trainer_fuses_what_it_trains(monkeypatch):
  """In several steps of one call, whose batches have static shapes too."""
  fused, attend = [], fused_attention.attend

  def remember(plain, *operands):
    fused.append(tuple(operands[0].shape))
    return attend(plain, *operands)

  monkeypatch.setattr(attention, "is_fused", lambda *_: True)
  monkeypatch.setattr(fused_attention, "attend", remember)
  params = config_testing.changed(
    {
      "runtime.enable_xla": True,
      "trainer.steps_per_call": 2,
      f"{config_testing.RATE}.polynomial.decay_steps": 9,
    }
  )
  records = replica_testing.make_records(4)
  dataset = tf.data.Dataset.from_tensors(records).repeat()
  trainer = trainer_lib.make_trainer(
    params,
    tf.distribute.OneDeviceStrategy("/cpu:0"),
    mode="train",
    model_dir=None,
    train_dataset=dataset,
  )
  assert np.isfinite(trainer.train(tf.constant(2))["training_loss"])
  # All queries, those kept of two layers, of the last those that are read.
  layers = [(4, S // 2, 2, 4), (4, S // 2, 2, 4), (4, READ, 2, 4)]
  assert fused[: len(layers)] == layers  # a step is traced more than once


def _assert_same(found: list, wanted: list) -> None:
  for one, other in zip(found, wanted, strict=True):
    np.testing.assert_array_equal(np.asarray(one), np.asarray(other))
