# SPDX-License-Identifier: Apache-2.0
"""The list of tasks; importing it registers all that `--experiment` names."""

from official.core import config_definitions as cfg
from official.core import exp_factory

from token_dropping.tasks import hooks
from token_dropping.tasks import run_config

# In the order in which they are listed.
# isort: off
from token_dropping.tasks.masked_lm import experiment as masked_lm  # noqa: F401
from token_dropping.tasks.causal_lm import experiment as causal_lm  # noqa: F401
from token_dropping.tasks.translation import experiment as translation  # noqa: F401
from token_dropping.tasks.sentences import experiment as sentences  # noqa: F401
from token_dropping.tasks.spans import experiment as spans  # noqa: F401
# isort: on

NAMES = tuple(hooks.EXPERIMENTS)
hooks_of = hooks.of
FINETUNING_NAMES = tuple(
  name for name in NAMES if hooks.EXPERIMENTS[name].takes_pretrained
)
# Fields of Model Garden's trainer whose work the launcher does otherwise, with
# the values that switch it off: saving on SIGTERM (controller.py) and going
# back to a checkpoint after a loss that blew up (number_guard.py).
REPLACED = {"preemption_on_demand_checkpoint": False, "recovery_max_trials": -1}


def get(name: str) -> cfg.ExperimentConfig:
  """Returns an experiment's defaults for this launcher, or a `LookupError`.

  >>> get("bert/pretraining").trainer.preemption_on_demand_checkpoint
  False
  """
  params = exp_factory.get_exp_config(name)
  run_config.extend(params)
  for field, value in REPLACED.items():
    setattr(params.trainer, field, value)
  return params
