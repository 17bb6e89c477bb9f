# SPDX-License-Identifier: Apache-2.0
"""The one error type for wrong input, and how a command reports it."""

import re
import sys
from collections.abc import Callable
from typing import NoReturn

from absl import app
from absl import flags
from absl import logging

EXIT_CODE = 2


class UserError(ValueError):
  """Input that breaks a rule: a config value, a flag, a file, a record.

  The message is one line and says what, where, the rule and what was received.
  Commands print it without a stack trace; a trace is for bugs of ours only.
  """


class StoppedError(Exception):
  """A run that ended early because it was asked to, with all it did saved.

  `code` is the exit code of the command.
  """

  def __init__(self, message: str, code: int):
    super().__init__(message)
    self.code = code


def first_line(error: BaseException) -> str:
  """Returns what an error of a library says, without trace and operations."""
  line = str(error).strip().split("\n")[0]
  return re.sub(r"\{\{.*?\}\} | \[Op:.*", "", line) or type(error).__name__


def require(condition: bool, rule: str, received) -> None:
  """Raises `UserError` unless a condition holds.

  Args:
    condition: what is true unless the rule is broken.
    rule: what must hold, such as `"trainer.train_steps must be at least 1"`.
    received: what was there instead, as it is to be shown.
  """
  if not condition:
    raise UserError(f"{rule}. Received: {received}")


def run_command(
  main: Callable[[list[str]], None],
  flags_parser: Callable[[list[str]], list[str]] = flags.FLAGS,
) -> NoReturn:
  """Runs a command's `main` as `absl.app.run` does, reporting `UserError`.

  Library logs stay quiet below warnings unless `--verbosity` is given.

  It exits with code 2 after a `UserError`, with its own after a `StoppedError`.

  Args:
    main: the command; takes the arguments that no flag consumed.
    flags_parser: sets the flags and returns the arguments that are left; by
      default none of them may look like a flag.
  """

  def report(argv: list[str]) -> None:
    if not flags.FLAGS["verbosity"].present:
      logging.set_verbosity(logging.WARNING)
    try:
      main(argv)
    except UserError as error:
      print(f"error: {error}", file=sys.stderr)
      sys.exit(EXIT_CODE)
    except StoppedError as stopped:
      print(stopped, file=sys.stderr)
      sys.exit(stopped.code)

  app.run(report, flags_parser=lambda argv: _parse(flags_parser, argv))


def _parse(
  flags_parser: Callable[[list[str]], list[str]], argv: list[str]
) -> list[str]:
  try:
    return flags_parser(argv)
  except flags.Error as error:
    reason = " ".join(str(error).split())
    print(f"FATAL Flags parsing error: {reason}", file=sys.stderr)
    print(
      "Pass --helpshort or --helpfull to see help on flags.", file=sys.stderr
    )
    sys.exit(1)


def shorten(value) -> str:
  """Returns how a received value is shown in a message, on one line."""
  text = repr(value)
  return text if len(text) <= 80 else f"{text[:77]}..."
