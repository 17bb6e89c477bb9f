# SPDX-License-Identifier: Apache-2.0
"""Tests of the page, as a file and in a browser."""

import dataclasses
import re
import types

import numpy as np
import pandas as pd
import pytest

from tests import browser_testing
from tests import drops_testing
from token_dropping.common import vocabulary
from token_dropping.explain import dropping
from token_dropping.explain import findings as findings_lib
from token_dropping.explain import page
from token_dropping.explain import sequences
from token_dropping.explain import source_text
from token_dropping.explain import table_history
from token_dropping.models.bert import encoder_config

VOCAB = vocabulary.Vocabulary(
  (*vocabulary.SPECIAL_TOKENS, "un", "##able", "<b>", "the")
)
SCORES = np.array([1e4, 2.5, 9.25, 7.0, 1.0, 1e4])
COMPUTED = np.array([1, 0, 1, 0.5, 0, 1])


@pytest.fixture(scope="module")
def findings():
  """Of `[CLS] unable <b> the [SEP]`."""
  row = sequences.from_ids(np.array([2, 5, 6, 7, 8, 3]), np.zeros(6), VOCAB)
  losses = [np.array([np.nan, 3.0, 8.0, 7.0, 0.5, np.nan])]
  return findings_lib.Findings(
    run=types.SimpleNamespace(
      model_dir="runs/<a>",
      step=1200,
      kind="masked_lm",
      tokenizer=types.SimpleNamespace(names=VOCAB.tokens),
      encoder=encoder_config.TokenDropEncoderConfig(),
    ),
    plan=drops_testing.make_plan(6),
    source=source_text.SourceText("--text", [row], False),
    droppings=[dropping.Dropping(SCORES, COMPUTED)],
    losses=losses,
    scores=pd.DataFrame({1200: [np.nan] * 5 + [2.5, 9.25, 7.0, 1.0]}),
    quantiles=pd.DataFrame(
      [[1.0, 2, 3, 4, 5], [2, 3, 4, 5, 6]], [600, 1200], table_history.SHARES
    ),
  )


@pytest.fixture(scope="module")
def shown(findings):
  return page.render(findings)


def test_the_page_names_run_plan_and_text_and_has_figures_as_text(shown):
  for part in (
    "<dd>runs/&lt;a&gt;, step 1,200",
    "<dd>skip: 50% of the tokens from layer 2, all again from layer 5",
    "<dd>4 tokens in 1 sequence of --text",
    "<dd>58.3% of the tokens",
    "<figcaption>Kept share by part of the sentence</figcaption>",
    '<tr><th scope="row">once</th><td>37.5%</td><td>4 tokens</td></tr>',
    '<tr><th scope="row">600</th><td>1.00</td><td>2.00</td><td>3.00</td>',
    "“&lt;b&gt;”",  # a line of the history
  ):
    assert part in shown
  assert "<b>" not in shown  # text cannot become markup


def test_the_page_refers_to_nothing_outside(shown):
  names = r' xmlns(:xlink)?="http://www.w3.org/[\w/]+"'  # not addresses
  shown = re.sub(names, "", shown)
  assert not re.search(r"https?:|url\((?!#)|@import|\ssrc=", shown)
  references = re.findall(r'href="([^#][^"]*)"', shown)
  assert references == ["data:,"]  # and parts of the drawings


def test_without_history_a_line_says_why(findings):
  empty = {"scores": pd.DataFrame(), "quantiles": pd.DataFrame()}
  shown = page.render(dataclasses.replace(findings, **empty))
  assert "No history of the importance" in shown
  assert "Importance over training" not in shown


