# SPDX-License-Identifier: Apache-2.0
"""The report of a study: JSON, Markdown and a page."""

import os

from token_dropping import machines
from token_dropping import result_file
from token_dropping.study import comparison
from token_dropping.study import plan as plans
from token_dropping.study import tables


def write(plan: plans.Plan, results: list[dict], folder: str) -> str:
  """Writes `study.json` and `study.md`.

  Args:
    plan: the plan.
    results: of the runs that are complete, in the plan's order.
    folder: where to write.

  Returns:
    The tables, in Markdown.
  """
  os.makedirs(folder, exist_ok=True)
  rows = comparison.compare(results, plan.dense, list(plan.variants))
  content = {"plan": plan.name, "dense": plan.dense, "variants": rows}
  path = os.path.join(folder, "study")
  result_file.write_json(f"{path}.json", content | {"runs": results})
  text = _markdown(rows, results)
  with open(f"{path}.md", "w", encoding="utf-8") as file:
    file.write(text + "\n")
  return text


def _markdown(rows: list[dict], results: list[dict]) -> str:
  return "\n\n".join(
    [
      tables.markdown(tables.main_table(rows)),
      tables.markdown(tables.time_table(rows)),
      "\n".join(f"{line}." for line in provenance(results)),
    ]
  )


def provenance(results: list[dict]) -> list[str]:
  """Returns the machines, commits and days that results come from."""
  found = {
    f"{machines.describe(result['machine'])}, commit {result['commit']}, "
    f"{result['date']}"
    for result in results
  }
  return sorted(found)
