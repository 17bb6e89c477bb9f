# SPDX-License-Identifier: Apache-2.0
"""What the experiments of fine-tuning share, BERT's published settings.

Devlin et al., NAACL 2019, 4.1 and 4.2: batch 32, 3 epochs, AdamW, warm-up over
a tenth of the steps, linear decay to 0.
"""

from official.core import config_definitions as cfg
from official.nlp.configs import encoders

from token_dropping.models import encoder_config
from token_dropping.tasks import optimizers

BATCH_SIZE = 32
# The records are in random order already; this makes epochs differ.
SHUFFLE_BUFFER = 10_000


def make_encoder() -> encoders.EncoderConfig:
  """Returns the config that `--pretrained` overrides."""
  return encoders.EncoderConfig(
    type="any", any=encoder_config.TokenDropEncoderConfig()
  )


def data_fields(is_training: bool) -> dict:
  """Returns the fields of a data config, by name."""
  return {
    "global_batch_size": BATCH_SIZE,
    "is_training": is_training,
    "drop_remainder": is_training,
    "shuffle_buffer_size": SHUFFLE_BUFFER,
  }


def make_experiment(
  task: cfg.TaskConfig, learning_rate: float
) -> cfg.ExperimentConfig:
  """Returns the experiment; 0 steps stand for what the data give."""
  return cfg.ExperimentConfig(
    task=task,
    trainer=cfg.TrainerConfig(
      train_steps=0,
      steps_per_loop=0,
      summary_interval=0,
      checkpoint_interval=0,
      validation_interval=0,
      max_to_keep=1,
      best_checkpoint_export_subdir="best",
      optimizer_config=optimizers.adamw_config(learning_rate),
    ),
    restrictions=[
      "task.train_data.is_training != None",
      "task.validation_data.is_training != None",
    ],
  )
