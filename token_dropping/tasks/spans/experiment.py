# SPDX-License-Identifier: Apache-2.0
"""Registers `bert/token_drop_squad`."""

from official.core import config_definitions as cfg
from official.core import exp_factory
from official.nlp.data import question_answering_dataloader
from official.nlp.tasks import question_answering

from token_dropping.tasks import hooks
from token_dropping.tasks.finetuning import experiment
from token_dropping.tasks.spans import hooks as span_hooks
from token_dropping.tasks.spans import task as span_task

NAME = "bert/token_drop_squad"


@exp_factory.register_config_factory(NAME)
def bert_token_drop_squad() -> cfg.ExperimentConfig:
  """Fine-tunes a pretrained encoder to find answers in a text."""
  data = question_answering_dataloader.QADataConfig
  return experiment.make_experiment(
    span_task.SpanTaskConfig(
      model=question_answering.ModelConfig(encoder=experiment.make_encoder()),
      train_data=data(**experiment.data_fields(is_training=True)),
      validation_data=data(**experiment.data_fields(is_training=False)),
    ),
    learning_rate=5e-5,
  )


hooks.register(span_task.SpanTaskConfig, span_hooks.SpanHooks, NAME)
