# SPDX-License-Identifier: Apache-2.0
"""Registers the experiments that `--experiment` names.

`bert/token_drop` and Model Garden's own name for it,
`token_drop_bert/pretraining`, are the same: BERT-base at sequence length 512,
half of the tokens kept, and the published optimizer (Hou et al., ACL 2022,
section 4.1), ready but for the data. `bert/pretraining`, the baseline, is Model
Garden's. Those of fine-tuning are in `finetune_experiments`.
"""

from official.core import config_definitions as cfg
from official.core import exp_factory
from official.modeling import optimization
from official.nlp.configs import bert
from official.nlp.configs import encoders
from official.nlp.configs import pretraining_experiments  # noqa: F401  registers

from token_dropping.data.batches import pretrain_data
from token_dropping.models import encoder_config
from token_dropping.tasks.finetuning import experiment as finetune_experiment
from token_dropping.tasks.masked_lm import config as masked_lm_config
from token_dropping.tasks.masked_lm import task as masked_lm  # noqa: F401  registers

PRETRAINING_NAMES = (
  "bert/token_drop",
  "token_drop_bert/pretraining",
  "bert/pretraining",
)
FINETUNING_NAMES = finetune_experiment.NAMES
NAMES = (*PRETRAINING_NAMES, *FINETUNING_NAMES)
# Fields of Model Garden's trainer whose work the launcher does otherwise, with
# the values that switch it off: saving on SIGTERM (stop_request.py) and going
# back to a checkpoint after a loss that blew up (number_guard.py).
REPLACED = {"preemption_on_demand_checkpoint": False, "recovery_max_trials": -1}
TRAIN_STEPS = 1_000_000
WARMUP_STEPS = 10_000


@exp_factory.register_config_factory("token_drop_bert/pretraining")
@exp_factory.register_config_factory("bert/token_drop")
def bert_token_drop() -> cfg.ExperimentConfig:
  """BERT-base pretraining with token dropping, no next-sentence loss."""
  return cfg.ExperimentConfig(
    runtime=cfg.RuntimeConfig(enable_xla=True),
    task=masked_lm_config.TokenDropMaskedLMConfig(
      model=bert.PretrainerConfig(
        encoder=encoders.EncoderConfig(
          type="any", any=encoder_config.TokenDropEncoderConfig()
        )
      ),
      train_data=_data(is_training=True),
      validation_data=_data(is_training=False),
    ),
    trainer=cfg.TrainerConfig(
      train_steps=TRAIN_STEPS, optimizer_config=_optimizer()
    ),
    restrictions=[
      "task.train_data.is_training != None",
      "task.validation_data.is_training != None",
    ],
  )


def get(name: str) -> cfg.ExperimentConfig:
  """Returns the defaults of an experiment for this project's launcher.

  Args:
    name: one of `NAMES`.

  Raises:
    LookupError: no experiment has this name.

  Example:

  >>> get("bert/pretraining").trainer.preemption_on_demand_checkpoint
  False
  """
  params = exp_factory.get_exp_config(name)
  for field, value in REPLACED.items():
    setattr(params.trainer, field, value)
  return params


def _data(is_training: bool) -> pretrain_data.PretrainDataConfig:
  return pretrain_data.PretrainDataConfig(
    is_training=is_training,
    drop_remainder=is_training,
    use_next_sentence_label=False,
    use_v2_feature_names=True,
  )


def _optimizer() -> optimization.OptimizationConfig:
  """AdamW, linear warm-up, linear decay to 0 over the whole training."""
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
        "polynomial": {"initial_learning_rate": 1e-4, "end_learning_rate": 0.0},
      },
      "warmup": {
        "type": "polynomial",
        "polynomial": {"warmup_steps": WARMUP_STEPS},
      },
    }
  )
