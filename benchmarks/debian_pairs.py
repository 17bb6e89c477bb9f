# SPDX-License-Identifier: Apache-2.0
"""English-German pairs of Debian, which change with its packages.

Translated descriptions of packages, as free as these, and the help of
LibreOffice (MPL-2.0). Both are of the release whose apt this machine has.
"""

import html
import pathlib
import re
from collections.abc import Iterator

from benchmarks import packages

Pairs = list[tuple[str, str]]
_FIELD = re.compile(r"(?m)^([\w-]+): ?(.*(?:\n .*)*)")
_CODE = re.compile(r"(?m)^ [\s*-]")  # lists and code, in a description
# A paragraph or heading of a page, and what it is called in all languages.
_MARKED = re.compile(
  r'(?s)<(p|h\d)\b[^>]*\bid="((?:par|hd)_id[^"]*)".*?>(.*?)</\1>'
)
_HELP = "libreoffice-help-en-us", "libreoffice-help-de"
_FOLDERS = "en-US", "de"


def descriptions(scratch: pathlib.Path) -> Iterator[Pairs]:
  """Yields the pairs of the packages of each source, in the order of names."""
  apt = packages.update_apt(scratch, "en,de")
  sources, texts = {}, {}
  for stanza in packages.index_stanzas(apt, "Packages", scratch):
    fields = dict(_FIELD.findall(stanza))
    name = fields.get("Package")
    sources[name] = fields.get("Source", name).split(" ")[0] if name else ""
  for stanza in packages.index_stanzas(apt, "Translations", scratch):
    fields = dict(_FIELD.findall(stanza))
    place = (
      sources.get(fields.get("Package"), ""),
      fields.get("Description-md5", ""),
    )
    texts.setdefault(place, {}).update(fields)
  found: dict[str, dict] = {}
  for (source, _), fields in sorted(texts.items(), key=lambda item: item[0]):
    both = [fields.get(f"Description-{code}", "") for code in ("en", "de")]
    found.setdefault(source, {}).update(dict.fromkeys(of_descriptions(*both)))
  yield from filter(None, map(list, found.values()))


def of_descriptions(english: str, german: str) -> Pairs:
  """Returns the pairs of a description, those of its paragraphs of text.

  There are none where one has more paragraphs than the other.

  >>> of_descriptions("a game\\n It is\\n old.\\n .\\n  * fun",
  ...                 "ein Spiel\\n Es ist alt.\\n .\\n  * Spaß")
  [('a game', 'ein Spiel'), ('It is old.', 'Es ist alt.')]
  """
  sides = [_paragraphs(text) for text in (english, german)]
  if len(sides[0]) != len(sides[1]):
    return []
  return [pair for pair in zip(*sides, strict=True) if all(pair)]


def _paragraphs(description: str) -> list[str]:
  """Returns the first line and the paragraphs; lists and code are empty."""
  first, _, rest = description.partition("\n")
  parts = re.split(r"(?m)^ \.$", rest)
  texts = ("" if _CODE.search(part) else part for part in parts)
  return [" ".join(text.split()) for text in (first, *texts)]


def libreoffice_help(scratch: pathlib.Path) -> Iterator[Pairs]:
  """Yields the pairs of each page that is there in both languages."""
  apt = packages.update_apt(scratch, "none")
  packages.run([*apt, "download", *_HELP], scratch)
  for archive in sorted(scratch.glob("*.deb")):
    packages.run(["dpkg-deb", "-x", archive.name, "pages"], scratch)
  root = scratch / "pages/usr/share/libreoffice/help"
  ours, theirs = (root / name / "text" for name in _FOLDERS)
  for page in sorted(theirs.rglob("*.html")):
    twin = ours / page.relative_to(theirs)
    if twin.exists():
      english, german = (of_page(one.read_text()) for one in (twin, page))
      yield [
        (english[name], german[name]) for name in english if name in german
      ]


def of_page(text: str) -> dict[str, str]:
  """Returns the paragraphs and headings of a page by their names.

  >>> of_page('<h1 id="hd_id1"><a>Save</a> &amp; go</h1><p id="par_id2"></p>')
  {'hd_id1': 'Save & go'}
  """
  found = {}
  for _, name, content in _MARKED.findall(text):
    words = html.unescape(re.sub(r"<[^>]+>", "", content)).split()
    if words:
      found.setdefault(name, " ".join(words))
  return found


READERS = {
  "debian-descriptions": descriptions,
  "libreoffice-help": libreoffice_help,
}
