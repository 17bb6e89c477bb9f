# SPDX-License-Identifier: Apache-2.0
"""The range of every number of an experiment, and the values of every choice.

One table for all tasks. A rule stands for a field by the end of its dotted
path; the longest end counts. Rules between fields stand where they are used.
"""

import dataclasses
import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from official.modeling import hyperparams
from official.modeling.hyperparams import oneof

from token_dropping.common import errors
from token_dropping.data.batches import dynamic_masking
from token_dropping.data.batches import pretrain_data
from token_dropping.models import encoder_config

_LARGEST = 3.4028234e38  # of 32 bits
_RUN_FILES = r"(ckpt-.*|checkpoint|.*\.(yaml|txt|json|lock|tmp))$"
STRATEGIES = ("off", "one_device", "mirrored", "multi_worker_mirrored", "tpu")
_OPTIMIZERS = (  # Model Garden has configs, but no code, of two more.
  *("sgd", "sgd_experimental", "adam", "adam_experimental", "adamw"),
  *("adamw_experimental", "lamb", "rmsprop", "lars", "adagrad"),
  "adafactor_keras",
)
_ACTIVATIONS = (
  *("elu", "gelu", encoder_config.EXACT_GELU, "hard_sigmoid", "hard_swish"),
  *("identity", "leaky_relu", "linear", "mish", "relu", "relu6", "selu"),
  *("sigmoid", "simple_swish", "softplus", "softsign", "swish", "tanh"),
)


@dataclasses.dataclass(frozen=True)
class Rule:
  """What must hold of a value; of an integer also that it has so many bits."""

  text: str
  holds: Callable[[Any], bool]
  needed: bool = False  # null is no value
  bits: int = 31


def _at_least(least: float, needed: bool = False, bits: int = 31) -> Rule:
  return Rule(f"at least {least}", lambda value: value >= least, needed, bits)


def _choice(*values: str) -> Rule:
  return Rule(f"one of {', '.join(values)}", lambda value: value in values)


def _size(most: int) -> Rule:
  return Rule(f"in [1, {most}]", lambda value: 1 <= value <= most)


_NONE = Rule("anything", lambda value: True)
_ANY = Rule("a finite number", lambda value: True)
_RATE = Rule("at least 0", lambda value: value >= 0, needed=True)
_STEPS = _at_least(1, needed=True, bits=63)
_POSITIVE = Rule("greater than 0", lambda value: value > 0)
_SHARE = Rule("in [0, 1]", lambda value: 0 <= value <= 1)
_BELOW_1 = Rule("in [0, 1)", lambda value: 0 <= value < 1)
_INSIDE = Rule("in (0, 1)", lambda value: 0 < value < 1)
_LOSS_SCALE = Rule(
  "dynamic or greater than 0",
  lambda value: value == "dynamic" if isinstance(value, str) else value > 0,
)
_SEED = Rule("an integer", lambda value: True)
_OR_AUTOTUNE = Rule(
  "at least 1, or -1 for TensorFlow's choice",
  lambda value: value == -1 or value >= 1,
)
_SUBFOLDER = Rule(
  "the name of a folder below model_dir, without . or .. or a file of the run",
  lambda value: _is_subfolder(value),
)


def _is_subfolder(value: str) -> bool:
  parts = value.removesuffix("/").split("/")
  return (
    value.isprintable()
    and all(p.strip(". ") and len(p.encode()) < 200 for p in parts)
    and not re.match(_RUN_FILES, parts[0])
  )


