# SPDX-License-Identifier: Apache-2.0
"""Would a TPU run the steps? What can be asked without one.

A TPU compiles all of a replica's step with XLA. So each step must compile, with
static shapes, and hold no op that TPUs lack.
"""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework import kernels

from tests import replica_testing
from token_dropping.dropping import config as dropping_config
from token_dropping.dropping.importance import frozen_scorer
from token_dropping.dropping.importance import importance_table
from token_dropping.dropping.importance import importance_types
from token_dropping.dropping.importance import step_seed

# Ops that are not in https://cloud.google.com/tpu/docs/tensorflow-ops (graph
# operators), and those in XLA's table whose output shape depends on values
# (https://www.tensorflow.org/xla/known_issues).
FORBIDDEN = {
  "host callback": ("PyFunc", "EagerPyFunc", "HostCompute", "Print"),
  "string": ("String", "AsString", "Regex", "Unicode", "StaticRegex", "Decode"),
  "ragged": ("Ragged",),
  "sparse": ("Sparse", "DeserializeSparse", "SerializeSparse"),
  "dynamic output shape": (
    *("Where", "Unique", "NonMaxSuppression", "DynamicPartition"),
    *("SetDiff1D", "ListDiff"),
  ),
  "host": ("Iterator", "ReadFile", "WriteFile", "Lookup", "HashTable"),
}
# Of the loss and of the embedding's gradient; XLA has kernels for both.
ALLOWED = ("SparseSoftmaxCrossEntropyWithLogits",)
BRANCHES = ("While", "If", "Case")
# Ops of the graph itself, which XLA's compiler inlines.
STRUCTURE = {"Placeholder", "NoOp"}
STRUCTURE |= {"PartitionedCall", "StatefulPartitionedCall"}
STRUCTURE |= {f"{kind}{op}" for kind in ("", "Stateless") for op in BRANCHES}
# Axes that XLA computes from static shapes while it compiles.
FOLDED = ("BroadcastGradientArgs",)
SCHEDULE = {"type": "linear", "num_ratios": 2, "train_steps": 9}


def _drop(drop_type: str) -> dict:
  return {"model": {"encoder": {"any": {"drop": {"type": drop_type}}}}}


# What is computed, and the task that it takes. The schedule has the branch of a
# plain step; the second evaluation comes after a plain one.
STEPS = {
  "train in slices": {"gradient_accumulation_steps": 2},
  "train by a schedule": {
    "keep_schedule": SCHEDULE | {"full_interval": 3},
    "semantic_consistency": {"interval": 2, "detach": True},
    "learning_rate_by_layer_tokens": True,
  },
  "train with context": _drop("context"),
  "train layerwise": _drop("layerwise"),
  "train pooled": _drop("pool"),
  "evaluate twice": {"dropped_validation": True},
}

SLOW = ("train by a schedule", "train pooled")


def _compiled_step(name: str):
  """Returns a step of one replica, with nothing around it, compiled."""
  run = replica_testing.Run(tf.distribute.get_strategy(), {"task": STEPS[name]})
  metrics = run.task.build_metrics(training=False)

  def train(batch):
    return run.task.train_step(batch, run.model, run.optimizer, run.metrics)

  def evaluate(batch):
    run.task.validation_step(batch, run.model, metrics)
    return {"loss": metrics[-1].result()}

  step = evaluate if name.startswith("evaluate") else train
  return tf.function(step, jit_compile=True)


def _nodes(function) -> list:
  """Returns the nodes of a traced function and of those that it calls."""
  definition = function.graph.as_graph_def()
  nodes = [*definition.node]
  for called in definition.library.function:
    nodes += called.node_def
  return nodes


def _kind(op: str) -> str | None:
  """Returns why TPUs do not run an op, or None."""
  if op in ALLOWED:
    return None
  for kind, beginnings in FORBIDDEN.items():
    if op.startswith(beginnings):
      return kind
  return None


def _has_xla_kernel(op: str) -> bool:
  """Whether XLA's table (tf2xla) has the op; it is filled by compiling."""
  found = kernels.get_registered_kernels_for_op(op).kernel
  return any(kernel.device_type == "XLA_CPU_JIT" for kernel in found)


