# SPDX-License-Identifier: Apache-2.0
"""Registers pretraining with token dropping, ready but for the data.

`bert/token_drop` and Model Garden's name, `token_drop_bert/pretraining`, are
BERT-base at length 512, half of the tokens kept, with the published optimizer
(Hou et al., section 4.1). The baseline `bert/pretraining` is Model Garden's.
"""

from official.core import config_definitions as cfg
from official.core import exp_factory
from official.nlp.configs import bert
from official.nlp.configs import encoders
from official.nlp.configs import pretraining_experiments  # noqa: F401  registers
from official.nlp.tasks import masked_lm

from token_dropping.data.batches import pretrain_data
from token_dropping.models import encoder_config
from token_dropping.tasks import hooks
from token_dropping.tasks import optimizers
from token_dropping.tasks.masked_lm import config
from token_dropping.tasks.masked_lm import hooks as masked_lm_hooks
from token_dropping.tasks.masked_lm import task  # noqa: F401  registers

TRAIN_STEPS = 1_000_000
WARMUP_STEPS = 10_000


@exp_factory.register_config_factory("token_drop_bert/pretraining")
@exp_factory.register_config_factory("bert/token_drop")
def bert_token_drop() -> cfg.ExperimentConfig:
  """BERT-base pretraining with token dropping, no next-sentence loss."""
  return cfg.ExperimentConfig(
    runtime=cfg.RuntimeConfig(enable_xla=True),
    task=config.TokenDropMaskedLMConfig(
      model=bert.PretrainerConfig(
        encoder=encoders.EncoderConfig(
          type="any", any=encoder_config.TokenDropEncoderConfig()
        )
      ),
      train_data=_data(is_training=True),
      validation_data=_data(is_training=False),
    ),
    trainer=cfg.TrainerConfig(
      train_steps=TRAIN_STEPS,
      optimizer_config=optimizers.adamw_config(1e-4, WARMUP_STEPS),
    ),
    restrictions=[
      "task.train_data.is_training != None",
      "task.validation_data.is_training != None",
    ],
  )


def _data(is_training: bool) -> pretrain_data.PretrainDataConfig:
  return pretrain_data.PretrainDataConfig(
    is_training=is_training,
    drop_remainder=is_training,
    use_next_sentence_label=False,
    use_v2_feature_names=True,
  )


hooks.register(
  config.TokenDropMaskedLMConfig,
  masked_lm_hooks.TokenDropMaskedLMHooks,
  "bert/token_drop",
  "token_drop_bert/pretraining",
)
hooks.register(
  masked_lm.MaskedLMConfig, masked_lm_hooks.MaskedLMHooks, "bert/pretraining"
)
