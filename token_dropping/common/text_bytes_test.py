# SPDX-License-Identifier: Apache-2.0
"""Tests of what the first bytes of files are taken for."""

import bz2
import gzip
import io
import lzma
import pickle
import struct
import tarfile
import zipfile

import numpy as np
import pytest
from backports import zstd

from tests import testing
from token_dropping.common import text_bytes

TEXT = "It was dark – and cold.\nShe said: “Où est-il?”\n\n" * 20
# More than half of its lines have an accent.
FRENCH = "Où est-il passé?\nIl était là.\nNon.\n" * 20


def _zip() -> bytes:
  file = io.BytesIO()
  with zipfile.ZipFile(file, "w") as archive:
    archive.writestr("word/document.xml", TEXT)
  return file.getvalue()


def _tar() -> bytes:
  file = io.BytesIO()
  with tarfile.open(fileobj=file, mode="w") as archive:
    entry = tarfile.TarInfo("text.txt")
    entry.size = 5
    archive.addfile(entry, io.BytesIO(b"words"))
  return file.getvalue()


def _npy() -> bytes:
  file = io.BytesIO()
  np.save(file, np.arange(3))
  return file.getvalue()


@pytest.mark.parametrize(
  ("head", "kind"),
  [
    (_zip(), "zip archive"),
    (_tar(), "tar archive"),
    (gzip.compress(TEXT.encode()), "gzip data"),
    (bz2.compress(TEXT.encode()), "bzip2 data"),
    (lzma.compress(TEXT.encode()), "xz data"),
    (zstd.compress(TEXT.encode()), "zstd data"),
    (pickle.dumps({"text": TEXT}), "Python pickle"),
    (_npy(), "NumPy array"),
    (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "PDF file"),
    (b"{\\rtf1\\ansi words}", "RTF document"),
    ("朝早く\n".encode("iso2022_jp"), "ISO-2022 text"),
    (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
    (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "PNG picture"),
    (b"\xff\xd8\xff\xe0\x00\x10JFIF\x00", "JPEG picture"),
    (b"PAR1\x15\x04\x15\x10", "Parquet file"),
    (b"SQLite format 3\x00\x10\x00", "SQLite database"),
    (b"\x7fELF\x02\x01\x01\x00", "program"),
    (struct.pack("<QI", 30, 1 << 31) + b"\n\x1c\n\x1a", "TFRecord file"),
    (TEXT.encode("utf-16"), "UTF-16 text"),
    (TEXT.encode("utf-32"), "UTF-32 text"),
    (b"\xfe\xff" + "今天".encode("utf-16-be"), "UTF-16 text"),
    (TEXT.encode("utf-16-le"), "UTF-16 text without its mark"),
    (TEXT.encode("utf-16-be"), "UTF-16 text without its mark"),
    (TEXT.encode("utf-32-be"), "UTF-32 text without its mark"),
    (FRENCH.encode("latin-1"), "text in another encoding"),
    ("今天天气很好。\n".encode("gbk") * 9, "text in another encoding"),
    (bytes(1000), "binary data"),
    (np.random.default_rng(0).bytes(10_000), "binary data"),
  ],
  ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_text(head, kind):
  assert kind in text_bytes.describe(head)


@pytest.mark.parametrize(
  "head",
  [
    b"",
    b"a \xff\xfe",
    TEXT.encode(),
    TEXT.encode("utf-8-sig"),
    TEXT.encode()[:10],  # within a character
    FRENCH.encode() + b"\xe9t\xe9 caf\xe9\n" * 20,  # a part is Latin-1
    b"words \x00 and words\n" * 100,
    b"one\x01two and three words\n" * 100,
    b"\x1b[32mwords\x1b[0m\n" * 100,
    "今天天气很好。".encode() * 100,
    b"PK and PAR1 are letters; %PDF- is no start of text.",
    "\ufffd\ufffd words\n".encode() * 100,
  ],
  ids=lambda head: str(len(head)),
)
def test_text_with_a_few_bad_bytes_is_text(head):
  assert text_bytes.describe(head) is None


def test_message():
  message = testing.refused(
    text_bytes.require_text, _zip(), "input", "a.txt", " (or better)"
  )
  assert message == (
    "input must be UTF-8 text (or better). Received: 'a.txt', which seems to "
    "be a zip archive, as .docx and .npz are"
  )
