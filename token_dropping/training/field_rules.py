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
from token_dropping.common import files
from token_dropping.data.batches import dynamic_masking
from token_dropping.data.batches import pretrain_data
from token_dropping.models import activations
from token_dropping.tasks.causal_lm import config as causal_lm
from token_dropping.training import attention

_LARGEST = 3.4028234e38  # of 32 bits
_RUN_FILES = r"(ckpt-[^/]*|checkpoint|[^/]*\.(yaml|txt|json|gin|lock|tmp))(/|$)"
STRATEGIES = ("off", "one_device", "mirrored", "multi_worker_mirrored", "tpu")
_OPTIMIZERS = (  # Model Garden has configs, but no code, of two more.
  *("sgd", "sgd_experimental", "adam", "adam_experimental", "adamw"),
  *("adamw_experimental", "lamb", "rmsprop", "lars", "adagrad"),
  "adafactor_keras",
)
_AUTOTUNING = (
  *("DEFAULT", "HILL_CLIMB", "GRADIENT_DESCENT", "MAX_PARALLELISM"),
  "STAGE_BASED",
)
_ACTIVATIONS = (
  *("elu", "gelu", activations.EXACT_GELU, "hard_sigmoid", "hard_swish"),
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


def _least(least: float, needed: bool = False, bits: int = 31) -> Rule:
  return Rule(f"at least {least}", lambda value: value >= least, needed, bits)


def _least_or_all(meaning: str, bits: int = 31) -> Rule:
  text = f"at least 1, or -1 for {meaning}"
  return Rule(text, lambda value: value == -1 or value >= 1, bits=bits)


def _choice(*values: str, needed: bool = False) -> Rule:
  text = f"one of {', '.join(values)}"
  return Rule(text, lambda value: value in values, needed)


def _size(most: int, least: int = 1) -> Rule:
  return Rule(f"in [{least}, {most}]", lambda value: least <= value <= most)


def _is_loss_scale(value) -> bool:
  return value == "dynamic" if isinstance(value, str) else value > 0


def _is_scope(name: str) -> bool:
  return re.fullmatch(r"[A-Za-z0-9.][A-Za-z0-9_.\\/>-]*", name) is not None


def _is_subfolder(value: str) -> bool:
  return files.is_below(value) and not re.match(_RUN_FILES, value)


def _table(*groups: tuple) -> dict[str, Rule]:
  return {path: rule for rule, *paths in groups for path in paths}


_ANY = Rule("a finite number", lambda value: True)
_SUBFOLDER = "the name of a folder below model_dir, no . or .. or pattern or "
_SUBFOLDER += "a file of the run"

RULES: Mapping[str, Rule] = _table(
  (_ANY, "train_data.seed", "validation_data.seed", "power"),
  (_ANY, "null_score_diff_threshold"),
  (_ANY, "gradient_clip_norm"),  # 0 and less: off
  (dataclasses.replace(_ANY, bits=63), "offset", "masking_seed"),
  (_least(-1), "task_index", "default_shard_dim", "recovery_max_trials"),
  (_least(-1), "prefetch_buffer_size"),  # -1 and 0: TensorFlow's choice
  (
    _least(0),
    *("per_gpu_thread_count", "num_gpus", "num_packs", "weight_decay_rate"),
    *("weight_decay", "decay", "epsilon", "epsilon1", "epsilon2", "epsilon_1"),
    *("epsilon_2", "initial_accumulator_value", "polynomial.power", "seed"),
    *("initializer_range", "mlm_initializer_range", "continuous_eval_timeout"),
    *("inner_dim", "num_classes", "cls_token_idx"),
    "adamw_experimental.global_clipnorm",  # 0: off
  ),
  (
    _least(0, bits=63),
    *("recovery_begin_steps", "step_offset", "start_step"),
    *("masking_rate_steps", "max_bad_records", "max_skipped_steps"),
  ),
  (_least(0, needed=True, bits=63), "boundaries", "warmup_steps"),
  (
    _least(0, needed=True),
    *("initial_learning_rate", "end_learning_rate", "warmup_learning_rate"),
    *("pre_offset_learning_rate", "learning_rate", "values"),
    "sparse_layer_learning_rate",
  ),
  (
    _least(1),
    *("dataset_num_private_threads", "num_cores_per_replica", "max_to_keep"),
    *("min_dim_size_to_factor", "block_length", "ram_budget", "seq_length"),
    *("max_predictions_per_seq", "max_span_words", "doc_stride"),
    *("query_length", "gradient_accumulation_steps", "n_best_size"),
    *("max_answer_length", "output_range", "target_length"),
  ),
  (
    _least(1, bits=63),
    *("decay_steps", "total_decay_steps"),  # null: as long as the training
    "shuffle_buffer_size",
  ),
  (
    _least(1, needed=True, bits=63),
    *("trainer.train_steps", "steps_per_loop", "summary_interval"),
    *("checkpoint_interval", "validation_interval"),
  ),
  (_least_or_all("all data", bits=63), "validation_steps"),
  (_least(-1), "translated_sentences"),  # -1: all
  (_least_or_all("TensorFlow's choice"), "cycle_length"),
  (
    Rule("greater than 0", lambda value: value > 0),
    *("loss_upper_bound", "clipnorm", "clipvalue", "global_clipnorm"),
    *("clipping_threshold", "clip_threshold", "ratio_clip_norm", "eeta"),
    *("epochs", "global_rope_theta", "local_rope_theta", "norm_eps"),
    *("norm_epsilon", "layer_norm_epsilon"),
    "lamb.epsilon",  # Keras would look for a default, and fail
  ),
  (
    Rule("greater than 0", lambda value: value > 0, needed=True),
    "exponential.decay_rate",
  ),
  (
    Rule("in [0, 1]", lambda value: 0 <= value <= 1),
    *("alpha", "momentum", "decay_rate", "average_decay", "warmup_share"),
    *("mask_share", "random_share"),
  ),
  (
    Rule("in [0, 1)", lambda value: 0 <= value < 1),
    *("rho", "beta1", "beta_1", "beta_2"),
    *("dropout_rate", "attention_dropout_rate", "intermediate_dropout_rate"),
    "label_smoothing",
  ),
  (
    Rule("in (0, 1]", lambda value: 0 < value <= 1),
    *("linear_decay_fraction", "loss_positions.ratio"),
  ),
  (
    Rule("in (0, 1)", lambda value: 0 < value < 1),
    *("masking_rate", "final_masking_rate"),
  ),
  (Rule("in [-1, 0]", lambda value: -1 <= value <= 0), "beta_2_decay"),
  (Rule("dynamic or greater than 0", _is_loss_scale), "loss_scale"),
  (_size(1000), "num_layers", "num_decoder_layers"),
  (_size(1000), "global_every", "steps_per_call"),
  (_size(100_000), "hidden_size", "embedding_size", "num_attention_heads"),
  (_size(1_000_000), "intermediate_size", "type_vocab_size"),
  (
    _size(10_000_000),
    *("max_position_embeddings", "local_attention", "global_batch_size"),
  ),
  (_size(100_000_000, least=2), "vocab_size"),  # of one, Keras has no accuracy
  (Rule("set", bool, needed=True), "learning_rate.type"),
  (_choice(*_OPTIMIZERS, needed=True), "optimizer.type"),
  (_choice(*STRATEGIES), "distribution_strategy"),
  (_choice("gpu_shared", "gpu_private"), "gpu_thread_mode"),
  (_choice("nccl", "hierarchical_copy", "ring"), "all_reduce_alg"),
  (_choice("float32", "float16", "bfloat16"), "mixed_precision_dtype"),
  (_choice(*attention.CHOICES, needed=True), "runtime.attention"),
  (_choice("higher", "lower"), "best_checkpoint_metric_comp"),
  (_choice(*_AUTOTUNING), "autotune_algorithm"),
  (_choice("tfrecord", "tfrecord_compressed"), "file_type"),
  (_choice(*pretrain_data.MASKING), "masking"),
  (_choice(*dynamic_masking.UNITS), "masking_unit"),
  (_choice(*pretrain_data.POLICIES), "on_bad_records", "on_bad_numbers"),
  (_choice("int", "float"), "label_type"),
  (_choice(*causal_lm.LOSS_POSITIONS, needed=True), "loss_positions.type"),
  (
    _choice(*_ACTIVATIONS),
    *("hidden_activation", "head_activation", "mlm_activation"),
    "cls_heads.activation",
  ),
  (Rule("a name of letters, digits and _.-/", _is_scope), "name"),
  (Rule(_SUBFOLDER, _is_subfolder), "validation_summary_subdir"),
  (
    Rule(
      f"empty or {_SUBFOLDER}", lambda name: not name or _is_subfolder(name)
    ),
    "best_checkpoint_export_subdir",
  ),
)


def check(params: hyperparams.Config, path: str = "") -> None:
  """Raises `UserError` at the first field of a config that breaks its rule.

  Of a choice such as the optimizer, only the fields of the chosen type count.
  `path` is that of the config, with a dot at its end.
  """
  for name, value in fields(params, path):
    check_value(name, value)


def check_value(name: str, value) -> None:
  """Raises `UserError` if the value of a field, by dotted path, is wrong."""
  rule = find(name) or _ANY
  if value is None:
    errors.require(not rule.needed, f"{name} must be {rule.text}", "null")
    return
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
  config: hyperparams.Config, path: str = ""
) -> Iterator[tuple[str, Any]]:
  """Yields dotted paths and values; of a choice, those of the chosen type."""
  names = set(vars(config)) - set(config.RESERVED_ATTR)
  if isinstance(config, oneof.OneOfConfig):
    names &= {"type", config.type}
  values = {name: getattr(config, name) for name in sorted(names)}
  # What a config says itself first: other values may follow from it.
  plain = [n for n in values if not isinstance(values[n], hyperparams.Config)]
  for name in dict.fromkeys([*plain, *values]):
    yield from _values(values[name], f"{path}{name}")


def _values(value, path: str) -> Iterator[tuple[str, Any]]:
  if isinstance(value, hyperparams.Config):
    yield from fields(value, f"{path}.")
  elif isinstance(value, list | tuple):
    for index, item in enumerate(value):
      yield from _values(item, f"{path}[{index}]")
  elif not isinstance(value, bool):
    yield path, value
