# SPDX-License-Identifier: Apache-2.0
"""Which of how many workers this process is, as `TF_CONFIG` says."""

import dataclasses
import os
import re
import sys

from token_dropping.common import errors
from token_dropping.common import plain_json

VARIABLE = "TF_CONFIG"
_JOBS = ("chief", "worker")  # the chief works, too
_ADDRESS = re.compile(r"(\[[\w:.%]+\]|[\w.-]+):(?P<port>\d{1,5})", re.ASCII)
_RULE = (
  f"{VARIABLE} must be JSON as "
  '{"cluster": {"worker": ["host:port", "host:port"]}, '
  '"task": {"type": "worker", "index": 0}}, the task one of the cluster'
)


@dataclasses.dataclass(frozen=True)
class Place:
  """The number of a worker, from 1 on, and how many there are."""

  number: int
  workers: int


def read(text: str) -> Place:
  """Reads the value of the variable; raises `UserError` where it is no cluster.

  >>> read('{"cluster": {"chief": ["a:1"], "worker": ["b:1"]}, '
  ...      '"task": {"type": "worker", "index": 0}}')
  Place(number=2, workers=2)
  """
  received = errors.shorten(text)
  with errors.refusing(_RULE, received, ValueError, with_reason=True):
    content = plain_json.loads(text)
  problem = _find_problem(content)
  errors.require(not problem, _RULE, f"{received} ({problem})")
  cluster, task = content["cluster"], content["task"]
  before = cluster.get("chief", []) if task["type"] == "worker" else []
  return Place(
    len(before) + task["index"] + 1, sum(len(a) for a in cluster.values())
  )


def _find_problem(content) -> str:
  """Returns what breaks the rule, or nothing."""
  cluster, task = (
    content.get(name) if isinstance(content, dict) else None
    for name in ("cluster", "task")
  )
  if not isinstance(cluster, dict) or not isinstance(task, dict):
    return "it must have the objects cluster and task"
  if not cluster or not set(cluster) <= set(_JOBS):
    return f"cluster must have {' and '.join(_JOBS)} alone, one of them or both"
  addresses = []
  for job, listed in cluster.items():
    if not isinstance(listed, list) or not listed:
      return f"cluster.{job} must be a list of host:port"
    if wrong := [address for address in listed if not _is_address(address)]:
      return f"cluster.{job} must be a list of host:port, not {wrong[0]!r}"
    addresses += listed
  if len(addresses) != len(set(addresses)):
    return "each address must stand there once"
  if len(cluster.get("chief", [""])) != 1:
    return "cluster.chief must be one address"
  job, index = task.get("type"), task.get("index")
  if not isinstance(job, str) or job not in cluster:
    return f"task.type must be one of {', '.join(cluster)}"
  if type(index) is not int or not 0 <= index < len(cluster[job]):
    return f"task.index must be a number in [0, {len(cluster[job])})"
  return ""


def _is_address(value) -> bool:
  found = _ADDRESS.fullmatch(value) if isinstance(value, str) else None
  return found is not None and 0 < int(found["port"]) < 1 << 16


def announce() -> None:
  """Says which worker this is, before it waits for the others."""
  text = os.environ.get(VARIABLE)
  if text is None:
    print(f"note: {VARIABLE} is not set: one worker", file=sys.stderr)
    return
  place = read(text)
  which = f"{place.number} of {place.workers}"
  print(f"note: worker {which}, which wait for one another", file=sys.stderr)


def doubt(strategy: str) -> None:
  """Warns where several workers are named, and each would train alone."""
  try:
    workers = read(os.environ.get(VARIABLE, "")).workers
  except errors.UserError:  # meant for somebody else
    return
  if workers > 1:
    print(
      "warning: runtime.distribution_strategy should be multi_worker_mirrored "
      f"for the {workers} workers of {VARIABLE} to train together, not each "
      f"alone. Received: {strategy!r}",
      file=sys.stderr,
    )