# What a reader sees, and what happens when they point and press keys.
_LOOK = """
const text = document.getElementById("text");
const tip = document.getElementById("tip");
const tokens = [...text.querySelectorAll(".t")];
const seen = token => { const style = getComputedStyle(token);
  return {text: token.textContent, kind: token.className, color: style.color,
          weight: style.fontWeight, tip: token.dataset.tip,
          label: token.getAttribute("aria-label")}; };
const result = {
  ready: document.documentElement.dataset.ready,
  card: getComputedStyle(text.firstElementChild).backgroundColor,
  tokens: tokens.map(seen),
  words: [...text.querySelectorAll(".word")].map(w => w.textContent),
  charts: [...document.querySelectorAll("svg")].map(
    svg => svg.getBoundingClientRect().height > 50)};
tokens[2].dispatchEvent(new PointerEvent("pointerover", {bubbles: true}));
result.pointed = tip.hidden ? null : tip.textContent;
text.dispatchEvent(new PointerEvent("pointerleave"));
result.left = tip.hidden;
result.stops = tokens.filter(token => token.tabIndex === 0).length;
tokens[0].focus();
for (const key of ["ArrowRight", "ArrowRight", "ArrowLeft"])
  document.activeElement.dispatchEvent(
    new KeyboardEvent("keydown", {key, bubbles: true}));
result.focused = document.activeElement.textContent;
if (!document.hasFocus())  // a window in the background gets no such events
  document.activeElement.dispatchEvent(
    new FocusEvent("focusin", {bubbles: true}));
result.focusTip = tip.hidden ? null : tip.textContent;
const shade = document.querySelector("input[value=importance]");
const background = () => getComputedStyle(tokens[2]).backgroundColor;
result.plain = background();
shade.click();
result.shaded = background();
return result;
"""


@pytest.fixture(scope="module")
def seen(shown, tmp_path_factory):
  """What a browser makes of the page, without a problem."""
  seen = browser_testing.evaluate(shown, _LOOK, tmp_path_factory.mktemp("page"))
  assert (seen["problems"], seen["requests"]) == ([], [])
  return seen["result"]


def _contrast(color: str, background: str) -> float:
  """The contrast of two colours as WCAG 2.2 defines it, 1 to 21."""
  lights = sorted([_luminance(color), _luminance(background)])
  return (lights[1] + 0.05) / (lights[0] + 0.05)


def _luminance(color: str) -> float:
  numbers = [float(n) for n in re.findall(r"[\d.]+", color.split("srgb")[-1])]
  scale = 1 if "srgb" in color else 255
  parts = np.array(numbers[:3]) / scale
  linear = np.where(
    parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4
  )
  return float(linear @ [0.2126, 0.7152, 0.0722])


def test_browser_runs_the_page(seen):
  assert seen["ready"] == "yes"
  assert seen["charts"] == [True] * 4
  assert seen["words"] == ["[CLS]", "unable", "<b>", "the", "[SEP]"]


def test_browser_shows_kept_dark_and_dropped_pale(seen):
  tokens, card = seen["tokens"], seen["card"]
  contrast = [_contrast(token["color"], card) for token in tokens]
  _, dropped, kept, partly, *_ = contrast
  assert kept > 15
  assert 4.5 <= dropped < 6  # WCAG's least for text
  assert dropped < partly < kept
  assert int(tokens[2]["weight"]) > int(tokens[1]["weight"])
  kinds = ["kept special", "dropped", "kept", "part", "dropped", "kept special"]
  assert [token["kind"] for token in tokens] == [f"t {kind}" for kind in kinds]


def test_browser_shows_importance_under_pointer_and_focus(seen):
  assert seen["pointed"] == (
    "##able · kept\nimportance 9.250 nats\nmasked-LM loss 8.00 nats"
  )
  assert seen["left"]
  assert seen["stops"] == 1  # the arrow keys do the rest
  assert seen["focused"] == "un"
  assert seen["focusTip"].startswith("un · dropped\nimportance 2.500 nats")
  tips = [token["tip"] for token in seen["tokens"]]
  assert tips[0] == "[CLS] · kept\nimportance pinned: always kept"
  assert tips[3].startswith("<b> · in 50% of the middle layers")
  assert all(t["label"].endswith(t["tip"]) for t in seen["tokens"])
  assert seen["plain"] == "rgba(0, 0, 0, 0)"
  assert seen["shaded"] != seen["plain"]


def test_missing_browser_is_a_failure_where_it_is_required(monkeypatch):
  monkeypatch.setenv("PATH", "")
  monkeypatch.setenv(browser_testing.REQUIRED, "1")
  with pytest.raises(pytest.fail.Exception, match="none of chromium"):
    browser_testing.find_browser()
  monkeypatch.delenv(browser_testing.REQUIRED)
  with pytest.raises(pytest.skip.Exception, match="apt install chromium"):
    browser_testing.find_browser()
