# SPDX-License-Identifier: Apache-2.0
"""What is dropped, shown in TensorBoard at every evaluation."""

import functools
import os
import re
import sys

import numpy as np
import tensorflow as tf
from official.core import config_definitions as cfg

from token_dropping.common import errors
from token_dropping.common import vocabulary
from token_dropping.dropping import keep_schedule
from token_dropping.explain import charts
from token_dropping.explain import dropping
from token_dropping.explain import sequences as sequences_lib
from token_dropping.explain import source_text
from token_dropping.explain import token_groups
from token_dropping.training import workers

SEQUENCES = 8
TEXT, PICTURE = "dropping/text", "dropping/kept_share"
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~&])")


def of(params: cfg.ExperimentConfig, trainer, model_dir: str) -> list:
  """Returns the evaluation actions of a run, none where nothing is dropped."""
  if not getattr(params.task, "dropping_pictures", False):
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
  """An Orbit action that writes a text with its dropped tokens, and figures."""

  def __init__(self, task: cfg.TaskConfig, trainer, phases, summary_dir: str):
    self._task = task
    self._encoder = trainer.model.encoder_network
    self._step = trainer.global_step
    self._phases = phases
    self._summary_dir = summary_dir

  def __call__(self, outputs: dict) -> None:
    del outputs
    if not self._sequences:
      return
    step = int(self._step.numpy())
    plan = dropping.plan_at(self._phases, step)
    looks = dropping.look(self._encoder, plan, self._sequences)
    computed = [look.computed for look in looks]
    with self._writer.as_default():
      tf.summary.text(TEXT, self._markdown(computed), step=step)
      tf.summary.image(PICTURE, self._picture(computed), step=step)
    self._writer.flush()

  @functools.cached_property
  def _writer(self) -> tf.summary.SummaryWriter:
    return tf.summary.create_file_writer(self._summary_dir)

  @functools.cached_property
  def _sequences(self) -> list[sequences_lib.TextSequence]:
    """The text; nothing, and a note why, if it cannot be read."""
    vocab_file = self._task.model.encoder.get().vocab_file
    try:
      rule = "vocab_file must be known to show what is dropped"
      errors.require(vocab_file, rule, "none")
      words = vocabulary.Vocabulary.from_file(vocab_file)
      data = self._task.validation_data
      return source_text.read_records(data, words, SEQUENCES)
    except errors.UserError as error:
      print(f"note: nothing dropped is shown: {error}", file=sys.stderr)
      return []

  def _markdown(self, computed: list[np.ndarray]) -> str:
    texts = [
      sequences_lib.join(sequence.marked_words(share), mark)
      for sequence, share in zip(self._sequences, computed, strict=True)
    ]
    return "\n\n".join(["Kept words are **bold**.", *texts])

  def _picture(self, computed: list[np.ndarray]) -> np.ndarray:
    tokens = token_groups.tabulate(self._sequences, computed)
    pixels = charts.summary_pixels(
      token_groups.by_frequency(tokens),
      token_groups.by_part(tokens),
      self._encoder.importance_scorer.scores_by_id(),
    )
    return pixels[np.newaxis]


def mark(text: str, style: str) -> str:
  """Returns text as Markdown, bold where it is kept.

  >>> mark("a*b", sequences_lib.KEPT), mark("of", sequences_lib.DROPPED)
  ('**a\\\\*b**', 'of')
  """
  escaped = _MARKDOWN.sub(r"\\\1", text)
  kept = style in (sequences_lib.KEPT, sequences_lib.SPECIAL)
  return f"**{escaped}**" if kept else escaped
