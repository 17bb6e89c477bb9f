# SPDX-License-Identifier: Apache-2.0
"""Becomes another command, on some cores, that ends when its parent does.

    python -m token_dropping.study.child 0,1 python -m token_dropping.train ...

Without this a run would live on after its study was killed, and the next one
find its folder in use.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # of <sys/prctl.h>


def main(argv: list[str]) -> None:
  """Runs the command; does not return.

  Args:
    argv: the program, cores with commas between them, and the command.
  """
  cores = [int(core) for core in argv[1].split(",")]
  os.sched_setaffinity(0, cores)
  # The parent may have ended before this line: then there is nobody to tell.
  ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
  threads = {
    f"{name}_NUM_{kind}THREADS": str(len(cores))
    for name, kind in (("TF", "INTRAOP_"), ("TF", "INTEROP_"), ("OMP", ""))
  }
  os.execvpe(argv[2], argv[2:], os.environ | threads)


if __name__ == "__main__":
  main(sys.argv)
