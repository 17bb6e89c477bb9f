# SPDX-License-Identifier: Apache-2.0
"""From flags to a checked experiment config.

Model Garden's order: registered experiment, then every `--config_file`, the
user's or one of ours, then `--tpu` and `--tf_data_service`, then
`--params_override`. `--pretrained` gives fine-tuning its encoder before any
file is read. Every key and type is checked against the experiment's dataclasses
before it is applied.
"""

import copy
import dataclasses
import functools
import itertools
import os
import re
import sys
from collections.abc import Sequence

from official.core import config_definitions as cfg
from official.modeling.hyperparams import params_dict

from token_dropping.common import config_overrides
from token_dropping.common import errors
from token_dropping.common import files
from token_dropping.common import plain_yaml
from token_dropping.common import shipped_files
from token_dropping.common import vocabulary
from token_dropping.models import checkpoint_files
from token_dropping.models import checkpoints
from token_dropping.models.bert import final_norm
from token_dropping.tasks import experiments
from token_dropping.training import attention
from token_dropping.training import continuation
from token_dropping.training import field_rules
from token_dropping.training import memory
from token_dropping.training import run_dir
from token_dropping.training import trained_run

_OVERRIDE = "--params_override"


@dataclasses.dataclass(frozen=True)
class LaunchFlags:
  """Flags that decide about the config.

  `pretrained` is a run to fine-tune, `model_dir` one that may go on.
  """

  experiment: str
  config_file: Sequence[str] | None = ()
  params_override: str | None = ""
  tpu: str | None = None
  tf_data_service: str | None = ""
  pretrained: str = ""
  model_dir: str | None = ""


def prepare(flags: LaunchFlags) -> cfg.ExperimentConfig:
  """Makes the experiment that flags ask for, checks it, and locks it."""
  params = parse(flags)
  params.lock()
  check_experiment(params)
  for doubt in find_doubts(params):
    print(f"warning: {doubt}", file=sys.stderr)
  return params


def parse(flags: LaunchFlags) -> cfg.ExperimentConfig:
  """Builds the experiment config; what follows from the data is filled in."""
  params = copy.deepcopy(_registered(flags.experiment))
  if flags.pretrained:
    _use_pretrained(params, flags)
  for path in map(shipped_files.find, flags.config_file or []):
    overrides = plain_yaml.read_yaml(path)
    config_overrides.apply_overrides(params, overrides, source=path)
  if flags.tpu is not None:
    params.runtime.tpu = flags.tpu
  if flags.tf_data_service:
    for data in (params.task.train_data, params.task.validation_data):
      data.tf_data_service_address = flags.tf_data_service
  if flags.params_override:
    overrides = _parse_override(flags.params_override)
    config_overrides.apply_overrides(params, overrides, _OVERRIDE)
  field_rules.check(params.task, "task.")  # what follows computes with it
  experiments.hooks_of(params).fill_in()
  _let_norm_follow_weights(params, flags.model_dir)
  _let_decay_follow_training(params)
  params.validate()
  return params


@functools.cache
def _registered(experiment: str) -> cfg.ExperimentConfig:
  """Returns an experiment's defaults; Model Garden builds them slowly."""
  rule = f"--experiment must be one of {', '.join(experiments.NAMES)}"
  # TypeError: half a name, "bert".
  with errors.refusing(rule, repr(experiment), LookupError, TypeError):
    return experiments.get(experiment)


def _use_pretrained(params: cfg.ExperimentConfig, flags: LaunchFlags) -> None:
  hooks = experiments.hooks_of(params)
  errors.require(
    hooks.takes_pretrained,
    "--pretrained must be unset but for "
    f"{' and '.join(experiments.FINETUNING_NAMES)}; "
    "task.init_checkpoint starts pretraining from a checkpoint",
    f"{flags.pretrained!r} with --experiment={flags.experiment}",
  )
  run = trained_run.TrainedRun.read(flags.pretrained, source="--pretrained")
  vocab_file = os.path.join(flags.pretrained, vocabulary.FILE)
  hooks.use_pretrained(run.encoder, vocab_file, run.checkpoint)


