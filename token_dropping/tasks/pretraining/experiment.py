# SPDX-License-Identifier: Apache-2.0
"""An experiment of pretraining, ready but for the data."""

from official.core import config_definitions as cfg
from official.modeling import optimization
from official.nlp.configs import encoders

from token_dropping.models import network_config


def make_experiment(
  task: cfg.TaskConfig,
  network: network_config.NetworkConfig,
  optimizer: optimization.OptimizationConfig,
  train_steps: int,
  **data,
) -> cfg.ExperimentConfig:
  """Returns the experiment of a task and a network.

  `data` are fields of the records of both training and validation.
  """
  task.model.encoder = encoders.EncoderConfig(type="any", any=network)
  for name in ("train_data", "validation_data"):
    is_training = name == "train_data"
    own = {"is_training": is_training, "drop_remainder": is_training}
    getattr(task, name).override(own | data)
  return cfg.ExperimentConfig(
    runtime=cfg.RuntimeConfig(enable_xla=True),
    task=task,
    trainer=cfg.TrainerConfig(
      train_steps=train_steps, optimizer_config=optimizer
    ),
    restrictions=[
      "task.train_data.is_training != None",
      "task.validation_data.is_training != None",
    ],
  )
