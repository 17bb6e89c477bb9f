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
  name: str,
  plan: plans.Plan,
  results: list[dict],
  text: dict,
  folder: str,
  results_folder: str,
  steps: dict | None = None,
) -> str:
  """Writes `study.json` and `study.html`; beside the results, `study.md` and
  `loss.svg`.

  `steps` is what `step_times.measure` returned, if that is where the results
  have their `time` from. Returns the Markdown.
  """
  order = list(plan.variants)
  rows = comparison.compare(results, plan.dense, order)
  at_equal = {
    axis: comparison.compare_at_equal(results, order, axis)
    for axis in ("time", "multiply_adds")
  }
  content = {"plan": name, "dense": plan.dense, "text": text}
  content |= {"variants": rows, "at_equal": at_equal, "runs": results}
  shown = _tables(plan, results, rows, at_equal)
  notes = _notes(plan, results, text, steps)
  for path in (folder, results_folder):
    os.makedirs(path, exist_ok=True)
  files.write_json(os.path.join(folder, "study.json"), content)
  whole = _markdown(name, shown, notes)
  files.write(os.path.join(results_folder, "study.md"), whole + "\n")
  finalists = plots.draw_finalists(results, order)
  files.write(os.path.join(results_folder, "loss.svg"), finalists + "\n")
  page = _template().render(
    title=f"Study {name}",
    tables=shown,
    picture=plots.draw(results, order, text),
    notes=notes,
  )
  files.write(os.path.join(folder, "study.html"), page)
  return whole


def _tables(
  plan: plans.Plan, results: list[dict], rows: list[dict], at_equal: dict
) -> dict[str, tables.Table]:
  """Returns the tables that have something to say, by their titles."""
  order = list(plan.variants)
  by_run = comparison.compare_runs(results, plan.dense, order)
  scored = [row for row in rows if row["downstream"]]
  scores = tables.downstream_columns(scored)
  each = (*tables.RUNS, *scores[1::3])  # without differences and deviations
  found = {
    "Losses": tables.make_table(tables.LOSSES, rows),
    f"To equal loss, {plan.dense} = 1": tables.make_table(tables.SHARES, rows),
    "Loss at equal time, row less column": tables.at_equal(at_equal["time"]),
    "Loss at equal multiply-adds, row less column": tables.at_equal(
      at_equal["multiply_adds"]
    ),
    "Downstream": tables.make_table(scores, scored),
    "Time": tables.make_table(tables.TIME, rows),
    "Losses on the way, by step": tables.by_step(results, plan.dense, order),
    "Each run": tables.make_table(each, by_run),
    "What was dropped": tables.dropped_table(results, order),
  }
  return {
    title: table
    for title, table in found.items()
    if len(table) > 1 and len(table[0]) > 1
  }


def _markdown(
  name: str, shown: dict[str, tables.Table], notes: list[str]
) -> str:
  parts = [f"# Study {name}", *notes]
  for title, table in shown.items():
    parts += [f"## {title}", tables.markdown(table)]
  return "\n\n".join(parts)


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


def _notes(
  plan: plans.Plan, results: list[dict], text: dict, steps: dict | None
) -> list[str]:
  """Returns what a reader must know about the figures."""
  planned = sum(len(variant.seeds) for variant in plan.variants.values())
  dense = f"`{plan.dense}`"
  notes = [
    f"{len(results)} of {planned} runs. Loss and accuracy are of whole "
    "sequences; ± is the standard deviation over seeds. Minus dense: less what "
    f"{dense} of the same seed has, the mean over seeds and in brackets its "
    "95 % interval by Student's t. One in twenty misses; of two seeds it is 13 "
    "times as wide as what they differ by.",
    f"To equal loss: what a variant takes over what {dense} of the same seed "
    f"takes, to the loss that {dense} ends with, or, where the variant does "
    "not reach it, to the variant's. The mean is the geometric one, and the "
    "interval that of logarithms. At equal time: where the first of two runs "
    "of a seed ends; the other may not have lowered its learning rate yet.",
    "Time is that of training, without start-up, compiling and evaluation: "
    f"{_clock(steps)}. Seconds are the wall clock's of the run. Times on "
    "different machines are not compared. Downstream: the median of the "
    "fine-tunings of a run, ± over seeds, and the standard deviation over the "
    "fine-tunings of one run.",
  ]
  if text:
    pairs = text["bigram_loss"]
    notes.append(
      f"Unigram loss {text['unigram_loss']:.3f}, bigram loss "
      f"{'not known' if pairs is None else format(pairs, '.3f')} "
      f"({text['note']})."
    )
  return notes + sorted(set(map(_origin, results)))


def _clock(steps: dict | None) -> str:
  """Returns, as a part of a sentence, how `time` was measured."""
  if steps is None:
    return (
      "CPU seconds of its process, or, where a GPU computed, the wall clock's"
    )
  return (
    "the sum over its steps, those of all variants having been timed in turns, "
    f"in {steps['rounds']} rounds, on one machine ({_origin(steps)[:-1]})"
  )


def _origin(result: dict) -> str:
  machine = provenance.describe(result["machine"])
  return f"{machine}, commit {result['commit']}, {result['date']}."
