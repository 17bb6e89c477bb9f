# SPDX-License-Identifier: Apache-2.0
"""A run folder made ready to go on from its last good checkpoint."""

import os
import sys

from official.core import config_definitions as cfg

from token_dropping.models import checkpoints
from token_dropping.training import checkpoint_files
from token_dropping.training import summary_files


def prepare(params: cfg.ExperimentConfig, mode: str, model_dir: str) -> None:
  """Leaves damaged checkpoints and summaries of later steps behind.

  Args:
    params: the experiment.
    mode: of the launcher, one that trains.
    model_dir: existing folder of the run.

  Raises:
    UserError: all checkpoints are damaged.
  """
  for line in checkpoint_files.use_last_good(model_dir):
    print(f"warning: {line}", file=sys.stderr)
  step = checkpoints.latest_step(model_dir)
  trainer = params.trainer
  summary_files.drop_after(os.path.join(model_dir, "train"), step)
  # A run that is complete is evaluated once more.
  evaluated = step - (step >= trainer.train_steps and mode == "train_and_eval")
  folder = os.path.join(model_dir, trainer.validation_summary_subdir)
  summary_files.drop_after(folder, evaluated)
