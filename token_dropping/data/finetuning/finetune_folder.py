# SPDX-License-Identifier: Apache-2.0
"""The folder of fine-tuning data, whole when it has its name, and its card."""

from token_dropping.common import errors
from token_dropping.common import files
from token_dropping.common import plain_json

CARD = "finetune.json"
FORMAT_VERSION = 1
_FORM = {
  "task": str,
  "kind": str,
  "seq_length": int,
  "metrics": [str],
  "splits": {str: {"records": int, "labelled": bool}},
  "tokenizer": {"vocab_crc32": str},
  "submissions?": {str: str},
  "submission_labels?": [str],
}
_SENTENCES = {
  "labels": [str],
  "num_classes": int,
  "settings": {"text_column": str, "second_text_column": str},
}
_FORMS = {
  "classification": _SENTENCES,
  "regression": _SENTENCES,
  "span": {
    "version_2_with_negative": bool,
    "settings": {"doc_stride": int, "query_length": int},
  },
}
_FILES = {"files": {str: {"bytes": int, "crc32": str}}}


def read_card(folder: str) -> dict:
  """Reads `finetune.json` (docs/finetuning.md); checks that its files fit."""
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
  path = files.join(folder, CARD)
  plain_json.check(card, _FORM, path)
  errors.require_choice(card["kind"], _FORMS, f"kind in {path}")
  plain_json.check(card, _FORMS[card["kind"]], path)
  for name, entry in card["files"].items():
    path = files.join(folder, name)
    size = files.size(path)
    errors.require(
      size == entry["bytes"],
      f"{path} must have {entry['bytes']} bytes, as {CARD} says",
      "no such file" if size is None else f"{size} bytes",
    )
  return card


def find_ready(folder: str, settings: dict) -> dict | None:
  """Returns the card if data of these settings are there, whole; else None."""
  try:
    card = read_card(folder)
  except errors.UserError:
    return None
  return card if card["settings"] == settings else None


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


def write_card(folder: str, content: dict) -> dict:
  """Adds `format_version` and `files` to a card; writes and returns it."""
  listed = {
    name: files.describe(files.join(folder, name))
    for name in files.list_names(folder)
  }
  card = {"format_version": FORMAT_VERSION, **content, "files": listed}
  files.write_json(files.join(folder, CARD), card)
  return card


def _load(folder: str) -> dict | None:
  """Returns a card that lists files; None if there is no such thing."""
  path = files.join(folder, CARD)
  card = files.find_json(path)
  try:
    plain_json.check(card, _FILES, path)
  except errors.UserError:
    return None
  return card
