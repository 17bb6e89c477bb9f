# SPDX-License-Identifier: Apache-2.0
"""A worker process on this machine: Beam's own, without its reports."""

import logging
import os
import signal
import sys

logging.disable(logging.WARNING)
# At level 2 it would complain about the GPU that is hidden from it below.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# The workers are as many as the cores: one thread each.
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")
# Else TensorFlow would import Keras 3, a second and 85 MB that are not used.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
# TensorFlow would take all memory of the GPU that it does not need here.
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"


def main() -> None:
  """Works until the main process has no more to do, or is no more."""
  # Ctrl-C ends it at once, without a trace: the main process says it.
  signal.signal(signal.SIGINT, signal.SIG_DFL)
  from apache_beam.runners.worker import sdk_worker_main

  sdk_worker_main.main(sys.argv)


if __name__ == "__main__":
  main()
