# SPDX-License-Identifier: Apache-2.0
"""Sizes that each are in their range, but together in no memory."""

import os

from official.core import config_definitions as cfg
from official.nlp.configs import encoders

from token_dropping.common import errors

_HOSTS = ("off", "one_device", "mirrored")


def check(params: cfg.ExperimentConfig) -> None:
  """Refuses a BERT to be trained on the CPU that its memory cannot hold.

  It must hold the weights and their gradients, 4 bytes each, and of a batch the
  sum of the embeddings, its norm, keys and values, 2 bytes each at the least.
  """
  encoder, runtime = params.task.model.encoder.get(), params.runtime
  on_host = runtime.distribution_strategy in _HOSTS and not runtime.num_gpus
  if not on_host or not isinstance(encoder, encoders.BertEncoderConfig):
    return
  needed = 8 * _weights(encoder) + 8 * _states(params.task, encoder.hidden_size)
  there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
  rule = "the sizes in task.model and in the data must fit into the memory of "
  rule += f"this machine, {there >> 30:,} GiB"
  errors.require(needed < there, rule, f"at least {needed >> 30:,} GiB")


def _weights(encoder: encoders.BertEncoderConfig) -> int:
  """Returns the number of weights in the embeddings and in all layers."""
  width = encoder.hidden_size
  vectors = encoder.vocab_size + encoder.type_vocab_size
  vectors += encoder.max_position_embeddings
  layer = 4 * width**2 + 2 * width * encoder.intermediate_size
  return (
    vectors * (encoder.embedding_size or width) + encoder.num_layers * layer
  )


def _states(task: cfg.TaskConfig, width: int) -> int:
  """Returns the numbers in the states of a batch, [B, S, D], or of a slice."""
  slices = getattr(task, "gradient_accumulation_steps", 1)
  tokens = task.train_data.global_batch_size // slices
  return tokens * task.train_data.seq_length * width
