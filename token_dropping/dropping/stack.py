# SPDX-License-Identifier: Apache-2.0
"""What a network offers to the method, and the pass that is made of it.

Shapes: B batch, S sequence length, N tokens that are there, Q queries among
them, R positions that the loss reads, D hidden size.
"""

import typing

import tensorflow as tf

from token_dropping.dropping import drop_plan
from token_dropping.dropping import layer_run
from token_dropping.dropping import tokens as tokens_lib
from token_dropping.dropping.drops import drop_types
from token_dropping.dropping.importance import token_scorer


class LayerStack(typing.Protocol):
  """The transformer layers of a network, for one call of it."""

  num_layers: int  # L; an `index` is in [0, L)

  def run_layer(
    self,
    index: int,
    queries: tokens_lib.Tokens,
    keys: tokens_lib.Tokens | None = None,
  ) -> tf.Tensor:
    """Returns the new states of the queries, [B, Q, D], after layer `index`.

    They attend to the N tokens `keys`; `None` means to themselves. The layer
    must treat its queries independently of one another, but for the keys and
    values that they share. Who sees whom follows from the tokens' positions,
    documents and masks, never from their place among those that are there.
    """


def run_layers(
  stack: LayerStack,
  tokens: tokens_lib.Tokens,
  plan: drop_plan.DropPlan | None = None,
  scorer: token_scorer.TokenScorer | None = None,
  read: tf.Tensor | None = None,
) -> layer_run.LayerRun:
  """Runs all layers on whole sequences, dropping tokens on the way.

  `plan` says where tokens leave and return, `None` computes all; `scorer`,
  needed only to drop, which stay. `read`, int [B, R], are the positions that
  the loss reads, ascending: the queries of the last layer are then these alone,
  which is exact there; elsewhere its output is what entered it. A plan that
  `reads_kept` means the positions of the tokens that stayed. Raises
  `ValueError` where the length is not static, or too short for the plan.
  """
  if plan is None:
    plan = drop_plan.DropPlan(stack.num_layers, (), stack.num_layers - 1)
  run = drop_types.get(plan.drop_type)(stack, tokens, scorer)
  if plan.stages and tokens.count is None:
    # AutoGraph can only pass on Python's own errors.
    raise ValueError(
      "the sequence length must be static where tokens are dropped. "
      f"Received: embeddings of shape {tokens.states.shape}"
    )
  counts = plan.keep_counts(tokens.count)
  for stage, keep in zip(plan.stages, counts, strict=True):
    run.layers_before(stage.layer)
    run.dropping_layer(keep)
  run.layers_before(plan.restore_layer)
  run.restore()
  run.layers_before(stack.num_layers - 1)
  run.last_layer(run.kept_positions if plan.reads_kept else read)
  return run
