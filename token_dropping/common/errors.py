# SPDX-License-Identifier: Apache-2.0
"""The one error type for wrong input, and how a command reports it."""

import contextlib
import io
import itertools
import re
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NoReturn

from absl import app
from absl import flags
from absl import logging

from token_dropping.common import signals

EXIT_CODE = 2
# What is no page or service that a message of a bug names.
_REMOTE = re.compile(r"\b(?!(?:https?|grpc)\b)[a-z][a-z0-9+]*://")


class UserError(ValueError):
  """Input that breaks a rule: a config value, a flag, a file, a record.

  The message is one line and says what, where, the rule and what was received.
  Commands print it without a stack trace; a trace is for bugs of ours only.
  """


class StoppedError(Exception):
  """A run that ended early, what it did is saved; `code` is for exit."""

  def __init__(self, message: str, code: int):
    super().__init__(message)
    self.code = code


def signal_code(number: int) -> int:
  """Returns the exit code that a shell shows for what a signal ended.

  >>> signal_code(signal.SIGINT), signal_code(signal.SIGTERM)
  (130, 143)
  """
  return 128 + number


def first_line(error: BaseException) -> str:
  """Returns what an error of a library says, without trace and operations."""
  line = str(error).strip().split("\n")[0]
  line = re.sub(r"\{\{.*?\}\} | \[Op:.*", "", line)
  # TensorFlow's words around an assertion's own.
  line = re.sub(r"^.*assertion failed: \[(.*)\]$", r"\1", line)
  return line or type(error).__name__


def require(condition: bool, rule: str, received) -> None:
  """Raises a `UserError` that says the rule, unless the condition holds."""
  if not condition:
    text = str(received)
    shown = text if len(text) <= 1000 else f"{text[:997]}..."
    raise UserError(f"{rule}. Received: {shown}")


@contextlib.contextmanager
def refusing(
  rule: str, received, *kinds: type[Exception], with_reason: bool = False
) -> Iterator[None]:
  """Raises a `UserError` that says the rule in place of some kinds of errors.

  With its reason it ends in what the error says. A `UserError` stays as it is.
  """
  try:
    yield
  except UserError:
    raise
  except kinds as error:
    reason = f" ({first_line(error)})" if with_reason else ""
    raise UserError(f"{rule}. Received: {received}{reason}") from error


@contextlib.contextmanager
def named(place: str) -> Iterator[None]:
  """Puts the place that a rule is of before a `ValueError`, which says it.

  Not all are a `UserError`: AutoGraph can only pass on Python's own.
  """
  try:
    yield
  except ValueError as error:
    raise UserError(f"{place}{error}") from error


def require_choice(value: str, choices: Iterable[str], path: str) -> None:
  """Refuses a value, at a dotted path, that is none of the choices."""
  rule = f"{path} must be one of {', '.join(choices)}"
  require(value in choices, rule, repr(value))


def check_flags(argv: list[str], values: flags.FlagValues, *names: str) -> None:
  """Refuses an argument that is no flag, and a flag of `names` left unset."""
  rule = "arguments must be flags, --name=value"
  for argument in argv[1:]:
    raise UserError(f"{rule}. Received: {argument!r}")
  for name in names:
    require(bool(values[name].value), f"--{name} must be set", "nothing")


def check_command(
  argv: list[str],
  values: flags.FlagValues,
  commands: Mapping[str, tuple[Sequence[str], Sequence[str]]],
) -> str:
  """Returns the command in `argv`; refuses missing flags, and those of others.

  `commands` has, by name, the flags that one needs and those that it may have.
  """
  rule = f"arguments must be {' or '.join(commands)}, and flags (--name=value)"
  is_one = len(argv) == 2 and argv[1] in commands
  require(is_one, rule, " ".join(argv[1:]) or "nothing")
  needed, allowed = commands[argv[1]]
  for name in needed:
    require(bool(values[name].value), f"--{name} must be set", "nothing")
  for name in itertools.chain(*itertools.chain(*commands.values())):
    fits = name in (*needed, *allowed) or not values[name].present
    rule = f"--{name} must be unset for {argv[1]}"
    require(fits, rule, repr(values[name].value))
  return argv[1]


def run_command(
  main: Callable[[list[str]], None],
  flags_parser: Callable[[list[str]], list[str]] = flags.FLAGS,
) -> NoReturn:
  """Runs a command's `main` as `absl.app.run` does, with the arguments left.

  It exits with 2 after a `UserError`, with its own code after a `StoppedError`,
  with 130 after Ctrl-C, with 2 also where a remote filesystem does not answer
  or memory is short.
  Library logs below warnings are shown only with `--verbosity`. `flags_parser`
  returns the arguments left; by default none of them may look like a flag.
  """

  def report(argv: list[str]) -> None:
    if not flags.FLAGS["verbosity"].present:
      logging.set_verbosity(logging.WARNING)
    if isinstance(sys.stdout, io.TextIOWrapper):  # text may be in any script
      sys.stdout.reconfigure(errors="backslashreplace")
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
      signal.signal(signal.SIGINT, signals.raising(_interrupt))
    try:
      main(argv)
    except StoppedError as stopped:
      print(stopped, file=sys.stderr)
      sys.exit(stopped.code)
    except KeyboardInterrupt:
      print("stopped by SIGINT", file=sys.stderr)
      sys.exit(signal_code(signal.SIGINT))
    except Exception as error:
      line = _one_line(error)
      if line is None:
        raise
      print(f"error: {line}", file=sys.stderr)
      sys.exit(EXIT_CODE)

  def parse(argv: list[str]) -> list[str]:
    try:
      return flags_parser(argv)
    except flags.Error as error:
      reason = " ".join(str(error).split())
      hint = "Pass --helpshort or --helpfull to see help on flags."
      sys.exit(f"FATAL Flags parsing error: {reason}\n{hint}")

  app.run(report, flags_parser=parse)


def _one_line(error: Exception) -> str | None:
  """Returns the line of what is no bug of ours; `None`: it may be one."""
  if isinstance(error, UserError):
    return str(error)
  if isinstance(error, UnicodeEncodeError):  # of a path
    return f"paths must be UTF-8. Received: {shorten(error.object)}"
  if _is_of_remote_file(error):
    reason = " ".join(str(error).split())
    return f"remote files must be within reach. Received: {reason}"
  if _is_lack_of_room(error):
    rule = "what is asked for must fit into memory and on disk"
    return f"{rule}. Received: {first_line(error)}"
  return None


def _interrupt(number: int) -> NoReturn:
  del number
  raise KeyboardInterrupt


def _is_of_remote_file(error: Exception) -> bool:
  """Says whether a filesystem that does not answer is behind an error."""
  is_tensorflow = type(error).__module__.endswith("framework.errors_impl")
  names_one = _REMOTE.search(str(error)) is not None
  return names_one and (isinstance(error, OSError) or is_tensorflow)


def _is_lack_of_room(error: Exception) -> bool:
  names = {type(error).__name__, type(error.__cause__).__name__}
  return isinstance(error, MemoryError) or "ResourceExhaustedError" in names


def shorten(value) -> str:
  """Returns how a received value is shown in a message, on one line."""
  text = repr(value)
  return text if len(text) <= 80 else f"{text[:77]}..."
