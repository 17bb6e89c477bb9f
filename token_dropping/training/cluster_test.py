# SPDX-License-Identifier: Apache-2.0
"""Tests of what `TF_CONFIG` may be, and what is said of it."""

import json

import pytest

from tests import testing
from token_dropping.training import cluster

ONE = ["a:1"]


def _config(workers=ONE, index=0, kind="worker", **more) -> str:
  task = {"type": kind, "index": index}
  return json.dumps({"cluster": {"worker": workers, **more}, "task": task})


@pytest.mark.parametrize(
  ("text", "number", "workers"),
  [
    (_config(), 1, 1),
    (_config(["a:1", "a:2"], index=1), 2, 2),
    (_config(["b:1", "c:1"], index=1, chief=ONE), 3, 3),
    (_config(["[::1]:65535"], kind="chief", chief=ONE), 1, 2),
  ],
)
def test_place(text, number, workers):
  assert cluster.read(text) == cluster.Place(number, workers)


@pytest.mark.parametrize(
  ("text", "problem"),
  [
    ("", "(Expecting value: line 1 column 1 (char 0))"),
    ("{'cluster': 1}", "(Expecting property name enclosed in double quotes: "),
    ("[" * 100_000, "(nested in more than 100 levels)"),
    ('{"task": {}, "task": {}}', "('task' twice in an object)"),
    *(
      (text, "(it must have the objects cluster and task)")
      for text in ("{}", "[]", "3", "null", '{"cluster": {"worker": ["a:1"]}}')
    ),
    ('{"cluster": 1, "task": {}}', "(it must have the objects cluster and"),
    ('{"cluster": {}, "task": {}}', "(cluster must have chief and worker alo"),
    (_config(ps=["b:1"]), "(cluster must have chief and worker alone"),
    (_config([]), "(cluster.worker must be a list of host:port)"),
    (_config("a:1"), "(cluster.worker must be a list of host:port)"),
    *(
      (_config([host]), f"a list of host:port, not {host!r})")
      for host in (
        1,
        "",
        "a",
        "a:",
        ":1",
        "http://a:1",
        "::1:1",
        "a:0",
        "a:65536",
      )
    ),
    (_config(chief=ONE), "(each address must stand there once)"),
    (_config(chief=["b:1", "c:1"]), "(cluster.chief must be one address)"),
    *(
      (_config(kind=kind), "(task.type must be one of worker)")
      for kind in ("evaluator", "chief", None, [])
    ),
    *(
      (_config(index=index), "(task.index must be a number in [0, 1))")
      for index in (1, -1, "0", 0.0, True, None)
    ),
  ],
)
def test_what_is_no_cluster_is_refused(text, problem):
  message = testing.refused(cluster.read, text)
  assert message.startswith("TF_CONFIG must be JSON as {")
  assert problem in message


def test_what_is_said(monkeypatch, capsys):
  monkeypatch.delenv(cluster.VARIABLE, raising=False)
  cluster.announce()
  assert capsys.readouterr().err == "note: TF_CONFIG is not set: one worker\n"
  monkeypatch.setenv(cluster.VARIABLE, _config())
  cluster.announce()
  assert "note: worker 1 of 1, which wait for" in capsys.readouterr().err
  cluster.doubt("tpu")
  monkeypatch.setenv(cluster.VARIABLE, "{}")
  cluster.doubt("tpu")
  assert not capsys.readouterr().err
  monkeypatch.setenv(cluster.VARIABLE, _config(["a:1", "a:2"]))
  cluster.doubt("tpu")
  assert "the 2 workers of TF_CONFIG to train" in capsys.readouterr().err
