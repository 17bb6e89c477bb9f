# SPDX-License-Identifier: Apache-2.0
"""Fine-tuning on SQuAD: Model Garden's task, on our own records."""

import dataclasses
import functools

import numpy as np
import tensorflow as tf
from official.core import config_definitions as cfg
from official.core import task_factory
from official.nlp.data import question_answering_dataloader as dataloader
from official.nlp.tasks import question_answering

from token_dropping.models import span_labeler
from token_dropping.tasks.finetuning import task as finetune_task
from token_dropping.tasks.spans import answers as span_answers


@dataclasses.dataclass
class SpanTaskConfig(
  finetune_task.FinetuneConfig, question_answering.QuestionAnsweringConfig
):
  """Fields of fine-tuning and of Model Garden's task."""

  train_data: cfg.DataConfig = dataclasses.field(
    default_factory=dataloader.QADataConfig
  )
  validation_data: cfg.DataConfig = dataclasses.field(
    default_factory=dataloader.QADataConfig
  )


class SpanModel(finetune_task.FinetuneModel, span_labeler.SpanLabeler):
  """The span model, whose checkpoints may hold the importance."""


@task_factory.register_task_cls(SpanTaskConfig)
class SpanTask(
  finetune_task.FinetuneTask, question_answering.QuestionAnsweringTask
):
  """Fine-tunes a span model; scores answers by exact match and F1."""

  def __init__(self, params: SpanTaskConfig, logging_dir=None, name=None):
    # Model Garden's constructor makes records of SQuAD's JSON; ours exist.
    parent = super(question_answering.QuestionAnsweringTask, self)
    parent.__init__(params, logging_dir, name=name)

  def build_model(self) -> SpanModel:
    encoder, config = self.build_encoder(), self.task_config.model.encoder.get()
    if config.has_pooler:  # nothing reads it, so that it has no gradient
      encoder.pooler_layer.trainable = False
    initializer = self.make_initializer()
    return config.build_span_labeler(SpanModel, encoder, initializer)

  def build_inputs(self, params, input_context=None) -> tf.data.Dataset:
    loader = dataloader.QuestionAnsweringDataLoader(params)
    return self.read(loader, input_context)

  def reduce_aggregated_logs(self, aggregated_logs, global_step=None) -> dict:
    del global_step
    config = self.task_config
    logits = {
      int(window.unique_id): (
        np.asarray(window.start_logits, np.float32),
        np.asarray(window.end_logits, np.float32),
      )
      for window in aggregated_logs
    }
    answers = span_answers.choose_answers(
      self._examples,
      logits,
      config.n_best_size,
      config.max_answer_length,
      config.null_score_diff_threshold,
    )
    return span_answers.score(self._examples, answers)

  @functools.cached_property
  def _examples(self) -> span_answers.SpanExamples:
    return span_answers.SpanExamples.read(self.task_config.data_dir)
