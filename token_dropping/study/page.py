# SPDX-License-Identifier: Apache-2.0
"""The report of a study as a page that needs no other file."""

import html
import re

from token_dropping.study import tables

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2em auto; max-width: 80em;
  padding: 0 1em; color: #222; }
table { border-collapse: collapse; margin: 1em 0; display: block;
  overflow-x: auto; }
th, td { padding: 0.25em 0.7em; border-bottom: 1px solid #ccc;
  text-align: right; }
th:first-child, td:first-child, .words td { text-align: left; }
svg { max-width: 100%; height: auto; }
"""


def render(
  title: str,
  notes: list[str],
  found: list[tables.Table],
  picture: str,
  dropped: tables.Table,
) -> str:
  """Returns the page.

  Args:
    title: of the page.
    notes: paragraphs of text, in which `x` is code.
    found: tables of figures.
    picture: an `<svg>` element.
    dropped: table on what was dropped.
  """
  parts = [
    f"<h1>{html.escape(title)}</h1>",
    _table(found[0]),
    picture,
    *(f"<p>{_text(note)}</p>" for note in notes),
    *map(_table, found[1:]),
    "<h2>What was dropped</h2>",
    _table(dropped, "words"),
  ]
  return (
    '<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="utf-8">'
    f"<title>{html.escape(title)}</title><style>{_STYLE}</style></head>\n<body>\n"
    + "\n".join(parts)
    + "\n</body>\n</html>\n"
  )


def _text(note: str) -> str:
  return re.sub(r"`(.+?)`", r"<code>\1</code>", html.escape(note))


def _table(table: tables.Table, kind: str = "figures") -> str:
  head, *rows = table
  lines = [_row(head, "th"), *(_row(row, "td") for row in rows)]
  return f'<table class="{kind}">\n' + "\n".join(lines) + "\n</table>"


def _row(cells: list[str], tag: str) -> str:
  inner = "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells)
  return f"<tr>{inner}</tr>"
