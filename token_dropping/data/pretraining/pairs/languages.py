# SPDX-License-Identifier: Apache-2.0
"""Codes of languages, which formats and people write in several ways."""

from collections.abc import Mapping


def matches(wanted: str, found: str) -> bool:
  """Says whether a text is of a wanted language.

  A code without a region means any, and a text without one may be of any.

  >>> matches("de", "de_AT"), matches("pt-BR", "pt"), matches("pt-BR", "pt_PT")
  (True, True, False)
  """
  one, two = (_parts(code) for code in (wanted, found))
  return all(a == b for a, b in zip(one, two, strict=False))


def find(wanted: str, texts: Mapping[str, str]) -> str | None:
  """Returns the text in a language, by its code; one of that very code first.

  >>> find("de", {"de-AT": "Jänner", "DE": "Januar", "en": "January"})
  'Januar'
  """
  for code in sorted(texts, key=lambda code: _parts(code) != _parts(wanted)):
    if matches(wanted, code):
      return texts[code]
  return None


def _parts(code: str) -> list[str]:
  return code.lower().replace("_", "-").split("-")
