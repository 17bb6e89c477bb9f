# SPDX-License-Identifier: Apache-2.0
"""Reads gettext catalogues, `.po` and `.mo`, by `polib`: messages and texts."""

import gettext
import io
import re
import struct
from typing import NamedTuple

from token_dropping.common import extras
from token_dropping.data.pretraining.corpus import text_lines

# The language of `locale/de/LC_MESSAGES/app.po`, or of `de.po`.
_IN_PATH = re.compile(
  r"(?:^|/)([^/]+)/LC_MESSAGES/[^/]+$|(?:^|/)([^/]+)\.[pm]o$"
)


class Catalogue(NamedTuple):
  """Translated messages: `language`, a code, is that of the second texts."""

  language: str
  pairs: list[tuple[str, str]]


def read(path: str, kind: str) -> Catalogue:
  """Reads what is translated, neither fuzzy nor obsolete; raises `UserError`.

  Of a message with plural forms that is the singular and the first plural.
  """
  need = "reading .po and .mo files needs polib"
  polib = extras.require("polib", need, "data")
  damage = ValueError, LookupError, struct.error
  with text_lines.open_bytes(path, *damage) as stream:
    content = stream.read()
    if kind == "mo":
      gettext.GNUTranslations(io.BytesIO(content))  # polib reads cut ones
      entries = polib.mofile(content)
    else:
      entries = polib.pofile(content.decode(_encoding(content)))
  pairs = [
    pair for entry in entries.translated_entries() for pair in _of(entry)
  ]
  return Catalogue(_language(entries, path), pairs)


def _of(entry) -> list[tuple[str, str]]:
  if not entry.msgid_plural:
    return [(entry.msgid, entry.msgstr)]
  forms = entry.msgstr_plural
  pairs = [(entry.msgid, forms.get(0, ""))]
  return pairs + [(entry.msgid_plural, forms[1])] * (1 in forms)


def _encoding(content: bytes) -> str:
  found = re.search(rb"charset=([\w.:-]+)", content)
  name = found.group(1).decode() if found else "utf-8"
  return "utf-8" if name == "CHARSET" else name  # of a template


def _language(entries, path: str) -> str:
  named = entries.metadata.get("Language", "").strip()
  found = _IN_PATH.search(path)
  return named or (found and (found.group(1) or found.group(2))) or ""
