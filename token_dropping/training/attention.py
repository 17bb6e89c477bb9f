# SPDX-License-Identifier: Apache-2.0
"""`runtime.attention`: whether attention is fused, and why not.

The rules stand here once. `fused` refuses at the first that is broken, `auto`
says it and stays plain. Some follow from the config, others from the devices.
"""

import ctypes
import dataclasses
from collections.abc import Iterator, Sequence

import tensorflow as tf
from official.core import config_definitions as cfg
from official.nlp.configs import encoders

from token_dropping.common import errors
from token_dropping.data.batches import pretrain_data
from token_dropping.models import fused_attention
from token_dropping.models import network_config
from token_dropping.models import networks
from token_dropping.training import workers

CHOICES = ("auto", "plain", "fused")
_PATH = "runtime.attention"
_STRATEGIES = ("one_device", "mirrored", "multi_worker_mirrored")
_COUNTED = ("one_device", "mirrored")  # strategies that go by `num_gpus`
_LARGEST_HEAD = 128
_LEAST_CAPABILITY = (8, 0)
_LEAST_CUDNN = (9, 0, 0)
_CUDNN = "libcudnn.so.9"


@dataclasses.dataclass(frozen=True)
class _Rule:
  """What must hold of something to fuse; `value` is what it is."""

  name: str
  text: str
  holds: bool
  value: object


@dataclasses.dataclass(frozen=True)
class Device:
  """An accelerator: its kind, such as GPU, and its compute capability."""

  kind: str
  capability: tuple[int, int] | None = None


def check(params: cfg.ExperimentConfig) -> None:
  """Raises `UserError` where a config says `fused` and forbids it."""
  if params.runtime.attention == "fused":
    _refuse(_broken(_rules_of_config(params)))


def is_fused(
  params: cfg.ExperimentConfig, strategy: tf.distribute.Strategy
) -> bool:
  """Returns whether to fuse the attention of the model; prints it on a line."""
  broken = find_broken(params, _devices(strategy), cudnn_version())
  line = "attention: fused"
  if broken is not None:
    line = f"attention: plain, since {broken.name} is {broken.value}"
  if workers.is_chief(strategy):
    print(line, flush=True)
  return broken is None


def find_broken(
  params: cfg.ExperimentConfig,
  devices: Sequence[Device],
  cudnn: tuple[int, int, int] | None,
) -> _Rule | None:
  """Returns the first broken rule; `None`: attention is to be fused.

  Raises `UserError` for one where the config says `fused`. `cudnn` is `None`
  where there is none.
  """
  choice = params.runtime.attention
  if choice == "plain":
    return _Rule(_PATH, "auto or fused", False, choice)
  broken = _broken(_rules_of_config(params))
  broken = broken or _broken(_rules_of_devices(devices, cudnn))
  if choice == "fused":
    _refuse(broken)
  return broken


def cudnn_version() -> tuple[int, int, int] | None:
  """Returns the version of the cuDNN that TensorFlow loads, 9 or later."""
  try:
    number = ctypes.CDLL(_CUDNN).cudnnGetVersion()
  except OSError:
    return None
  return number // 10_000, number // 100 % 100, number % 100


def _broken(rules: Iterator[_Rule]) -> _Rule | None:
  return next((rule for rule in rules if not rule.holds), None)


def _refuse(broken: _Rule | None) -> None:
  if broken is not None:
    rule = f"{broken.name} must be {broken.text} with {_PATH}=fused"
    errors.require(False, rule, broken.value)


def _rules_of_config(params: cfg.ExperimentConfig) -> Iterator[_Rule]:
  runtime, task = params.runtime, params.task
  name = runtime.distribution_strategy
  yield _Rule(
    "runtime.distribution_strategy",
    f"one of {', '.join(_STRATEGIES)}",
    name in _STRATEGIES,
    name,
  )
  gpus = runtime.num_gpus
  has_gpus = gpus > 0 or name not in _COUNTED
  yield _Rule("runtime.num_gpus", "at least 1", has_gpus, gpus)
  yield _flag("runtime.enable_xla", True, runtime.enable_xla)
  dtype = runtime.mixed_precision_dtype or "float32"
  names = [each.name for each in fused_attention.DTYPES]
  yield _Rule(
    "runtime.mixed_precision_dtype", " or ".join(names), dtype in names, dtype
  )
  deterministic = getattr(task, "deterministic", False)
  yield _flag("task.deterministic", False, deterministic)
  drops = task.train_data.drop_remainder  # or batches have no static shape
  yield _flag("task.train_data.drop_remainder", True, drops)
  network = task.model.encoder.get()
  if not getattr(network, "fuses_documents", True):
    apart = pretrain_data.attends_within_documents(task.train_data)
    yield _Rule(
      "task.train_data.attend_within_documents",
      f"false in {network.network}",
      not apart,
      str(apart).lower(),
    )
  yield from _rules_of_encoder(task.model.encoder)


def _flag(name: str, wanted: bool, value: bool) -> _Rule:
  shown = str(value).lower()
  return _Rule(name, str(wanted).lower(), value == wanted, shown)


def _rules_of_encoder(encoder: encoders.EncoderConfig) -> Iterator[_Rule]:
  config, path = encoder.get(), f"task.model.encoder.{encoder.type}"
  known = (network_config.NetworkConfig, encoders.BertEncoderConfig)
  is_known = isinstance(config, known)
  yield _Rule("task.model.encoder.type", "any or bert", is_known, encoder.type)
  if not getattr(config, "fuses_attention", True):
    able = [one.network for one in networks.CONFIGS if one.fuses_attention]
    text = f"one of {', '.join(able)}"
    yield _Rule("the network", text, False, config.network)
  rate = config.attention_dropout_rate
  yield _Rule(f"{path}.attention_dropout_rate", "0", rate == 0, rate)
  scores = getattr(config, "return_attention_scores", False)
  yield _flag(f"{path}.return_attention_scores", False, scores)
  size = config.hidden_size // config.num_attention_heads
  yield _Rule(
    f"{path}.hidden_size / num_attention_heads",
    f"a multiple of 8, at most {_LARGEST_HEAD}",
    size % 8 == 0 and size <= _LARGEST_HEAD,
    size,
  )


def _rules_of_devices(
  devices: Sequence[Device], cudnn: tuple[int, int, int] | None
) -> Iterator[_Rule]:
  for device in devices:
    is_gpu = device.kind == "GPU"
    yield _Rule("the device", "a GPU", is_gpu, f"a {device.kind}")
    least, found = _LEAST_CAPABILITY, device.capability or (0, 0)
    yield _Rule(
      "the GPU's compute capability",
      f"at least {_dotted(least)}",
      found >= least,
      _dotted(found),
    )
  found = "missing" if cudnn is None else _dotted(cudnn)
  is_new = cudnn is not None and cudnn >= _LEAST_CUDNN
  yield _Rule("cuDNN", f"{_dotted(_LEAST_CUDNN)} or later", is_new, found)


def _dotted(version: Sequence[int]) -> str:
  return ".".join(map(str, version))


def _devices(strategy: tf.distribute.Strategy) -> list[Device]:
  """Returns the devices that train; those of other workers are like ours."""
  names = map(tf.DeviceSpec.from_string, strategy.extended.worker_devices)
  kinds = {name.device_type for name in names}
  details = map(
    tf.config.experimental.get_device_details,
    tf.config.list_physical_devices("GPU") if "GPU" in kinds else [],
  )
  gpus = [Device("GPU", found.get("compute_capability")) for found in details]
  return [*gpus, *map(Device, sorted(kinds - {"GPU"}))]
