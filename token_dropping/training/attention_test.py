# SPDX-License-Identifier: Apache-2.0
"""Tests of when attention is fused, and of what is said where it is not."""

import pytest
import tensorflow as tf

from tests import config_testing
from tests import modernbert_testing
from tests import testing
from tests.config_testing import ENCODER
from token_dropping.training import attention

GPU = attention.Device("GPU", (9, 0))
CUDNN = (9, 3, 0)
WITH = "with runtime.attention=fused. Received:"
# What a config must say, with the tiny experiment's heads of 4 made 8.
FITTING = {
  "runtime.num_gpus": 1,
  "runtime.enable_xla": True,
  "runtime.mixed_precision_dtype": "bfloat16",
  f"{ENCODER}.hidden_size": 16,
}
AUTO, FUSED = ({"runtime.attention": name} for name in ("auto", "fused"))


def _broken(changes: dict, devices=(GPU,), cudnn=CUDNN):
  params = config_testing.changed(FITTING | changes)
  return attention.find_broken(params, devices, cudnn)


@pytest.mark.parametrize("choice", [AUTO, FUSED], ids=str)
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_where_it_can_be_it_is_fused(choice, dtype):
  changes = choice | {"runtime.mixed_precision_dtype": dtype}
  assert _broken(changes, [GPU, GPU]) is None
  config_testing.check(FITTING | changes)


@pytest.mark.parametrize(
  ("changes", "rule", "received"),
  [
    (
      {"runtime.distribution_strategy": "tpu"},
      "one of one_device, mirrored, multi_worker_mirrored",
      "tpu",
    ),
    ({"runtime.num_gpus": 0}, "at least 1", "0"),
    ({"runtime.enable_xla": False}, "true", "false"),
    *(
      ({"runtime.mixed_precision_dtype": n}, "bfloat16 or float16", "float32")
      for n in ("float32", None)
    ),
    ({"task.deterministic": True}, "false", "true"),
    ({"task.train_data.drop_remainder": False}, "true", "false"),
    ({f"{ENCODER}.attention_dropout_rate": 0.1}, "0", "0.1"),
    ({f"{ENCODER}.return_attention_scores": True}, "false", "true"),
  ],
  ids=str,
)
def test_a_config_forbids_it(changes, rule, received):
  ((path, _),) = changes.items()
  broken = _broken(AUTO | changes)
  assert (broken.name, str(broken.value)) == (path, received)
  message = config_testing.refused_changes(FITTING | FUSED | changes)
  assert message == f"{path} must be {rule} {WITH} {received}"


@pytest.mark.parametrize("size", [8, 272])
def test_sizes_of_a_head(size):
  changes = FITTING | FUSED | {f"{ENCODER}.hidden_size": size}
  assert config_testing.refused_changes(changes) == (
    f"{ENCODER}.hidden_size / num_attention_heads must be a multiple of 8, at "
    f"most 128 {WITH} {size // 2}"
  )


@pytest.mark.parametrize(
  ("devices", "cudnn", "name", "rule", "received"),
  [
    ([attention.Device("CPU")], CUDNN, "the device", "a GPU", "a CPU"),
    (
      [GPU, attention.Device("GPU", (7, 5))],
      CUDNN,
      "the GPU's compute capability",
      "at least 8.0",
      "7.5",
    ),
    ([GPU], (8, 9, 4), "cuDNN", "9.0.0 or later", "8.9.4"),
    ([GPU], None, "cuDNN", "9.0.0 or later", "missing"),
  ],
)
def test_devices_or_their_library_forbid_it(
  devices, cudnn, name, rule, received
):
  broken = _broken(AUTO, devices, cudnn)
  assert (broken.name, broken.value) == (name, received)
  message = testing.refused(_broken, FUSED, devices, cudnn)
  assert message == f"{name} must be {rule} {WITH} {received}"


def test_modernbert_allows_it_without_dropout_of_weights():
  name = modernbert_testing.EXPERIMENT
  fitting = FITTING | FUSED | modernbert_testing.TINY
  config_testing.check(fitting, name)
  changes = fitting | {f"{ENCODER}.attention_dropout_rate": 0.1}
  refusal = config_testing.refused_changes(changes, name)
  assert refusal == f"{ENCODER}.attention_dropout_rate must be 0 {WITH} 0.1"


def test_modernbert_forbids_it_where_documents_are_kept_apart():
  changes = FUSED | {"task.train_data.attend_within_documents": True}
  assert _broken(changes) is None
  fitting = FITTING | modernbert_testing.TINY | changes
  refusal = config_testing.refused_changes(
    fitting, modernbert_testing.EXPERIMENT
  )
  assert refusal == (
    "task.train_data.attend_within_documents must be false in modernbert "
    f"{WITH} true"
  )


def test_another_network_forbids_it():
  params = config_testing.changed(name="bert/pretraining")
  params.override({"task": {"model": {"encoder": {"type": "albert"}}}})
  params.runtime.override({k[8:]: FITTING[k] for k in list(FITTING)[:3]})
  broken = attention.find_broken(params, [GPU], CUDNN)
  assert (broken.name, broken.value) == ("task.model.encoder.type", "albert")


def test_what_is_said(capsys):
  strategy = tf.distribute.OneDeviceStrategy("/cpu:0")
  for choice, line in (
    ("auto", "plain, since the device is a CPU"),
    ("plain", "plain, since runtime.attention is plain"),
  ):
    params = config_testing.changed(FITTING | {"runtime.attention": choice})
    assert not attention.is_fused(params, strategy)
    assert capsys.readouterr().out == f"attention: {line}\n"


def test_a_choice_must_be_known():
  message = config_testing.refused_changes({"runtime.attention": "flash"})
  assert message == (
    "runtime.attention must be one of auto, plain, fused. Received: 'flash'"
  )


@pytest.mark.parametrize("network", ["modernbert_decoder", "wmt_transformer"])
def test_some_networks_never_have_it(network):
  name = f"{network}/token_drop"
  refusal = config_testing.refused_changes(FITTING | FUSED, name)
  able = "one of bert, modernbert, gpt"
  assert refusal == f"the network must be {able} {WITH} {network}"
