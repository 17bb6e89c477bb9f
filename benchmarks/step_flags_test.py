# SPDX-License-Identifier: Apache-2.0
"""Tests of the flags of `step_time`: what they mean and what is refused."""

import importlib.util

import pytest
from absl import flags

from benchmarks import step_case
from benchmarks import step_flags
from token_dropping.common import errors


def _parse(*argv: str) -> flags.FlagValues:
  values = flags.FlagValues()
  step_flags.define_flags(values)
  values(["step_time", *argv])
  return values


def test_default_is_the_whole_grid():
  cases = step_flags.read_cases(_parse())
  assert len(set(cases)) == 3 * 4 * 4 * 2 * 2
  assert cases[0] == step_case.Case(
    256, 12, 30522, 128, 1.0, 8, True, "float32", 0.1
  )
  batches = {case.seq_length: case.batch_size for case in cases}
  assert batches == {128: 8, 512: 2, 1024: 1, 2048: 1}


def test_one_batch_size_is_for_all_lengths():
  cases = step_flags.read_cases(
    _parse(
      "--widths=32,128",
      "--seq_lengths=16,32",
      "--keep_ratios=0.5",
      "--batch_sizes=3",
      "--xla=off",
      "--dtypes=bfloat16",
      "--num_layers=4",
      "--vocab_size=200",
      "--dropout=0",
    )
  )
  assert cases == [
    step_case.Case(width, 4, 200, length, 0.5, 3, False, "bfloat16", 0.0)
    for width in (32, 128)
    for length in (16, 32)
  ]


@pytest.mark.parametrize(
  ("argv", "message"),
  [
    (
      ["--widths=100"],
      "--widths must be whole numbers, multiples of 64 or smaller ones. "
      "Received: 100",
    ),
    (["--widths=0"], "--widths must be whole numbers, mult"),
    (["--widths=-64"], "--widths must be whole numbers, mult"),
    (["--widths="], "--widths must be whole numbers, mult"),
    (
      ["--seq_lengths=128,1"],
      "--seq_lengths must be whole numbers above 1. Received: 128,1",
    ),
    (["--seq_lengths=12.5"], "whole numbers above 1. Received: 12.5"),
    (
      ["--keep_ratios=0.5,1.5"],
      "--keep_ratios must be numbers in (0, 1]. Received: 0.5,1.5",
    ),
    (["--keep_ratios=half"], "numbers in (0, 1]. Received: half"),
    (["--keep_ratios=nan"], "numbers in (0, 1]. Received: nan"),
    (
      ["--batch_sizes=0"],
      "--batch_sizes must be positive whole numbers. Received: 0",
    ),
    (
      ["--batch_sizes=1,2"],
      "--batch_sizes must be one, or one for each of 4 sequence lengths. "
      "Received: 1,2",
    ),
    (["--xla=yes"], "--xla must be some of on, off. Received: yes"),
    (["--xla="], "--xla must be some of on, off. Received: "),
    (
      ["--dtypes=float16"],
      "--dtypes must be some of float32, bfloat16. Received: float16",
    ),
    (["--num_layers=1"], "--num_layers must be at least 2. Received: 1"),
    (
      ["--vocab_size=104"],
      "--vocab_size must be above 104, the special ids. Received: 104",
    ),
    (["--dropout=1"], "--dropout must be in [0, 1). Received: 1.0"),
    (["--steps=0"], "--steps must be positive. Received: 0"),
  ],
)
def test_wrong_case(argv, message):
  with pytest.raises(errors.UserError) as caught:
    step_flags.read_cases(_parse(*argv))
  assert message in str(caught.value)


@pytest.mark.parametrize(
  ("names", "message"),
  [
    (
      "dense,jax",
      "--contenders must be some of dense, published, ours, recommended, "
      "layerwise, torch. Received: dense,jax",
    ),
    (
      "ours",
      "--contenders must name dense, which the others are compared with. "
      "Received: ours",
    ),
  ],
)
def test_wrong_contenders(names, message):
  with pytest.raises(errors.UserError) as caught:
    step_flags.read_contenders(_parse(f"--contenders={names}"))
  assert str(caught.value) == message


def test_contenders_are_in_one_order():
  assert step_flags.read_contenders(_parse("--contenders=ours,dense")) == (
    "dense",
    "ours",
  )
  assert step_flags.read_contenders(_parse()) == step_case.CONTENDERS


def test_torch_is_left_out_where_it_is_missing(monkeypatch, capsys):
  monkeypatch.setattr(
    importlib.util, "find_spec", lambda name: None if name == "torch" else name
  )
  assert "torch" not in step_flags.read_contenders(_parse())
  assert capsys.readouterr().err == (
    "torch is left out: torch and transformers are not installed\n"
  )


def test_torch_is_left_out_beside_a_tpu(capsys):
  assert "torch" not in step_flags.read_contenders(_parse("--tpu=local"))
  assert "it would run on the CPU" in capsys.readouterr().err
