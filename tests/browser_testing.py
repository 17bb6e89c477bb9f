# SPDX-License-Identifier: Apache-2.0
"""Opens a page in a real browser, Chromium without a window."""

import html
import json
import os
import pathlib
import re
import shutil
import subprocess

import pytest

# Set where a missing browser is a failure, as in CI.
REQUIRED = "BROWSER_TESTS_REQUIRED"
_NAMES = ("chromium", "chromium-browser", "google-chrome")
_SECONDS = 120
_FLAGS = (
  *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"),
  *("--disable-sync", "--disable-dev-shm-usage", "--no-first-run"),
  *("--disable-background-networking", "--disable-component-update"),
)
# Before everything else on the page, to hear of every error.
_LISTENERS = """<script>
window.problems = [];
addEventListener("error", event => problems.push(event.message));
document.addEventListener("securitypolicyviolation",
                          event => problems.push(event.blockedURI));
</script>"""
_REPORT = """<script>
(() => {
  const result = (() => { %s })();
  const report = document.createElement("pre");
  report.id = "report";
  report.textContent = JSON.stringify({
    result, problems,
    requests: performance.getEntriesByType("resource").map(e => e.name)});
  document.body.append(report);
})();
</script>"""


def find_browser() -> str:
  """Returns the path of a browser; skips the test where there is none."""
  path = next(filter(None, map(shutil.which, _NAMES)), None)
  if path is None and os.environ.get(REQUIRED):
    pytest.fail(f"{REQUIRED} is set and none of {', '.join(_NAMES)} is there")
  if path is None:
    pytest.skip("needs a browser (Debian: apt install chromium)")
  return path


def evaluate(page: str, script: str, folder: pathlib.Path) -> dict:
  """Loads a page as a file and runs a script, the body of a function, on it.

  Returns its `result`, `problems`, messages of errors and blocked addresses,
  and `requests`, what else was loaded; `folder` is for the browser's files.
  """
  file = folder / "page.html"
  head, end = page.split("<style>", 1)
  file.write_text(f"{head}{_LISTENERS}<style>{end}{_REPORT % script}", "utf-8")
  profile = f"--user-data-dir={folder / 'browser'}"
  process = subprocess.run(
    [find_browser(), *_FLAGS, profile, "--dump-dom", file.as_uri()],
    capture_output=True,
    text=True,
    timeout=_SECONDS,
    env=os.environ | {"HOME": str(folder)},
  )
  report = re.search(r'<pre id="report">(.*)</pre>', process.stdout, re.DOTALL)
  assert report, f"no report; the browser said {process.stderr[-2000:]}"
  return json.loads(html.unescape(report.group(1)))
