# SPDX-License-Identifier: Apache-2.0
"""The best checkpoint so far, kept apart from the newest ones."""

import math
import os
import tempfile

import orbit
import tensorflow as tf
from official.core import config_definitions as cfg
from official.core import train_utils

from token_dropping.common import files
from token_dropping.common import plain_json
from token_dropping.models import checkpoint_files
from token_dropping.tasks import experiments
from token_dropping.training import workers


class Exporter(train_utils.BestCheckpointExporter):
  """Model Garden's, so that a kill at any moment leaves it right.

  The checkpoint, numbered by its step, is written before the note that says
  which is the best; killed in between, the next run evaluates that step again
  and finds it better. A value that is not finite is never the best. All workers
  take part in saving; those without `writes` save to a folder that is removed.
  """

  def __init__(
    self, folder: str, metric: str, comparison: str, writes: bool = True
  ):
    super().__init__(folder, metric, comparison)
    if not writes:
      self._scratch = tempfile.TemporaryDirectory()
      self._export_dir = self._scratch.name

  def maybe_export_checkpoint(
    self, checkpoint, eval_logs, global_step, write_logs=True
  ) -> bool:
    value = train_utils.get_leaf_nested_dict(eval_logs, self._metric_name)
    if not math.isfinite(float(orbit.utils.get_value(value))):
      return False
    old = self._best_ckpt_logs
    if old is not None and not self._new_metric_is_better(old, eval_logs):
      return False
    # As the controller does: the counter does not depend on how often it was
    # the best, or a run was stopped.
    checkpoint.save_counter.assign(int(global_step) - 1)
    self._get_checkpoint_manager(checkpoint).save(int(global_step))
    self._best_ckpt_logs = eval_logs
    if write_logs:
      self.export_best_eval_metric(eval_logs, global_step)
    return True

  def _maybe_load_best_eval_metric(self) -> dict | None:
    """Returns the note, if it is whole and its checkpoint is there."""
    note = files.find_json(self.best_ckpt_logs_path)
    try:
      value = float(train_utils.get_leaf_nested_dict(note, self._metric_name))
    except (KeyError, TypeError, ValueError):
      return None
    is_there = checkpoint_files.latest(self._export_dir) is not None
    return note if is_there and math.isfinite(value) else None

  @property
  def best_ckpt_logs(self) -> dict:
    """The evaluation that was the best; NaN before there was one."""
    return self._best_ckpt_logs or {self._metric_name[0]: float("nan")}


def make_exporter(
  params: cfg.ExperimentConfig, model_dir: str | None
) -> Exporter | None:
  """Returns what the trainer's config asks for; `None`: nothing is exported."""
  trainer = params.trainer
  subdir = trainer.best_checkpoint_export_subdir
  metric = trainer.best_checkpoint_eval_metric
  if not (model_dir and subdir and metric):
    return None
  return Exporter(
    os.path.join(model_dir, subdir),
    metric,
    trainer.best_checkpoint_metric_comp,
    writes=workers.is_chief(tf.distribute.get_strategy()),
  )


def read_scores(params: cfg.ExperimentConfig, model_dir: str) -> dict | None:
  """Reads `scores` and `step` beside the best checkpoint of a fine-tuning run.

  The leading score is first. `None` if nothing was evaluated or is kept.
  """
  subdir = params.trainer.best_checkpoint_export_subdir
  path = os.path.join(model_dir, subdir, "info.json")
  note = files.find_json(path) if subdir else None
  if note is None:
    return None
  names = experiments.hooks_of(params).score_names()
  form = dict.fromkeys([*names, "best_ckpt_global_step"], float)
  plain_json.check(note, form, path)
  return {
    "scores": {name: note[name] for name in names},
    "step": int(note["best_ckpt_global_step"]),
  }
