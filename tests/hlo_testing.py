# SPDX-License-Identifier: Apache-2.0
"""A small program of XLA for a GPU, as XLA prints it, and what it is for."""

import pathlib

META = {
  "batch_size": 2,
  "seq_length": 16,
  "keep": 8,
  "predictions": 3,
  "heads": 2,
  "width": 12,
}
PROGRAM = pathlib.Path(__file__).with_name("hlo_program.txt").read_text("utf-8")
