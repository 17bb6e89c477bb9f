# SPDX-License-Identifier: Apache-2.0
"""The machine, the software and the commit that a figure comes from."""

import importlib.metadata
import importlib.util
import os
import pathlib
import platform
import re
import subprocess
from collections.abc import Sequence

import tensorflow as tf

_ROOT = pathlib.Path(__file__).parents[2]
# What `this_machine` returns, for `plain_json.check`.
FORM = {
  "processor": str,
  "cores": int,
  "memory_gib": float,
  "gpus": [str],
  "python": str,
  "versions": {str: str},
}


def this_machine(packages: Sequence[str]) -> dict:
  """Returns this machine and the versions of the packages it has installed."""
  modules = {"tf-models-official": "official"}
  versions = {
    name: importlib.metadata.version(name)
    for name in packages
    if importlib.util.find_spec(modules.get(name, name))
  }
  memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
  about = pathlib.Path("/proc/cpuinfo").read_text()
  model = re.search(r"^model name\s*: (.+)$", about, re.M)
  name = model.group(1) if model else "processor"
  return {
    "processor": f"{platform.machine()} {name}",
    "cores": len(os.sched_getaffinity(0)),
    "memory_gib": round(memory / 2**30, 1),
    "gpus": [
      tf.config.experimental.get_device_details(gpu).get("device_name", "GPU")
      for gpu in tf.config.list_physical_devices("GPU")
    ],
    "python": platform.python_version(),
    "versions": versions,
  }


def describe(machine: dict) -> str:
  """Returns a machine in words."""
  software = {"Python": machine["python"]} | machine["versions"]
  parts = [machine["processor"], f"{machine['cores']} cores"]
  parts += [f"{machine['memory_gib']} GiB", *machine["gpus"]]
  return ", ".join(parts + [f"{name} {v}" for name, v in software.items()])


def commit() -> str:
  """Returns the commit of this code, `-dirty` if files differ from it."""
  command = ["git", "describe", "--always", "--dirty", "--exclude=*"]
  done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True)
  return done.stdout.strip() or "unknown"
