# SPDX-License-Identifier: Apache-2.0
"""A ModernBERT that was trained at 512 goes on at 2,048."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from tests import config_testing
from tests import modernbert_testing
from tests import run_testing
from tests import testing
from token_dropping.tasks import experiments
from token_dropping.tasks.masked_lm import task as masked_lm
from token_dropping.training import config


def _task(seq_length: int, **fields) -> masked_lm.TokenDropMaskedLMTask:
  params = experiments.get(modernbert_testing.EXPERIMENT)
  data = {"seq_length": seq_length, "max_predictions_per_seq": 4}
  own = {
    "init_checkpoint": fields.pop("init_checkpoint", ""),
    "model": {"encoder": {"any": fields}},
    "train_data": data,
    "validation_data": data,
  }
  for tree in (testing.TINY, modernbert_testing.TINY, {"task": own}):
    params.override(tree)
  return masked_lm.TokenDropMaskedLMTask(params.task)


def test_every_weight_of_the_short_stage_is_that_of_the_long_one(tmp_path):
  tf_keras.utils.set_random_seed(0)
  sizes = {"max_position_embeddings": 2048, "token_keep_ratio": 0.5}
  short = _task(512, **sizes).build_model()
  for weight in short.weights:
    weight.assign(tf.random.normal(weight.shape))
  run_testing.save_checkpoint(tmp_path, short)

  sizes |= {"init_checkpoint": str(tmp_path), "token_keep_ratio": 0.25}
  task = _task(2048, **sizes)
  long = task.build_model()
  task.initialize(long)
  assert len(long.weights) == len(short.weights)
  for one, two in zip(short.weights, long.weights, strict=True):
    np.testing.assert_array_equal(one, two)
  ids = tf.constant(np.random.default_rng(0).integers(5, 50, [1, 2048]))
  batch = {
    "input_word_ids": ids,
    "input_mask": tf.ones_like(ids),
    "input_type_ids": tf.zeros_like(ids),
    "masked_lm_positions": tf.constant([[1, 700, 1400, 2040]]),
  }
  one, two = (model(batch)["mlm_logits"] for model in (short, long))
  np.testing.assert_array_equal(one, two)
  assert long(batch, training=True)["kept_positions"].shape[1] == 512


@pytest.mark.parametrize(
  ("stages", "lengths"),
  [
    ("pretrain/modernbert_base_{}.yaml", (1024, 8192)),
    ("quickstart/long_{}.yaml", (256, 2048)),
  ],
)
def test_both_stages_are_one_network_of_two_lengths(stages, lengths):
  files = [stages.format(length) for length in lengths]
  name = modernbert_testing.EXPERIMENT
  short, long = (
    config.prepare(config_testing.flags(*files[:count], experiment=name))
    for count in (1, 2)
  )
  found = (short.task.train_data.seq_length, long.task.train_data.seq_length)
  assert found == lengths
  assert config.find_doubts(short) == config.find_doubts(long) == []
  ratios = (p.task.model.encoder.any.token_keep_ratio for p in (short, long))
  assert tuple(ratios) == (0.5, 0.25)
  sizes = [p.task.model.encoder.any.sizes for p in (short, long)]
  for each in sizes:
    del each["global_rope_theta"]  # no weight
  assert sizes[0] == sizes[1]
