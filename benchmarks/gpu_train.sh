#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Trains exported networks on a GPU, each for equal time: two in under ten minutes.
#
#   bash gpu_train.sh OUT [SECONDS]
#
# In the folder of this script lie run_exported_training.py, run_exported_step.py and
# the folder exports (docs/benchmarks.md says how it is made); JAX for the GPU is installed.
# OUT gets what is printed, and for each network its curve and weights.
set -u
out=$(realpath -m "$1")
mkdir -p "$out"
cd "$(dirname "$0")" || exit 1
export XLA_FLAGS="--xla_gpu_enable_triton_gemm=false ${XLA_FLAGS:-}"

timeout 580 python3 run_exported_training.py exports/*/ --output_dir "$out" \
  --seconds "${2:-200}" --evaluate_every 20 2>&1 | tee "$out/training.log"
