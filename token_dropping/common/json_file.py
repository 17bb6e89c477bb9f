# SPDX-License-Identifier: Apache-2.0
"""JSON files of a Hugging Face folder."""

import json

from token_dropping.common import errors


def read(path: str) -> dict:
  """Returns the content of a file that holds one JSON object.

  Raises:
    UserError: unreadable, or something else.
  """
  try:
    with open(path, "rb") as file:
      content = json.loads(file.read())
  except OSError as error:
    raise errors.UserError(
      f"--input must be readable. Received: {path!r} ({error.strerror})"
    ) from error
  except ValueError as error:
    raise errors.UserError(f"{path} must be JSON. Received: {error}") from error
  if not isinstance(content, dict):
    raise errors.UserError(
      f"{path} must hold a JSON object. Received: {type(content).__name__}"
    )
  return content


def write(path: str, content: dict) -> None:
  """Writes a JSON object."""
  with open(path, "w", encoding="utf-8") as file:
    json.dump(content, file, indent=2, ensure_ascii=False)
    file.write("\n")
