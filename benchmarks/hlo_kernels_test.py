# SPDX-License-Identifier: Apache-2.0
"""Tests of reading kernels, by a program of which all can be counted."""

from benchmarks import hlo_kernels
from benchmarks import kernel_costs
from tests import hlo_testing

# B = 2, S = 16, N = 2, D = 12: states have 384 values, scores 1024.
KERNELS = {
  kernel.name: kernel
  for kernel in hlo_kernels.read_kernels(hlo_testing.PROGRAM)
}


def test_what_is_launched():
  assert {name: kernel.times for name, kernel in KERNELS.items()} == {
    "loop_fusion.1": 1,
    "gemm.1": 1,
    "softmax.1": 1,
    "gelu.1": 1,
    "fused.1": 1,
    "fused.2": 1,
    "in_loop.1": 3,  # as often as the loop turns
    "transpose.1": 1,
    "in_branch.1": 1,
    "in_call.1": 1,
    "scatter-start.1": 1,
  }


def test_bytes_are_operands_and_results():
  assert KERNELS["loop_fusion.1"].bytes == 384 * 4 + 384 * 2
  # Read and written, without the library's workspace.
  assert KERNELS["gemm.1"].bytes == 2 * (384 + 12 * 48 + 1536)
  assert KERNELS["softmax.1"].bytes == 1024 * 2 + 1024 * 4


def test_multiply_adds():
  adds = {name: each.multiply_adds() for name, each in KERNELS.items()}
  assert {name: count for name, count in adds.items() if count} == {
    "gemm.1": 32 * 48 * 12,
    "fused.1": 2 * 384 * 16,
    "fused.2": 5 * 384 * 16,
    "in_loop.1": 12 * 12 * 48,  # of the product inside
  }


def test_costs_by_class():
  costs = kernel_costs.costs_by_class(KERNELS.values(), hlo_testing.META)
  counts = {name: cost.kernels for name, cost in costs.items()}
  assert counts == {
    "fused attention": 2,
    "other products": 4,
    "attention's softmax and dropout": 1,
    "GELU and its bias": 1,
    "AdamW": 1,
    "head and loss": 1,
    "transposing, copying": 2,
    "norms, dropout, adds, the rest": 1,
    "sum": 13,
  }
  product = costs["other products"]
  assert product.operations == 2 * (32 * 48 * 12 + 3 * 12 * 12 * 48)
  in_loop = KERNELS["in_loop.1"].bytes
  assert product.bytes == KERNELS["gemm.1"].bytes + 3 * in_loop
  bandwidth, launch = kernel_costs.BANDWIDTH, kernel_costs.LAUNCH
  assert product.seconds == product.bytes / bandwidth + 4 * launch


def test_scores_are_known_by_their_axes():
  shapes = kernel_costs.Shapes(hlo_testing.META)  # K = 8, P = 3
  whole, joined = (
    [(2, 2, 16, 16), (2, 16, 2, 8), (2, 1, 2, 4, 16)],
    [(4, 16, 8)],
  )
  for sizes in (*whole, *joined, (64, 8), (12, 16)):
    assert shapes.are_scores(sizes), sizes
  for sizes in ((2, 16, 32), (2, 2, 16, 15), (2, 2, 15, 4)):
    assert not shapes.are_scores(sizes), sizes
  assert shapes.are_inner((32, 48)) and not shapes.are_inner((12, 48))
