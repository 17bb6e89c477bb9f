# SPDX-License-Identifier: Apache-2.0
"""Tests of how a command ends, in a process of its own."""

import os
import pathlib
import subprocess
import sys

import pytest

from token_dropping.common import errors

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


def test_user_error_is_one_line_and_exit_code_2():
  result = _run(
    "raise errors.UserError('steps must be at least 1. Received: 0')"
  )
  assert result.returncode == 2
  assert result.stderr == "error: steps must be at least 1. Received: 0\n"
  assert result.stdout == ""


def test_chained_user_error_hides_its_cause():
  result = _run("raise errors.UserError('rule') from KeyError('cause')")
  assert result.stderr == "error: rule\n"


@pytest.mark.parametrize("kind", ["ValueError", "KeyError", "RuntimeError"])
def test_other_exceptions_keep_their_trace(kind):
  result = _run(f"raise {kind}('a bug')")
  assert result.returncode == 1
  assert "Traceback (most recent call last)" in result.stderr
  assert f"{kind}: " in result.stderr and "a bug" in result.stderr
  assert "error: " not in result.stderr


def test_success_is_exit_code_0():
  result = _run("print('done')")
  assert (result.returncode, result.stdout) == (0, "done\n")
  assert result.stderr == ""


def test_main_chooses_another_exit_code():
  assert _run("raise SystemExit(7)").returncode == 7


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


LOG = "logging.info('informed'); logging.warning('warned')"


def test_logs_below_warnings_are_quiet():
  result = _run(LOG)
  assert "warned" in result.stderr
  assert "informed" not in result.stderr


@pytest.mark.parametrize(
  ("flag", "shown"),
  [
    ("--verbosity=0", ["informed", "warned"]),
    ("--verbosity=-1", ["warned"]),
    ("--verbosity=-2", []),
  ],
)
def test_verbosity_chooses_the_logs(flag, shown):
  stderr = _run(LOG, flag).stderr
  assert [word for word in ("informed", "warned") if word in stderr] == shown


def test_user_error_is_shown_at_any_verbosity():
  result = _run("raise errors.UserError('rule')", "--verbosity=-3")
  assert (result.returncode, result.stderr) == (2, "error: rule\n")


def test_user_error_is_a_value_error():
  assert issubclass(errors.UserError, ValueError)


def test_require():
  errors.require(True, "x must be 1", 1)
  with pytest.raises(errors.UserError, match="^x must be 1. Received: 2$"):
    errors.require(False, "x must be 1", 2)
