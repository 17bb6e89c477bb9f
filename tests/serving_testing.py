# SPDX-License-Identifier: Apache-2.0
"""Requests of every kind of model, and what the trained model says to them."""

import numpy as np
import tensorflow as tf

from tests import testing

HEADS = ("encoder", "masked_lm", "classification", "span")
LENGTH, KNOWN = 11, 7


def inputs(head: str, length: int = LENGTH, **changes) -> dict[str, tf.Tensor]:
  """Returns two sequences, of which the second has `KNOWN` tokens."""
  rng = np.random.default_rng(3)
  mask = np.ones([2, length], int)
  mask[1, KNOWN:] = 0
  values = {
    "input_word_ids": rng.integers(5, testing.VOCAB_SIZE, mask.shape) * mask,
    "input_mask": mask,
    "input_type_ids": np.arange(length) // 6 * mask,
  }
  if head == "masked_lm":
    values["masked_lm_positions"] = [[1, 4], [2, 0]]
  return {k: tf.constant(v, tf.int32) for k, v in (values | changes).items()}


def outputs(head: str, model, values: dict) -> dict[str, tf.Tensor]:
  """Returns what the trained model computes, by the names of the export."""
  computed = model(values)
  if head == "classification":
    return {"outputs": computed}
  if head == "span":
    return dict(zip(("start_logits", "end_logits"), computed, strict=True))
  names = ["sequence_output", "pooled_output"]
  names = ["mlm_logits"] if head == "masked_lm" else names
  return {name: computed[name] for name in names}


def assert_equal(here, there, atol: float = 1e-5) -> None:
  """Compares outputs by name."""
  assert set(here) == set(there)
  for name, value in there.items():
    np.testing.assert_allclose(here[name], value, atol=atol, err_msg=name)
