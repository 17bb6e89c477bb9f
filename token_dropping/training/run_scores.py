# SPDX-License-Identifier: Apache-2.0
"""The scores of a fine-tuning run's best checkpoint."""

import json

import tensorflow as tf
from official.core import config_definitions as cfg

from token_dropping.tasks.finetuning import filling as finetune_filling

_STEP = "best_ckpt_global_step"


def read_best(params: cfg.ExperimentConfig, model_dir: str) -> dict | None:
  """Reads what Model Garden wrote beside the best checkpoint.

  Args:
    params: of the run.
    model_dir: its folder.

  Returns:
    `scores`, by name, the leading one first, and `step`; or `None` if nothing
    was evaluated or no best checkpoint is kept.
  """
  subdir = params.trainer.best_checkpoint_export_subdir
  path = tf.io.gfile.join(model_dir, subdir, "info.json")
  if not subdir or not tf.io.gfile.exists(path):
    return None
  with tf.io.gfile.GFile(path) as file:
    info = json.load(file)
  names = finetune_filling.score_names(params.task)
  return {
    "scores": {name: info[name] for name in names},
    "step": int(info[_STEP]),
  }
