# SPDX-License-Identifier: Apache-2.0
"""The report of a study: JSON, Markdown and a page that needs no other file."""

import os
import re
from importlib import resources

import jinja2
import markupsafe

from token_dropping.common import files
from token_dropping.common import provenance
from token_dropping.study import comparison
from token_dropping.study import plan as plans
from token_dropping.study import plots
from token_dropping.study import tables


def write(
  name: str, plan: plans.Plan, results: list[dict], text: dict, folder: str
) -> str:
  """Writes `study.json`, `study.md` and `study.html`; returns the Markdown."""
  os.makedirs(folder, exist_ok=True)
  order = list(plan.variants)
  timed = list(map(comparison.with_time, results))
  rows = comparison.compare(timed, plan.dense, order)
  path = os.path.join(folder, "study")
  content = {"plan": name, "dense": plan.dense, "text": text}
  content |= {"variants": rows, "runs": results}
  files.write_json(f"{path}.json", content)
  main = tables.make_table(tables.MAIN, rows)
  times = tables.make_table(tables.TIME, rows)
  notes = _notes(plan, results, text)
  whole = "\n\n".join([tables.markdown(main), tables.markdown(times), *notes])
  files.write(f"{path}.md", whole + "\n")
  page = _template().render(
    title=f"Study {name}",
    main=main,
    picture=plots.draw(timed, order, text),
    notes=notes,
    times=times,
    dropped=tables.dropped_table(results, order),
  )
  files.write(f"{path}.html", page)
  return whole


def _template() -> jinja2.Template:
  environment = jinja2.Environment(
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    keep_trailing_newline=True,
  )
  environment.filters["with_code"] = lambda note: markupsafe.Markup(
    re.sub(r"`(.+?)`", r"<code>\1</code>", str(markupsafe.escape(note)))
  )
  source = resources.files(__package__).joinpath("page.html")
  return environment.from_string(source.read_text("utf-8"))


def _notes(plan: plans.Plan, results: list[dict], text: dict) -> list[str]:
  """Returns what a reader must know about the figures."""
  planned = sum(len(variant.seeds) for variant in plan.variants.values())
  notes = [
    f"{len(results)} of {planned} runs. Loss and accuracy are of whole "
    "sequences; ± is the standard deviation over seeds. To equal loss: what "
    f"a variant takes over what `{plan.dense}` of the same seed takes, to the "
    f"loss that `{plan.dense}` ends with, or, where the variant does not reach "
    "it, to the variant's. Time is that of training, without start-up, "
    "compiling and evaluation: CPU seconds of its process, or, where a GPU "
    "computed, the wall clock's. Seconds are always the wall clock's. Times of "
    "runs on different machines are not compared."
  ]
  if text:
    pairs = text["bigram_loss"]
    notes.append(
      f"Unigram loss {text['unigram_loss']:.3f}, bigram loss "
      f"{'not known' if pairs is None else format(pairs, '.3f')} "
      f"({text['note']})."
    )
  origins = {
    f"{provenance.describe(result['machine'])}, commit {result['commit']}, "
    f"{result['date']}."
    for result in results
  }
  return notes + sorted(origins)