def _parse_override(text: str) -> dict:
  """Parses `a.b=1,c=2`, YAML or JSON, or reads the file of that name."""
  try:
    text = params_dict.nested_csv_str_to_json_str(text)
  except ValueError:  # not a list of key=value; YAML, or the name of a file
    if not re.search(r"[:{\n]\s", text) and not text.lstrip().startswith("{"):
      errors.require(
        files.size(text) is not None,
        f"{_OVERRIDE} must be key=value pairs with commas between them, YAML, "
        "JSON or the name of a file",
        errors.shorten(text),
      )
      return plain_yaml.read_yaml(text)
  return plain_yaml.load_yaml(text, source=_OVERRIDE)


def _let_decay_follow_training(params: cfg.ExperimentConfig) -> None:
  """An unset `decay_steps` means `train_steps`."""
  schedule = params.trainer.optimizer_config.learning_rate.get()
  for field in ("decay_steps", "total_decay_steps"):
    if getattr(schedule, field, 0) is None:
      setattr(schedule, field, params.trainer.train_steps)


def _let_norm_follow_weights(params: cfg.ExperimentConfig, model_dir) -> None:
  """An unset `final_norm` is that of the run or the weights that go on."""
  encoder, path = params.task.model.encoder.get(), params.task.init_checkpoint
  unset = getattr(encoder, final_norm.NAME, False) is None
  if not unset or not encoder.norm_first:
    return
  has_norm = run_dir.has_final_norm(model_dir)
  if has_norm is None and params.trainer.continue_from:
    has_norm = run_dir.has_final_norm(continuation.source_folder(params))
  if has_norm is None:  # a new run
    has_norm = not path or checkpoints.holds(
      checkpoint_files.find(path, checkpoints.INITIAL), final_norm.NAME
    )
  encoder.final_norm = has_norm


def check_experiment(params: cfg.ExperimentConfig) -> None:
  """Checks what can be checked without data or device."""
  field_rules.check(params)
  name = params.runtime.distribution_strategy
  _check_trainer(params.trainer)
  _check_beginning(params)
  _check_calls(params)
  _check_clipping(params.trainer.optimizer_config.optimizer)
  _check_boundaries(params.trainer)
  experiments.hooks_of(params).check()
  attention.check(params)
  memory.check(params)
  if name in ("off", "one_device"):
    check_replicas(params, 1)
  elif name == "mirrored":
    check_replicas(params, max(params.runtime.num_gpus, 1))


def check_replicas(params: cfg.ExperimentConfig, replicas: int) -> None:
  """Checks that so many replicas get equal parts of a batch and of its slices.

  TPUs and workers know their number only once they are connected.
  """
  slices = getattr(params.task, "gradient_accumulation_steps", 1)
  for name, parts in (("train_data", slices), ("validation_data", 1)):
    size = getattr(params.task, name).global_batch_size
    rule = f"task.{name}.global_batch_size must be a multiple of {replicas}"
    rule += " replicas"
    if parts > 1:
      rule += f" x {parts} task.gradient_accumulation_steps"
    errors.require(size % (replicas * parts) == 0, rule, size)


def _check_trainer(trainer: cfg.TrainerConfig) -> None:
  interval, loop = trainer.summary_interval, trainer.steps_per_loop
  rule = "trainer.summary_interval must be a multiple of trainer.steps_per_loop"
  errors.require(interval % loop == 0, f"{rule} ({loop})", interval)
  for name, off in experiments.REPLACED.items():
    value = getattr(trainer, name)
    rule = f"trainer.{name} must be {str(off).lower()}: the launcher does this "
    rule += "in its own way, see docs/reliability.md"
    errors.require(value == off, rule, str(value).lower())


