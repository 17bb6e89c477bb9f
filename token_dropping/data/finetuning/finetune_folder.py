# SPDX-License-Identifier: Apache-2.0
"""The folder of prepared fine-tuning data: is it ready, and how it is made.

Everything is written to a new folder beside the final one, the card last, and
renamed when it is complete. So under its final name there is only whole data.
"""

from collections.abc import Callable, Iterator

from token_dropping.common import errors
from token_dropping.common import files

CARD = "finetune.json"
FORMAT_VERSION = 1
describe = files.describe


def read_card(folder: str) -> dict:
  """Reads the card of prepared data and checks that its files are there.

  Returns:
    The content of `finetune.json`, explained in docs/finetuning.md.

  Raises:
    UserError: no such folder, no card, not one of `FORMAT_VERSION`, or a file
      is missing or has another size.
  """
  card = _load(folder)
  errors.require(
    card,
    "fine-tuning data must be a folder that token_dropping.data.finetune "
    f"made, with {CARD}",
    repr(folder),
  )
  errors.require(
    card.get("format_version") == FORMAT_VERSION,
    f"{CARD} must have format_version {FORMAT_VERSION}",
    f"{card.get('format_version')!r} in {files.join(folder, CARD)}",
  )
  for path, size, listed in _sizes(folder, card):
    errors.require(
      size == listed,
      f"{path} must have {listed} bytes, as {CARD} says",
      "no such file" if size is None else f"{size} bytes",
    )
  return card


def find_ready(folder: str, settings: dict) -> dict | None:
  """Returns the card if data of these settings are there, whole; else None."""
  card = _load(folder)
  ready = (
    card is not None
    and card.get("format_version") == FORMAT_VERSION
    and card["settings"] == settings
    and all(size == listed for _, size, listed in _sizes(folder, card))
  )
  return card if ready else None


def check_replaceable(folder: str) -> None:
  """Refuses a file, and a folder with files that no card of ours lists."""
  is_file = files.exists(folder) and not files.is_folder(folder)
  rule = "output_dir must be a folder"
  errors.require(not is_file, rule, f"{folder!r}, a file")
  ours = {CARD, *(_load(folder) or {}).get("files", {})}
  for name in files.list_names(folder):
    errors.require(
      name in ours,
      "output_dir must not hold files that this command did not make",
      f"{folder!r} with {name}",
    )


def make(folder: str, write: Callable[[str], dict]) -> dict:
  """Makes a folder that `check_replaceable` has accepted; returns its card.

  Args:
    folder: whole in the end, or as it was before.
    write: writes all files but the card to the folder that it is given, and
      returns the content of the card. `files` and `format_version` are added.

  Raises:
    UserError: the folder is not writable; and what `write` raises.
  """
  with files.new_folder(folder) as work:
    card = {"format_version": FORMAT_VERSION} | write(work)
    card["files"] = {
      name: files.describe(files.join(work, name))
      for name in files.list_names(work)
    }
    files.write_json(files.join(work, CARD), card)
  return card


def _load(folder: str) -> dict | None:
  """Returns a card that lists files; None if there is no such thing."""
  card = files.find_json(files.join(folder, CARD))
  return card if card and isinstance(card.get("files"), dict) else None


def _sizes(folder: str, card: dict) -> Iterator[tuple[str, int | None, int]]:
  """Yields path, size (None: no such file) and listed size of each file."""
  for name, entry in card["files"].items():
    path = files.join(folder, name)
    yield path, files.size(path), entry["bytes"]
