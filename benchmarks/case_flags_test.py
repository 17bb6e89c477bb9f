# SPDX-License-Identifier: Apache-2.0
"""Tests of the flags that say which steps are meant."""

import pytest
from absl import flags

from benchmarks import case_flags
from benchmarks import step_case
from tests import testing


def _read(*argv: str) -> list[step_case.Case]:
  values = flags.FlagValues()
  case_flags.define(values)
  values(["command", *argv])
  case_flags.read_contenders(values)
  return case_flags.read_cases(values)


def test_default_is_the_whole_grid():
  cases = _read()
  assert len(set(cases)) == 3 * 4 * 4 * 2 * 2
  assert cases[0] == step_case.Case(
    256, 12, 30522, 128, 1.0, 8, True, "float32", 0.1
  )
  batches = {case.seq_length: case.batch_size for case in cases}
  assert batches == {128: 8, 512: 2, 1024: 1, 2048: 1}


def test_one_batch_size_is_for_all_lengths():
  argv = (
    *("--widths=32,128", "--seq_lengths=16,32", "--batch_sizes=3"),
    *("--num_layers=2", "--vocab_size=150", "--keep_ratios=0.5"),
    *("--xla=off", "--dtypes=bfloat16", "--norm_first"),
    *("--dropout=0", "--attention_dropout=0.2"),
  )
  assert _read(*argv) == [
    step_case.Case(
      *(width, 2, 150, length, 0.5, 3, False, "bfloat16", 0.0, True, 0.2)
    )
    for width in (32, 128)
    for length in (16, 32)
  ]


_WIDTHS = "be multiples of 64, or smaller even numbers"


@pytest.mark.parametrize(
  ("flag", "rule"),
  [
    *((f"widths={value}", _WIDTHS) for value in ("100", "9", "0", "-64", "")),
    ("seq_lengths=128,1", "be whole numbers above 1"),
    ("seq_lengths=12.5", "be whole numbers above 1"),
    ("keep_ratios=0.5,1.5", "be numbers in (0, 1]"),
    ("keep_ratios=half", "be numbers in (0, 1]"),
    ("keep_ratios=nan", "be numbers in (0, 1]"),
    ("batch_sizes=0", "be positive whole numbers"),
    ("batch_sizes=1,2", "be one, or one for each of 4 sequence lengths"),
    ("xla=yes", "be some of on, off"),
    ("xla=", "be some of on, off"),
    ("dtypes=float16", "be some of float32, bfloat16"),
    ("num_layers=1", "be at least 2"),
    ("vocab_size=104", "be above 104, the special ids"),
    ("dropout=1.0", "be in [0, 1)"),
    ("attention_dropout=-0.5", "be in [0, 1)"),
    ("contenders=jax", f"be some of {', '.join(step_case.CONTENDERS)}"),
    ("attention=", "be one of plain, fused"),
  ],
)
def test_wrong_flags(flag, rule):
  name, _, value = flag.partition("=")
  message = testing.refused(_read, f"--{flag}")
  assert message == f"--{name} must {rule}. Received: {value}"


@pytest.mark.parametrize(
  ("argv", "received"),
  [
    (("--dtypes=bfloat16",), "0.1 and bfloat16"),
    (("--attention_dropout=0",), "0 and float32"),
  ],
)
def test_what_cannot_be_fused(argv, received):
  message = testing.refused(_read, "--attention=fused", *argv)
  assert message == (
    "--attention_dropout must be 0 and --dtypes bfloat16 with "
    f"--attention=fused. Received: {received}"
  )


def test_a_file_is_no_folder_for_output(tmp_path):
  path = tmp_path / "file"
  path.touch()
  values = flags.FlagValues()
  flags.DEFINE_string("output_dir", str(path), "", flag_values=values)
  values.mark_as_parsed()
  assert testing.refused(case_flags.make_output_dir, values) == (
    f"--output_dir must be a writable folder. Received: '{path}' (File exists)"
  )
