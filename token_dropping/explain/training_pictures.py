# SPDX-License-Identifier: Apache-2.0
"""What is dropped, shown in TensorBoard at every evaluation."""

import importlib.util
import os
import re
import sys

import numpy as np
import tensorflow as tf
from official.core import config_definitions as cfg

from token_dropping.common import errors
from token_dropping.common import vocabulary
from token_dropping.dropping import keep_schedule
from token_dropping.explain import dropping
from token_dropping.explain import dropping_model
from token_dropping.explain import kept_share
from token_dropping.explain import marked_text
from token_dropping.explain import validation_text
from token_dropping.tasks.masked_lm import config as masked_lm_config
from token_dropping.tasks.masked_lm import task as masked_lm
from token_dropping.training import workers

SEQUENCES = 8
TEXT, PICTURE = "dropping/text", "dropping/kept_share"
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~&])")


def of(params: cfg.ExperimentConfig, trainer, model_dir: str) -> list:
  """Returns the evaluation actions of a run, none where nothing is dropped.

  Args:
    params: the experiment.
    trainer: of the experiment.
    model_dir: folder of the run.
  """
  wanted = isinstance(trainer.task, masked_lm.TokenDropMaskedLMTask)
  if not wanted or not params.task.dropping_pictures:
    return []
  phases = keep_schedule.phases(
    params.task.keep_schedule, trainer.model.encoder_network.drop_plan
  )
  drops = any(phase.plan.drops for phase in phases)
  if not drops or not workers.is_chief(trainer.strategy):
    return []
  folder = os.path.join(model_dir, params.trainer.validation_summary_subdir)
  return [DroppingPictures(params.task, trainer, phases, folder)]


class DroppingPictures:
  """An Orbit action that writes a text with its dropped tokens, and figures.

  The text is that of the first validation records. The same step of the same
  run writes the same bytes.

  Args:
    task: config of the task.
    trainer: has the model and the step.
    phases: of the keep schedule, one of them dropping.
    summary_dir: folder of the validation summaries.
  """

  def __init__(
    self,
    task: masked_lm_config.TokenDropMaskedLMConfig,
    trainer,
    phases: tuple[keep_schedule.Phase, ...],
    summary_dir: str,
  ):
    self._task = task
    self._encoder = trainer.model.encoder_network
    self._step = trainer.global_step
    self._phases = phases
    self._summary_dir = summary_dir
    self._draws = importlib.util.find_spec("matplotlib") is not None
    self._sequences = None
    self._writer = None

  def __call__(self, outputs: dict) -> None:
    """Writes what is dropped at this step."""
    del outputs
    if self._sequences is None:
      self._begin()
    if not self._sequences:
      return
    step = int(self._step.numpy())
    plan = dropping_model.plan_at(self._phases, step)
    found = dropping.look(self._encoder, plan, self._sequences)
    computed = [each.computed for each in found]
    with self._writer.as_default():
      tf.summary.text(TEXT, self._markdown(computed), step=step)
      if self._draws:
        tf.summary.image(PICTURE, self._picture(computed), step=step)
    self._writer.flush()

  def _begin(self) -> None:
    """Reads the text; says once what there will not be, and why."""
    vocab_file = self._task.model.encoder.get().vocab_file
    self._sequences = []
    try:
      errors.require(
        vocab_file, "vocab_file must be known to show what is dropped", "none"
      )
      self._sequences = validation_text.read(
        self._task.validation_data,
        vocabulary.Vocabulary.from_file(vocab_file),
        SEQUENCES,
      )
    except errors.UserError as error:
      print(f"note: nothing dropped is shown: {error}", file=sys.stderr)
      return
    if not self._draws:
      print(
        "note: without matplotlib, TensorBoard gets no kept shares",
        file=sys.stderr,
      )
    self._writer = tf.summary.create_file_writer(self._summary_dir)

  def _markdown(self, computed: list[np.ndarray]) -> str:
    texts = [
      marked_text.join(marked_text.words(sequence, share), mark)
      for sequence, share in zip(self._sequences, computed, strict=True)
    ]
    return "\n\n".join(["Kept words are **bold**.", *texts])

  def _picture(self, computed: list[np.ndarray]) -> np.ndarray:
    from token_dropping.explain import picture  # needs matplotlib

    pixels = picture.draw(
      kept_share.by_frequency(self._sequences, computed),
      kept_share.by_part(self._sequences, computed),
      self._encoder.importance_scorer.scores_by_id(),
    )
    return pixels[np.newaxis]


def mark(text: str, style: str) -> str:
  """Returns text as Markdown, bold where it is kept.

  Example:

  >>> mark("a*b", marked_text.KEPT), mark("of", marked_text.DROPPED)
  ('**a\\\\*b**', 'of')
  """
  escaped = _MARKDOWN.sub(r"\\\1", text)
  kept = style in (marked_text.KEPT, marked_text.SPECIAL)
  return f"**{escaped}**" if kept else escaped
