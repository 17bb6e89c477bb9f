# SPDX-License-Identifier: Apache-2.0
"""Do the first bytes of a file look like UTF-8 text? If not, like what?"""

import codecs
import re

from token_dropping.common import errors

HEAD = 1 << 16  # bytes that are looked at
# Fewer than these characters that are no text, or on fewer lines, may be.
_FEW = 8
_SHARE_OF_LINES = 0.5
# How many characters of a line make it no text, of each kind.
_INVALID_SHARE, _CONTROL_SHARE = 0.01, 0.1

_INVALID = re.compile("[\udc80-\udcff]")  # as "surrogateescape" decodes bytes
# Not white space, nor what terminals and printers obey.
_CONTROL = re.compile("[\x00-\x06\x0e-\x1a\x7f]")

# What may be all of letters, but is not prose.
_KINDS_IN_LETTERS = (
  (rb"%PDF-\d", "a PDF file"),
  (rb"\{\\rtf\d", "an RTF document"),
  (rb".*?\x1b\$[()]?[@-D]", "ISO-2022 text of East Asia"),
  (
    rb"version https://git-lfs\.github\.com/",
    "a Git LFS pointer (`git lfs pull` fetches the file itself)",
  ),
)
_KINDS = (
  (rb"PK(\x03\x04|\x05\x06|\x07\x08)", "a zip archive, as .docx and .npz are"),
  (rb"\x1f\x8b", "gzip data"),
  (rb"BZh[1-9](1AY&SY|\x17rE8P)", "bzip2 data"),
  (rb"\xfd7zXZ\x00", "xz data"),
  (rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18", "zstd data"),
  (rb"\x04\x22\x4d\x18", "lz4 data"),
  (rb"7z\xbc\xaf\x27\x1c", "a 7z archive"),
  (rb"Rar!\x1a\x07", "a rar archive"),
  (rb".{257}ustar", "a tar archive"),
  (rb"\x89PNG\r\n", "a PNG picture"),
  (rb"\xff\xd8\xff", "a JPEG picture"),
  (rb"GIF8[79]a", "a GIF picture"),
  (rb"PAR1\x15", "a Parquet file"),
  (rb"ARROW1\x00", "an Arrow file"),
  (rb"\xff\xff\xff\xff.{3}\x00", "an Arrow stream"),
  (rb"Obj\x01", "an Avro file"),
  (rb"SQLite format 3\x00", "an SQLite database"),
  (rb"\x89HDF\r\n", "an HDF5 file"),
  (rb"\x93NUMPY", "a NumPy array"),
  (rb"\x80[\x02-\x05]", "a Python pickle"),
  (rb"\x7fELF", "a program (ELF)"),
  (rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office document"),
  # Byte-order marks; that of UTF-32 begins with that of UTF-16.
  (rb"\xff\xfe\x00\x00|\x00\x00\xfe\xff", "UTF-32 text"),
  (rb"\xff\xfe|\xfe\xff", "UTF-16 text"),
  # A length below 2^32, its checksum, and an Example in Protocol Buffers.
  (rb".{3}\x00{5}.{4}\n", "a TFRecord file"),
  (rb".{7}\x00\{\"", "a safetensors file"),
  (rb"([^\x00]\x00{3}|\x00{3}[^\x00]){2,}", "UTF-32 text without its mark"),
  (rb"([^\x00]\x00|\x00[^\x00]){4,}", "UTF-16 text without its mark"),
)


def require_text(head: bytes, name: str, path: str, also: str = "") -> None:
  """Refuses a file whose first bytes, up to `HEAD`, are not UTF-8 text.

  A few bad bytes are still text. `also` says what else `name` may be.
  """
  kind = describe(head)
  if kind:
    raise errors.UserError(
      f"{name} must be UTF-8 text{also}. Received: {path!r}, which seems to be "
      f"{kind}"
    )


def decode(
  content: bytes, name: str, path: str, handling: str = "strict", whole=True
) -> str:
  """Returns UTF-8 text; other bytes are a `UserError`, which calls it `name`.

  `handling` is of errors, as Python's codecs have it. What is not the whole
  file may end inside a character, which is left out.
  """
  require_text(content[:HEAD], name, path)
  try:
    return codecs.utf_8_decode(content, handling, whole)[0]
  except UnicodeDecodeError as error:
    raise errors.UserError(
      f"{name} must be UTF-8 text. Received: {path!r} ({error.reason} at byte "
      f"{error.start})"
    ) from error


def describe(head: bytes) -> str | None:
  """Says what the first bytes of a file seem to be; None: text.

  >>> describe(b"PK\\x03\\x04\\x14\\x00")
  'a zip archive, as .docx and .npz are'
  >>> describe("Früh am Morgen\\n".encode())
  """
  found = _find(_KINDS_IN_LETTERS, head)
  if found:
    return found
  decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
  text = decoder.decode(head)  # without a character that is cut
  if not (_INVALID.search(text) or _CONTROL.search(text)):
    return None
  return _find(_KINDS, head) or _describe_lines(text)


def _find(kinds: tuple[tuple[bytes, str], ...], head: bytes) -> str | None:
  return next(
    (kind for start, kind in kinds if re.match(start, head, re.DOTALL)), None
  )


def _describe_lines(text: str) -> str | None:
  lines = [line for line in text.split("\n") if line.strip()]
  invalid = [_share(_INVALID, line) for line in lines]
  control = [_share(_CONTROL, line) for line in lines]
  number = len(_INVALID.findall(text)) + len(_CONTROL.findall(text))
  is_control = sum(share > _CONTROL_SHARE for share in control)
  is_bad = sum(
    a > _INVALID_SHARE or b > _CONTROL_SHARE
    for a, b in zip(invalid, control, strict=True)
  )
  if number < _FEW or is_bad <= _SHARE_OF_LINES * len(lines):
    return None
  if is_control > _SHARE_OF_LINES * is_bad:
    return "binary data"
  return "binary data, or text in another encoding"


def _share(pattern: re.Pattern, line: str) -> float:
  return len(pattern.findall(line)) / len(line)