RULES: Mapping[str, Rule] = {
  # runtime
  "distribution_strategy": _choice(*STRATEGIES),
  "gpu_thread_mode": _choice("gpu_shared", "gpu_private"),
  "dataset_num_private_threads": _at_least(1),
  "per_gpu_thread_count": _at_least(0),
  "num_gpus": _at_least(0),
  "task_index": _at_least(-1),
  "all_reduce_alg": _choice("nccl", "hierarchical_copy", "ring"),
  "num_packs": _at_least(0),
  "mixed_precision_dtype": _choice("float32", "float16", "bfloat16"),
  "loss_scale": _LOSS_SCALE,
  "num_cores_per_replica": _at_least(1),
  "default_shard_dim": _at_least(-1),
  # trainer
  "trainer.train_steps": _STEPS,
  "steps_per_loop": _STEPS,
  "summary_interval": _STEPS,
  "checkpoint_interval": _STEPS,
  "validation_interval": _STEPS,
  "validation_steps": Rule(
    "at least 1, or -1 for all data",
    lambda value: value == -1 or value >= 1,
    bits=63,
  ),
  "best_checkpoint_export_subdir": Rule(
    f"empty or {_SUBFOLDER.text}",
    lambda value: not value or _is_subfolder(value),
  ),
  "validation_summary_subdir": _SUBFOLDER,
  "max_to_keep": _at_least(1),
  "continuous_eval_timeout": _at_least(0),
  "best_checkpoint_metric_comp": _choice("higher", "lower"),
  "loss_upper_bound": _POSITIVE,
  "recovery_begin_steps": _at_least(0, bits=63),
  "recovery_max_trials": _at_least(-1),
  # trainer.optimizer_config: rates and schedules
  "initial_learning_rate": _RATE,
  "end_learning_rate": _RATE,
  "warmup_learning_rate": _RATE,
  "pre_offset_learning_rate": _RATE,
  "learning_rate": _RATE,
  "learning_rate.type": Rule("set", bool, needed=True),
  "optimizer.type": dataclasses.replace(_choice(*_OPTIMIZERS), needed=True),
  "values": _RATE,
  "boundaries": _at_least(0, needed=True, bits=63),
  "decay_steps": _at_least(1, bits=63),  # null: as long as the training
  "total_decay_steps": _at_least(1, bits=63),
  "exponential.decay_rate": Rule(_POSITIVE.text, _POSITIVE.holds, True),
  "warmup_steps": _at_least(0, needed=True, bits=63),
  "linear_decay_fraction": Rule("in (0, 1]", lambda value: 0 < value <= 1),
  "alpha": _SHARE,
  "offset": dataclasses.replace(_ANY, bits=63),
  "power": _ANY,
  "polynomial.power": _at_least(0),
  # trainer.optimizer_config: optimizers
  "clipnorm": _POSITIVE,
  "clipvalue": _POSITIVE,
  "global_clipnorm": _POSITIVE,
  "adamw_experimental.global_clipnorm": _at_least(0),  # 0: off
  "gradient_clip_norm": _ANY,  # 0 and less: off
  "clipping_threshold": _POSITIVE,
  "clip_threshold": _POSITIVE,
  "ratio_clip_norm": _POSITIVE,
  "weight_decay_rate": _at_least(0),
  "weight_decay": _at_least(0),
  "decay": _at_least(0),
  "momentum": _SHARE,
  "rho": _BELOW_1,
  "beta1": _BELOW_1,
  "beta_1": _BELOW_1,
  "beta_2": _BELOW_1,
  "beta_2_decay": Rule("in [-1, 0]", lambda value: -1 <= value <= 0),
  "decay_rate": _SHARE,
  "step_offset": _at_least(0, bits=63),
  "min_dim_size_to_factor": _at_least(1),
  "epsilon": _at_least(0),
  "lamb.epsilon": _POSITIVE,  # Keras would look for a default, and fail
  "epsilon1": _at_least(0),
  "epsilon2": _at_least(0),
  "epsilon_1": _at_least(0),
  "epsilon_2": _at_least(0),
  "initial_accumulator_value": _at_least(0),
  "eeta": _POSITIVE,
  "sparse_layer_learning_rate": _RATE,
  "average_decay": _SHARE,
  "start_step": _at_least(0, bits=63),
  # data
  "global_batch_size": _size(10_000_000),
  "shuffle_buffer_size": _at_least(1, bits=63),
  "cycle_length": _OR_AUTOTUNE,
  "block_length": _at_least(1),
  "ram_budget": _at_least(1),
  "prefetch_buffer_size": _at_least(-1),  # -1 and 0: TensorFlow's choice
  "train_data.seed": _SEED,
  "validation_data.seed": _SEED,
  "autotune_algorithm": _choice(
    *("DEFAULT", "HILL_CLIMB", "GRADIENT_DESCENT", "MAX_PARALLELISM"),
    "STAGE_BASED",
  ),
  "file_type": _choice("tfrecord", "tfrecord_compressed"),
  "seq_length": _at_least(1),
  "max_predictions_per_seq": _at_least(1),
  "masking": _choice(*pretrain_data.MASKING),
  "masking_unit": _choice(*dynamic_masking.UNITS),
  "masking_rate": _INSIDE,
  "final_masking_rate": _INSIDE,
  "masking_rate_steps": _at_least(0, bits=63),
  "max_span_words": _at_least(1),
  "mask_share": _SHARE,
  "random_share": _SHARE,
  "masking_seed": dataclasses.replace(_ANY, bits=63),
  "on_bad_records": _choice(*pretrain_data.POLICIES),
  "max_bad_records": _at_least(0, bits=63),
  "label_type": _choice("int", "float"),
  "doc_stride": _at_least(1),
  "query_length": _at_least(1),
  # task
  "seed": _at_least(0),
  "gradient_accumulation_steps": _at_least(1),
  "on_bad_numbers": _choice(*pretrain_data.POLICIES),
  "max_skipped_steps": _at_least(0, bits=63),
  "epochs": _POSITIVE,
  "warmup_share": _SHARE,
  "n_best_size": _at_least(1),
  "max_answer_length": _at_least(1),
  "null_score_diff_threshold": _ANY,
  # task.model
  "num_layers": _size(1000),
  "hidden_size": _size(100_000),
  "embedding_size": _size(100_000),
  "num_attention_heads": _size(100_000),
  "intermediate_size": _size(1_000_000),
  "vocab_size": _size(100_000_000),
  "max_position_embeddings": _size(10_000_000),
  "type_vocab_size": _size(1_000_000),
  "hidden_activation": _choice(*_ACTIVATIONS),
  "mlm_activation": _choice(*_ACTIVATIONS),
  "cls_heads.activation": _choice(*_ACTIVATIONS),
  "dropout_rate": _BELOW_1,
  "attention_dropout_rate": _BELOW_1,
  "initializer_range": _at_least(0),
  "mlm_initializer_range": _at_least(0),
  "output_range": _at_least(1),
  "inner_dim": _at_least(0),
  "num_classes": _at_least(0),
  "cls_token_idx": _at_least(0),
}
# Token dropping's own fields, which also layers without an experiment have:
# `dropping/` and `semantic_consistency` refuse what is out of range.
OWN = ("task.model.encoder.any.", "task.keep_schedule.", "task.semantic_")


