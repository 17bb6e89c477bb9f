# SPDX-License-Identifier: Apache-2.0
"""Tests of Debian's pairs, without fetching any."""

import pathlib

from benchmarks import debian_pairs
from benchmarks import packages

LISTS = {
  "Packages": ["Package: a\nSource: s (1)\nSize: 1", "Package: b\nSource: s"],
  "Translations": [
    "Package: c\nDescription-md5: 3\nDescription-en: three",
    "Package: c\nDescription-md5: 3\nDescription-de: drei\n .\n mehr",
    "Package: b\nDescription-md5: 2\nDescription-de: zwei\n Ein Text.",
    "Package: b\nDescription-md5: 2\nDescription-en: two\n A\n text.",
    "Package: a\nDescription-md5: 1\nDescription-en: one",
    "Package: a\nDescription-md5: 1\nDescription-de: eins",
    "",
  ],
}


def test_descriptions_of_a_source_are_together(tmp_path, monkeypatch):
  monkeypatch.setattr(packages, "update_apt", lambda *_: ["apt-get"])
  monkeypatch.setattr(
    packages, "index_stanzas", lambda _, kind, __: LISTS[kind]
  )
  found = list(debian_pairs.descriptions(tmp_path))
  assert found == [[("one", "eins"), ("two", "zwei"), ("A text.", "Ein Text.")]]


def test_pages_that_are_there_in_both_languages(tmp_path, monkeypatch):
  def run(command: list[str], folder: pathlib.Path) -> str:
    for name in ("en-US/text/a", "de/text/a", "de/text/b"):
      page = folder / f"pages/usr/share/libreoffice/help/{name}.html"
      page.parent.mkdir(parents=True, exist_ok=True)
      only = '<p id="par_id2">x</p>' if "de/" in name else ""
      page.write_text(f'<p class="y" id="par_id1">{name[:2]}</p>{only}')
    return ""

  monkeypatch.setattr(packages, "run", run)
  found = list(debian_pairs.libreoffice_help(tmp_path))
  assert found == [[("en", "de")]]