def _unknown_shapes(function) -> list[str]:
  """Returns the tensors whose shape is not known before a run."""
  return [
    f"{tensor.name} {tensor.shape}"
    for operation in function.graph.get_operations()
    for tensor in operation.outputs
    if not tensor.shape.is_fully_defined()
    and tensor.dtype not in (tf.resource, tf.variant)
    and operation.type not in FOLDED
  ]


def _dynamic(function, *args) -> list[str]:
  """Returns the lines of XLA's program with a dynamic shape, such as [<=3]."""
  program = function.experimental_get_compiler_ir(*args)(stage="hlo")
  return [line for line in program.splitlines() if "<=" in line]


def _assert_would_run(function, *args) -> None:
  """Checks the ops and shapes of a compiled function that has been called."""
  traced = function.get_concrete_function(*args)
  ops = {node.op for node in _nodes(traced)}
  assert len(ops) > 20
  assert {op: _kind(op) for op in ops if _kind(op)} == {}
  assert [op for op in ops - STRUCTURE if not _has_xla_kernel(op)] == []
  assert _unknown_shapes(traced) == []
  assert _dynamic(function, *args) == []  # in loops and branches too


@pytest.mark.parametrize(
  "name",
  [
    pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW))
    for name in STEPS
  ],
)
def test_every_step_would_run(name):
  step, batch = _compiled_step(name), replica_testing.make_batch()
  assert np.isfinite(step(batch)["loss"])
  _assert_would_run(step, batch)


def test_every_type_of_importance_would_run():
  scorers = [_scorer(kind) for kind in importance_types.TYPES for _ in "ab"]
  for number, scorer in enumerate(scorers):
    scorer.build()
    if number % 2:  # two of a type, one of them seeded by the step
      scorer.seeds = step_seed.StepSeed(tf.Variable(3, dtype=tf.int64), seed=1)

  @tf.function(jit_compile=True)
  def score(ids, states, mask):
    scores = []
    for scorer in scorers:
      scores.append(scorer(ids, states, mask=mask, keep=4, layer=1))
      scores.append(scorer.choose(scores[-1], 4, mask, layer=1)[0])
      scorer.update(ids, states[..., 0], tf.cast(mask, tf.float32))
    return scores

  ids = tf.constant([[2, 5, 6, 7, 8, 9, 3, 0]])
  batch = ids, tf.ones([1, 8, 4], tf.bfloat16), tf.cast(ids > 0, tf.int32)
  assert all(np.isfinite(found).all() for found in score(*batch))
  _assert_would_run(score, *batch)


def _scorer(kind: str):
  """Returns the scorer of a type, of ten ids."""
  if kind in importance_table.KINDS:
    return frozen_scorer.FrozenScorer(10, scores=[1.0] * 10, deny_list=[0])
  network, *_ = importance_types.get(kind).networks  # causal: by a threshold
  return dropping_config.CLASSES[network](
    importance={"type": kind},
    token_allow_list=[1, 2, 3, 4],
    token_deny_list=[0],
  ).make_scorer(10, 4)


def test_the_search_finds_dynamic_shapes():
  def count(x):
    return tf.reduce_sum(tf.boolean_mask(x, x > 0))

  x = tf.constant([1.0, -1.0, 2.0])
  assert _dynamic(tf.function(count, jit_compile=True), x) != []


def _unique_in_a_branch(x):
  return tf.cond(x[0] > 0, lambda: tf.unique(x)[0], lambda: x)


@pytest.mark.parametrize(
  ("body", "kind"),
  [
    (lambda x: tf.where(x > 0), "dynamic output shape"),
    (lambda x: tf.unique(x)[0], "dynamic output shape"),
    (lambda x: tf.boolean_mask(x, x > 0), "dynamic output shape"),
    (lambda x: tf.numpy_function(np.sin, [x], tf.float32), "host callback"),
    (lambda x: tf.strings.length(tf.strings.as_string(x)), "string"),
    (lambda x: tf.sparse.from_dense(x).values, "dynamic output shape"),
    (_unique_in_a_branch, "dynamic output shape"),
  ],
)
def test_the_search_finds_what_it_forbids(body, kind):
  spec = tf.TensorSpec([4], tf.float32)
  nodes = _nodes(tf.function(body).get_concrete_function(spec))
  assert {_kind(node.op) for node in nodes} - {None} == {kind}