def check(params: hyperparams.Config, path: str = "") -> None:
  """Raises `UserError` at the first field of a config that breaks its rule.

  Of a choice such as the optimizer, only the fields of the chosen type count.
  `path` is that of the config, with a dot at its end.
  """
  for name, value in fields(params, path):
    rule = find(name)
    if rule is None:
      rule = _ANY if isinstance(value, int | float) else _NONE
    if value is None:
      errors.require(not rule.needed, f"{name} must be {rule.text}", "null")
    else:
      _check_value(name, value, rule)


def _check_value(name: str, value, rule: Rule) -> None:
  shown = errors.shorten(value)
  errors.require(rule.holds(value), f"{name} must be {rule.text}", shown)
  if isinstance(value, float):
    finite = math.isfinite(value) and abs(value) <= _LARGEST
    errors.require(finite, f"{name} must be finite in 32 bits", shown)
  if isinstance(value, int):
    limit = 2**rule.bits
    text = f"{name} must be an integer below 2^{rule.bits}"
    errors.require(-limit <= value < limit, text, shown)


def find(path: str) -> Rule | None:
  """Returns the rule of a dotted path, without the places in lists."""
  names = re.sub(r"\[\d+\]", "", path).split(".")
  ends = (".".join(names[start:]) for start in range(len(names)))
  return next((RULES[end] for end in ends if end in RULES), None)


def fields(
  config: hyperparams.Config, path: str = "", every: bool = False
) -> Iterator[tuple[str, Any]]:
  """Yields dotted paths and values; `every`: of types not chosen, too."""
  names = set(vars(config)) - set(config.RESERVED_ATTR)
  if isinstance(config, oneof.OneOfConfig) and not every:
    names &= {"type", config.type}
  values = {name: getattr(config, name) for name in sorted(names)}
  # What a config says itself first: other values may follow from it.
  plain = [n for n in values if not isinstance(values[n], hyperparams.Config)]
  for name in dict.fromkeys([*plain, *values]):
    yield from _values(values[name], f"{path}{name}", every)


def _values(value, path: str, every: bool) -> Iterator[tuple[str, Any]]:
  if isinstance(value, hyperparams.Config):
    yield from fields(value, f"{path}.", every)
  elif isinstance(value, list | tuple):
    for index, item in enumerate(value):
      yield from _values(item, f"{path}[{index}]", every)
  elif not isinstance(value, bool):
    yield path, value
