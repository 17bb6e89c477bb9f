# SPDX-License-Identifier: Apache-2.0
"""Reads translation memories, `.tmx` (TMX 1.4b, LISA 2005), unit by unit."""

from collections.abc import Iterator
from xml.etree import ElementTree

from token_dropping.data.pretraining.corpus import text_lines

_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
# What these hold is code of another format.
_CODES = {"bpt", "ept", "it", "ph", "ut"}


def read_units(path: str) -> Iterator[dict[str, str]]:
  """Yields the texts of each unit by language; memory is that of a unit."""
  # The last two: an encoding that the parser does not know.
  damage = ElementTree.ParseError, LookupError, ValueError
  with text_lines.open_bytes(path, *damage) as stream:
    events = ElementTree.iterparse(stream, ("start", "end"))
    body = None
    for event, element in events:
      if event == "start" and element.tag == "body":
        body = element
      elif event == "end" and element.tag == "tu":
        yield dict(map(_text, element.iter("tuv")))
        if body is not None:
          body.clear()


def _text(variant: ElementTree.Element) -> tuple[str, str]:
  segment = variant.find("seg")
  code = variant.get(_LANGUAGE) or variant.get("lang", "")
  return code, "" if segment is None else "".join(_plain(segment))


def _plain(element: ElementTree.Element) -> Iterator[str]:
  yield element.text or ""
  for child in element:
    if child.tag not in _CODES:
      yield from _plain(child)
    yield child.tail or ""
