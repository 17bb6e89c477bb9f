# SPDX-License-Identifier: Apache-2.0
"""Registers `bert/token_drop_glue` and `bert/token_drop_squad`.

The published settings of BERT (Devlin et al., NAACL 2019, sections 4.1 and
4.2): batch 32, 3 epochs, AdamW, warm-up over a tenth of the steps, linear decay
to 0. For GLUE the learning rate is the best on the dev set of 2e-5 to 5e-5,
which `--sweep` tries; 2e-5 is the first of them.
"""

from official.core import config_definitions as cfg
from official.core import exp_factory
from official.modeling import optimization
from official.nlp.configs import encoders
from official.nlp.data import question_answering_dataloader
from official.nlp.tasks import question_answering
from official.nlp.tasks import sentence_prediction

from token_dropping.models import encoder_config
from token_dropping.tasks.sentences import task as sentence_task
from token_dropping.tasks.spans import task as span_task

GLUE, SQUAD = "bert/token_drop_glue", "bert/token_drop_squad"
NAMES = (GLUE, SQUAD)
BATCH_SIZE = 32
# The records are in random order already; this makes epochs differ.
SHUFFLE_BUFFER = 10_000


@exp_factory.register_config_factory(GLUE)
def bert_token_drop_glue() -> cfg.ExperimentConfig:
  """Fine-tunes a pretrained encoder on sentences or pairs of them."""
  return _experiment(
    sentence_task.SentenceTaskConfig(
      model=sentence_prediction.ModelConfig(
        encoder=_encoder(), use_encoder_pooler=True
      ),
      train_data=sentence_task.SentenceDataConfig(**_data(True)),
      validation_data=sentence_task.SentenceDataConfig(**_data(False)),
    ),
    learning_rate=2e-5,
  )


@exp_factory.register_config_factory(SQUAD)
def bert_token_drop_squad() -> cfg.ExperimentConfig:
  """Fine-tunes a pretrained encoder to find answers in a text."""
  data = question_answering_dataloader.QADataConfig
  return _experiment(
    span_task.SpanTaskConfig(
      model=question_answering.ModelConfig(encoder=_encoder()),
      train_data=data(**_data(True)),
      validation_data=data(**_data(False)),
    ),
    learning_rate=5e-5,
  )


def _encoder() -> encoders.EncoderConfig:
  return encoders.EncoderConfig(
    type="any", any=encoder_config.TokenDropEncoderConfig()
  )


def _data(is_training: bool) -> dict:
  return {
    "global_batch_size": BATCH_SIZE,
    "is_training": is_training,
    "drop_remainder": is_training,
    "shuffle_buffer_size": SHUFFLE_BUFFER,
  }


def _experiment(task, learning_rate: float) -> cfg.ExperimentConfig:
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
      optimizer_config=_optimizer(learning_rate),
    ),
    restrictions=[
      "task.train_data.is_training != None",
      "task.validation_data.is_training != None",
    ],
  )


def _optimizer(learning_rate: float) -> optimization.OptimizationConfig:
  return optimization.OptimizationConfig(
    {
      "optimizer": {
        "type": "adamw",
        "adamw": {
          "weight_decay_rate": 0.01,
          "exclude_from_weight_decay": ["LayerNorm", "layer_norm", "bias"],
        },
      },
      "learning_rate": {
        "type": "polynomial",
        "polynomial": {
          "initial_learning_rate": learning_rate,
          "end_learning_rate": 0.0,
        },
      },
      "warmup": {"type": "polynomial"},
    }
  )
