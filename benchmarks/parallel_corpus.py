# SPDX-License-Identifier: Apache-2.0
"""Real English-German pairs: texts of programs, from packages that stay.

    python -m benchmarks.parallel_corpus --output_dir=pairs

writes a table of each, `NAME.tsv`: English, tab, German, an empty line after
each file of the package. Digests are checked.

* `homeassistant`, 32,870 pairs: PyPI `homeassistant` 2025.4.4, Apache-2.0;
* `frontend`, 12,100: PyPI `home-assistant-frontend` 20260128.6, Apache-2.0;
* `gramps`, 7,273: PyPI `gramps` 6.0.8, GPL-2.0-or-later;
* `weblate`, 5,478: PyPI `Weblate` 2026.10.1, GPL-3.0-or-later;
* `spyder`, 1,895: PyPI `spyder` 6.1.8, MIT;
* `wagtail`, 2,096: PyPI `wagtail` 8.0.1, BSD-3-Clause;
* `django`, 963: PyPI `Django` 6.1.3, BSD-3-Clause.

Needs `pip`, and polib, of the extra `data`. Running text, and only if it is
asked for, is that of Debian, whose packages change and have no digest; on
machines with `apt-get`:

* `debian-descriptions`, 31,519 in bookworm: descriptions of packages;
* `libreoffice-help`, 35,262: LibreOffice's help, MPL-2.0.
"""

import hashlib
import json
import os
import pathlib
import re
import tempfile
import zipfile
from collections.abc import Iterator, Sequence

from absl import flags

from benchmarks import case_flags
from benchmarks import debian_pairs
from benchmarks import packages
from token_dropping.common import errors
from token_dropping.common import files
from token_dropping.data.pretraining.pairs import catalogues

PACKAGES = {
  "homeassistant": "homeassistant==2025.4.4",
  "frontend": "home-assistant-frontend==20260128.6",
  "gramps": "gramps==6.0.8",
  "weblate": "Weblate==2026.10.1",
  "spyder": "spyder==6.1.8",
  "wagtail": "wagtail==8.0.1",
  "django": "Django==6.1.3",
}
# SHA-256 of the tables.
DIGESTS = {
  "homeassistant": (
    "8d77d5590a4b38931727908232efc764c91fa6bf759abd0f613fd077ba5bce08"
  ),
  "frontend": (
    "9bf3f6464f788ad17cbad4de2a538804e25959e05f1f744260f8f8f1457197e7"
  ),
  "gramps": (
    "f51386adbe711c84474b9d97b30cefbb7a4615bc1f89fad63f6729f741ca9b7c"
  ),
  "weblate": (
    "402e6a26bb9d02fdcf63918b53c0fb237861471119f9e9d32c5df1cc5be50ff1"
  ),
  "spyder": (
    "9e571534668cf2aa0ee3219c2e9686d1dc0cea1fb2006bf187401ada4b1962fa"
  ),
  "wagtail": (
    "88f5f948af05e87f40fe1f68c7e354c4294d58a3b109642b54521b6af7e5b31d"
  ),
  "django": (
    "c2117057511c70839845693024bf3578387ecb88324b3d784db6fb56a1b53709"
  ),
}
_CATALOGUE = re.compile(r"/de(_DE)?/LC_MESSAGES/[^/]+\.([pm]o)$")
# `de.json` beside `en.json`, or both with a digest of all of them.
_TREE = r"{}(-[0-9a-f]{{32}})?\.json"
_GERMAN = re.compile(_TREE.format("(?P<folder>.*/)de"))

Pairs = Iterator[tuple[str, str]]


def check_names(names: Sequence[str]) -> None:
  """Refuses what is none of `PACKAGES`, nor of Debian."""
  known = *PACKAGES, *debian_pairs.READERS
  rule = f"--corpus must be some of {', '.join(known)}"
  fits = names and set(names) <= set(known)
  errors.require(fits, rule, ",".join(names) or "nothing")


def fetch(name: str, folder: str) -> str:
  """Fetches a package's pairs, unless `folder` holds them; their path."""
  path = os.path.join(folder, f"{name}.tsv")
  if not os.path.exists(path):
    os.makedirs(folder, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder_of_package:
      scratch = pathlib.Path(folder_of_package)
      if name in debian_pairs.READERS:
        documents = debian_pairs.READERS[name](scratch)
      else:
        documents = read_wheel(packages.download(PACKAGES[name], scratch))
      text = "".join(map(_table, documents))
    digest = hashlib.sha256(text.encode()).hexdigest()
    rule = f"the pairs of {name} must have the SHA-256 {DIGESTS.get(name)}"
    errors.require(DIGESTS.get(name, digest) == digest, rule, digest)
    files.write(path, text)
  return path


def read_wheel(path: pathlib.Path) -> Iterator[list[tuple[str, str]]]:
  """Yields the pairs of each of a wheel's files, in the order of names."""
  with zipfile.ZipFile(path) as wheel, tempfile.TemporaryDirectory() as scratch:
    names = sorted(wheel.namelist())
    for name in names:
      if found := _GERMAN.fullmatch(name):
        twin = re.compile(_TREE.format(f"{re.escape(found['folder'])}en"))
        for english in filter(twin.fullmatch, names):
          trees = (json.loads(wheel.read(n)) for n in (english, name))
          yield list(of_trees(*trees))
      # What is compiled of a catalogue that is there says the same.
      elif (found := _CATALOGUE.search(name)) and (
        found[2] == "po" or f"{name[:-2]}po" not in names
      ):
        yield catalogues.read(wheel.extract(name, scratch), found[2]).pairs


def of_trees(english, german) -> Pairs:
  """Yields the texts in the same places of two trees of JSON.

  >>> list(of_trees({"a": {"b": "x"}, "c": "z"}, {"a": {"b": "y"}, "d": "z"}))
  [('x', 'y')]
  """
  if isinstance(english, dict) and isinstance(german, dict):
    for name, value in english.items():
      yield from of_trees(value, german.get(name))
  elif isinstance(english, str) and isinstance(german, str):
    yield english, german


def _table(pairs: list[tuple[str, str]]) -> str:
  lines = ("\t".join(" ".join(text.split()) for text in pair) for pair in pairs)
  return "".join(f"{line}\n" for line in lines) + "\n"


def _main(argv: list[str]) -> None:
  values = flags.FLAGS
  errors.check_flags(argv, values, "output_dir")
  check_names(values.corpus)
  case_flags.make_output_dir(values)
  for name in values.corpus:
    print(fetch(name, values.output_dir))


if __name__ == "__main__":
  flags.DEFINE_string("output_dir", None, "Folder for the tables.")
  flags.DEFINE_list("corpus", list(PACKAGES), "What to fetch.")
  errors.run_command(_main)
