# SPDX-License-Identifier: Apache-2.0
"""Registers `bert/token_drop_glue`.

BERT on GLUE takes the best of 2e-5 to 5e-5 on the dev set (`--sweep`).
"""

from official.core import config_definitions as cfg
from official.core import exp_factory
from official.nlp.tasks import sentence_prediction

from token_dropping.tasks import hooks
from token_dropping.tasks.finetuning import experiment
from token_dropping.tasks.sentences import hooks as sentence_hooks
from token_dropping.tasks.sentences import task as sentence_task

NAME = "bert/token_drop_glue"


@exp_factory.register_config_factory(NAME)
def bert_token_drop_glue() -> cfg.ExperimentConfig:
  """Fine-tunes a pretrained encoder on sentences or pairs of them."""
  data = sentence_task.SentenceDataConfig
  return experiment.make_experiment(
    sentence_task.SentenceTaskConfig(
      model=sentence_prediction.ModelConfig(
        encoder=experiment.make_encoder(), use_encoder_pooler=True
      ),
      train_data=data(**experiment.data_fields(is_training=True)),
      validation_data=data(**experiment.data_fields(is_training=False)),
    ),
    learning_rate=2e-5,
  )


hooks.register(
  sentence_task.SentenceTaskConfig, sentence_hooks.SentenceHooks, NAME
)
