# SPDX-License-Identifier: Apache-2.0
"""Token dropping for BERT pretraining on TensorFlow Model Garden.

What a user of the package needs stands here by name. It is loaded when it is
first asked for: importing the package alone imports no TensorFlow.

    import token_dropping

    encoder = token_dropping.TokenDropEncoder(
      vocab_size=30522, num_layers=12, token_keep_ratio=0.5
    )
"""

import importlib
import os
import sys

__version__ = "0.1.0"

_MODULES = {
  "DroppingConfig": "dropping.config",
  "DropPlan": "dropping.drop_plan",
  "ImportanceScorer": "dropping.importance.importance_scorer",
  "TokenDropEncoder": "models.bert.encoder",
  "TokenDropEncoderConfig": "models.bert.encoder_config",
  "TokenDropMaskedLMConfig": "tasks.masked_lm.config",
  "TokenDropMaskedLMTask": "tasks.masked_lm.task",
  "TokenDropPretrainer": "models.pretrainer",
  "TrainedRun": "training.trained_run",
}
__all__ = ["__version__", *_MODULES]


def __getattr__(name: str):
  """Imports the module of a public name (PEP 562)."""
  if name not in _MODULES:
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
  module = importlib.import_module(f"{__name__}.{_MODULES[name]}")
  globals()[name] = getattr(module, name)
  return globals()[name]


def _end_at_interrupt(kind, error, trace) -> None:
  """Ends a command in one line at Ctrl-C while its modules are imported."""
  if not issubclass(kind, KeyboardInterrupt):
    sys.__excepthook__(kind, error, trace)
    return
  print("stopped by SIGINT", file=sys.stderr, flush=True)
  os._exit(130)


if sys.argv[:1] == ["-m"]:  # Python looks for a command of ours
  sys.excepthook = _end_at_interrupt


def __dir__() -> list[str]:
  """Lists the public names with those that are here already."""
  return sorted({*globals(), *__all__})
