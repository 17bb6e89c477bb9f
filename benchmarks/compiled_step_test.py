# SPDX-License-Identifier: Apache-2.0
"""Tests of the command that says what an exported step costs on a GPU."""

import dataclasses
import gzip
import json
import os
import re
import subprocess
import sys

import pytest
from absl import flags

from benchmarks import compiled_step
from benchmarks import exported_step
from benchmarks import hlo_kernels
from benchmarks import step_case
from tests import hlo_testing
from tests import testing


def _run(*argv: str) -> None:
  values = flags.FlagValues()
  compiled_step.define_flags(values)
  compiled_step.main(values(["compiled_step", *argv]), values)


CASE = step_case.Case(
  width=64,
  num_layers=2,
  vocab_size=200,
  seq_length=2048,
  keep_ratio=0.5,
  batch_size=1,
  xla=True,
  dtype="bfloat16",
  dropout=0.0,
)


@pytest.fixture
def folder(tmp_path):
  (tmp_path / "meta.json").write_text(json.dumps(hlo_testing.META))
  text = f"// temporaries: {3 * 2**29} bytes\n{hlo_testing.PROGRAM}"
  program = gzip.compress(text.encode())
  (tmp_path / compiled_step.COMPILED).write_bytes(program)
  return tmp_path


def test_what_a_gpu_has_compiled_is_tabled(folder, capsys):
  _run(str(folder), "--kernels=2")
  first, *lines = capsys.readouterr().out.splitlines()
  assert first == f"{folder}: temporaries of 1.50 GiB"
  assert [line.split() for line in lines if line.startswith("sum")] == [
    ["sum", "13", "0.00", "0.00", "0.02"]
  ]
  assert lines[-2:] == [
    "  0.005 ms,    3 x other products: fusion "
    "bf16[12, 48] bf16[48, 12] -> bf16[12, 12]; ",
    "  0.002 ms,    1 x attention's softmax and dropout: fusion "
    "bf16[2, 2, 16, 16] -> f32[4, 16, 16]; step/layer/softmax",
  ]


def test_what_is_no_export_is_refused(folder):
  rule = "arguments must be folders with program.hlo.gz and meta.json"
  assert testing.refused(_run) == f"{rule}. Received: none"
  for missing in (compiled_step.COMPILED, "meta.json"):
    (folder / missing).unlink()
    assert testing.refused(_run, str(folder)) == f"{rule}. Received: {folder}"


@pytest.mark.parametrize("name", [compiled_step.COMPILED, "program.hlo.gz"])
def test_a_file_that_broke_off_is_named(folder, name):
  whole = (folder / compiled_step.COMPILED).read_bytes()
  (folder / name).write_bytes(whole[:-9])
  message = testing.refused(_run, str(folder))
  assert message.startswith(
    f"a file of an export must be whole. Received: {folder / name}: "
  )


def test_without_its_packages_it_says_what_to_install(folder, monkeypatch):
  monkeypatch.setitem(sys.modules, "jax_plugins.xla_cuda13", None)
  monkeypatch.setattr(os, "environ", dict(os.environ))
  (folder / compiled_step.COMPILED).rename(folder / compiled_step.PROGRAM)
  message = testing.refused(_run, str(folder))
  assert message.startswith(
    "compiling for an H100 needs JAX and XLA's compiler: pip install "
    "'token-dropping[gpu_model]'. Received: "
  )


def test_fused_attention_halves_the_memory(tmp_path):
  temporaries, calls = {}, {}
  for attention in step_case.ATTENTIONS:
    case = dataclasses.replace(CASE, attention=attention)
    folder = tmp_path / attention
    exported_step.export(case, step_case.OURS_DENSE, folder, with_values=False)
  # In a process of its own, as XLA reads its options once.
  module = [sys.executable, "-m", "benchmarks.compiled_step"]
  folders = [tmp_path / attention for attention in step_case.ATTENTIONS]
  done = subprocess.run([*module, *folders], capture_output=True, text=True)
  assert done.returncode == 0, done.stderr
  for folder in folders:
    packed = (folder / compiled_step.COMPILED).read_bytes()
    text = gzip.decompress(packed).decode()
    temporaries[folder.name] = int(re.search(r"\d+", text)[0])
    kernels = hlo_kernels.read_kernels(text)
    found = [each.target for each in kernels if "fmha" in each.target]
    calls[folder.name] = sorted(found)
  forward, backward = "__cudnn$fmhaSoftmax", "__cudnn$fmhaSoftmaxBackward"
  assert calls == {"plain": [], "fused": [forward] * 2 + [backward] * 2}
  assert temporaries["fused"] <= 0.5 * temporaries["plain"]
