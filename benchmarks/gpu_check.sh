#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Measures exported steps and PyTorch's on a GPU, in under eight minutes.
#
#   bash gpu_check.sh OUT
#
# In the folder of this script lie run_exported_step.py, torch_bert.py and the
# folder exports (docs/benchmarks.md says how it is made); JAX and PyTorch for the
# GPU are installed. OUT gets what they print and the programs as compiled.
set -u
out=$(realpath -m "$1")
mkdir -p "$out"
cd "$(dirname "$0")" || exit 1
export XLA_FLAGS="--xla_gpu_enable_triton_gemm=false ${XLA_FLAGS:-}"

# Fused attention against the plain one, both against TensorFlow on a CPU.
timeout 80 python3 run_exported_step.py exports/small_*/* --rounds 2 2>&1 |
  tee "$out/numbers.log"
timeout 260 python3 run_exported_step.py exports/before/* exports/after/* \
  --rounds 10 --chain 10 1 --programs "$out/programs" 2>&1 |
  tee "$out/steps.log"
timeout 140 python3 torch_bert.py --seq 512 2048 --batch 32 8 --chain 10 \
  --attention_dropout 0 2>&1 | tee "$out/torch.log"
