# SPDX-License-Identifier: Apache-2.0
"""Sizes that each are in their range, but together in no memory."""

import os

from official.core import config_definitions as cfg
from official.nlp.configs import encoders

from token_dropping.common import errors
from token_dropping.models import network_config
from token_dropping.models.bert import encoder_config as bert

_HOSTS = ("off", "one_device", "mirrored")


def check(params: cfg.ExperimentConfig) -> None:
  """Refuses a network to be trained on the CPU that its memory cannot hold.

  It must hold the weights and their gradients, 4 bytes each, and of a batch the
  sum of the embeddings, its norm, keys and values, 2 bytes each at the least.
  """
  encoder, runtime = params.task.model.encoder.get(), params.runtime
  on_host = runtime.distribution_strategy in _HOSTS and not runtime.num_gpus
  weights = _weights(encoder)
  if not on_host or weights is None:
    return
  needed = 8 * weights + 8 * _states(params.task, encoder.hidden_size)
  there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
  rule = "the sizes in task.model and in the data must fit into the memory of "
  rule += f"this machine, {there >> 30:,} GiB"
  errors.require(needed < there, rule, f"at least {needed >> 30:,} GiB")


def _weights(encoder) -> int | None:
  """Returns the number of weights at the least; `None`: not known."""
  if isinstance(encoder, network_config.NetworkConfig):
    return encoder.count_weights()
  if isinstance(encoder, encoders.BertEncoderConfig):  # Model Garden's
    return bert.count_weights(encoder)
  return None


def _states(task: cfg.TaskConfig, width: int) -> int:
  """Returns the numbers in the states of a batch, [B, S, D], or of a slice."""
  slices = getattr(task, "gradient_accumulation_steps", 1)
  tokens = task.train_data.global_batch_size // slices
  return tokens * task.train_data.seq_length * width
