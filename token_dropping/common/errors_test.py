# SPDX-License-Identifier: Apache-2.0
"""Tests of how a command ends, in a process of its own."""

import os
import pathlib
import subprocess
import sys

import pytest

from token_dropping.common import errors

REMOTE = "error: remote files must be within reach. Received:"
ROOM = "error: what is asked for must fit into memory and on disk"
ROOT = pathlib.Path(__file__).parents[2]


def _run(body: str, *arguments: str) -> subprocess.CompletedProcess:
  """Runs a command whose `main` is one line of Python."""
  program = (
    "from absl import logging\n"
    "from token_dropping.common import errors\n"
    f"def main(argv): {body}\n"
    "errors.run_command(main)\n"
  )
  return subprocess.run(
    [sys.executable, "-c", program, *arguments],
    cwd=ROOT,
    env=os.environ | {"PYTHONPATH": str(ROOT)},
    stdin=subprocess.DEVNULL,
    capture_output=True,
    text=True,
    timeout=60,
  )


@pytest.mark.parametrize(
  ("body", "code", "stdout", "stderr"),
  [
    ("raise errors.UserError('x must be 1')", 2, "", "error: x must be 1\n"),
    ("raise errors.UserError('a') from KeyError('b')", 2, "", "error: a\n"),
    ("raise MemoryError('a')", 2, "", f"{ROOM}. Received: a\n"),
    ("raise errors.StoppedError('stopped', 3)", 3, "", "stopped\n"),
    (
      "raise OSError('no host for gs://a')",
      2,
      "",
      f"{REMOTE} no host for gs://a\n",
    ),
    (
      "'\\udcff'.encode()",
      2,
      "",
      "error: paths must be UTF-8. Received: '\\udcff'\n",
    ),
    ("raise KeyboardInterrupt", 130, "", "stopped by SIGINT\n"),
    ("raise SystemExit(7)", 7, "", ""),
    ("print('done \\udcff')", 0, "done \\udcff\n", ""),
  ],
)
def test_how_a_command_ends(body, code, stdout, stderr):
  result = _run(body)
  found = result.returncode, result.stdout, result.stderr
  assert found == (code, stdout, stderr)


@pytest.mark.parametrize(
  "body", ["raise ValueError('a bug')", "raise OSError('see https://a.b')"]
)
def test_other_exceptions_keep_their_trace(body):
  result = _run(body)
  assert result.returncode == 1
  assert "Traceback (most recent call last)" in result.stderr
  assert "Error: " in result.stderr.splitlines()[-1]
  assert "error: " not in result.stderr


def test_main_gets_what_no_flag_consumed():
  result = _run("print(argv[1:])", "--verbosity=0", "left", "over")
  assert result.stdout == "['left', 'over']\n"


def test_unknown_flag_is_one_line():
  result = _run("pass", "--no\nsuch\nflag=1")
  assert result.returncode == 1
  assert result.stderr.splitlines() == [
    "FATAL Flags parsing error: Unknown command line flag 'no such flag'",
    "Pass --helpshort or --helpfull to see help on flags.",
  ]


@pytest.mark.parametrize(
  ("flags", "shown"),
  [
    ([], ["warned", "error: rule"]),
    (["--verbosity=0"], ["informed", "warned", "error: rule"]),
    (["--verbosity=-2"], ["error: rule"]),
  ],
)
def test_verbosity_chooses_the_logs_but_not_user_errors(flags, shown):
  log = "logging.info('informed'); logging.warning('warned'); "
  stderr = _run(log + "raise errors.UserError('rule')", *flags).stderr
  texts = ("informed", "warned", "error: rule")
  assert [text for text in texts if text in stderr] == shown


def test_require():
  errors.require(True, "x must be 1", 1)
  with pytest.raises(ValueError, match="^x must be 1. Received: 2$"):
    errors.require(False, "x must be 1", 2)
  with pytest.raises(ValueError, match=r"^x. Received: \[0, .*\.\.\.$"):
    errors.require(False, "x", list(range(10**5)))


@pytest.mark.parametrize(
  ("raised", "with_reason", "message"),
  [
    (KeyError("b"), False, "x must be 1. Received: 7"),
    (ValueError("too\nlong"), True, "x must be 1. Received: 7 (too)"),
    (errors.UserError("y must be 1"), True, "y must be 1"),
  ],
)
def test_refusing(raised, with_reason, message):
  refusing = errors.refusing(
    "x must be 1", 7, KeyError, ValueError, with_reason=with_reason
  )
  with pytest.raises(errors.UserError) as refused, refusing:
    raise raised
  assert str(refused.value) == message


def test_named():
  named = errors.named("run a: ")
  with pytest.raises(errors.UserError, match="^run a: x must be 1$"), named:
    raise ValueError("x must be 1")