def _check_beginning(params: cfg.ExperimentConfig) -> None:
  """Checks that pretraining does not begin with weights of two places."""
  if experiments.hooks_of(params).takes_pretrained:
    return
  run, path = params.trainer.continue_from, params.task.init_checkpoint
  rule = f"{checkpoints.INITIAL} must be unset with {continuation.SOURCE}, "
  rule += "which brings the weights too"
  errors.require(not (run and path), rule, repr(path))


def _check_calls(params: cfg.ExperimentConfig) -> None:
  """Checks that one device compiles its steps where a call makes several."""
  runtime, trainer = params.runtime, params.trainer
  several = runtime.distribution_strategy in ("tpu", "multi_worker_mirrored")
  one = runtime.num_gpus <= 1 and not several
  compiles = runtime.enable_xla and trainer.train_tf_while_loop and one
  errors.require(
    compiles or (trainer.steps_per_call or 1) == 1,
    "trainer.steps_per_call must be 1 or null unless one CPU or GPU compiles "
    "its steps (runtime.enable_xla=true, trainer.train_tf_while_loop=true, one "
    "replica)",
    trainer.steps_per_call,
  )


def _check_clipping(optimizer) -> None:
  """Keras takes one norm, and nothing beside ours of AdamW's norm."""
  config = optimizer.get()
  path = f"trainer.optimizer_config.optimizer.{optimizer.type}"
  if getattr(config, "gradient_clip_norm", 0.0) > 0.0:
    for name in ("clipnorm", "clipvalue", "global_clipnorm"):
      value = getattr(config, name, None)
      unless = f"unset unless {path}.gradient_clip_norm is 0"
      errors.require(value is None, f"{path}.{name} must be {unless}", value)
  norm, whole = config.clipnorm, config.global_clipnorm
  rule = f"{path}.clipnorm must be unset with {path}.global_clipnorm ({whole})"
  errors.require(None in (norm, whole), rule, norm)


def _check_boundaries(trainer: cfg.TrainerConfig) -> None:
  """Checks the steps of a schedule that has some against each other."""
  rate = trainer.optimizer_config.learning_rate
  boundaries = getattr(rate.get(), "boundaries", None)
  if boundaries is None:
    return
  path = f"trainer.optimizer_config.learning_rate.{rate.type}"
  ends = rate.type == "step_cosine_with_offset"  # NaN from its last step on
  least, offset = 2 if ends else 1, rate.get().offset
  count = len(boundaries)
  ascends = all(a < b for a, b in itertools.pairwise(boundaries))
  rule = f"{path}.boundaries must be {least} or more, and ascend"
  errors.require(ascends and count >= least, rule, boundaries)
  wanted = count if ends else count + 1
  rule = f"{path}.values must be {wanted} for {count} boundaries"
  errors.require(len(rate.get().values) == wanted, rule, rate.get().values)
  last, steps = boundaries[-1] + offset, trainer.train_steps
  rule = f"{path}.boundaries and offset must last for the {steps} steps of"
  rule += " trainer.train_steps"
  errors.require(not ends or last >= steps, rule, f"{last} steps")


def find_doubts(params: cfg.ExperimentConfig) -> list[str]:
  """Returns one line for each setting that is allowed but looks wrong."""
  optimizer, doubts = params.trainer.optimizer_config, []
  warmup = getattr(optimizer.warmup.get(), "warmup_steps", None) or 0
  decay = getattr(optimizer.learning_rate.get(), "decay_steps", None)
  if decay is not None and warmup >= decay:
    doubts.append(
      "trainer.optimizer_config: warmup_steps should be below decay_steps "
      f"({decay}), or the learning rate stays at its end. Received: {warmup}"
    )
  encoder, name = params.task.model.encoder.get(), final_norm.NAME
  if getattr(encoder, name, None) is False and encoder.norm_first:
    doubts.append(
      f"task.model.encoder.any.{name} should be true with norm_first, or "
      "states grow from layer to layer; weights trained without it need false. "
      "Received: false"
    )
  return doubts + experiments.hooks_of(params).find_doubts()
