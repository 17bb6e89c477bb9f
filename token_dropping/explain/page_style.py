# SPDX-License-Identifier: Apache-2.0
"""Style sheet and script of the page.

Colours: blue for what is kept and orange for what is dropped, which people with
any colour blindness tell apart; dropped words differ by lightness and weight
too, and stay at a contrast of 4.5 to 1 with the page.
"""

STYLE = """
:root {
  color-scheme: light dark;
  --page: #fdfcf9; --card: #ffffff; --edge: #e2ded4; --quiet: #5f6168;
  --ink: #101218; --pale: #6f7074; --kept: #0b62a8; --dropped: #b75a00;
  --band: #0b62a8; --focus: #0b62a8; --heat: 11 98 168;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #14161b; --card: #1b1e25; --edge: #343944; --quiet: #a2a8b3;
    --ink: #f5f6f8; --pale: #868b95; --kept: #6cb4f0; --dropped: #f0a45a;
    --band: #6cb4f0; --focus: #8cc6f7; --heat: 108 180 240;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.55 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif;
}
main { max-width: 70rem; margin: 0 auto; padding: 2rem 1.25rem 6rem; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 1rem; }
h2 { font-size: 1.15rem; margin: 2.5rem 0 .5rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem;
  margin: 0; font-size: .95rem; }
dt { color: var(--quiet); } dd { margin: 0; overflow-wrap: anywhere; }
p.note { color: var(--quiet); font-size: .9rem; max-width: 46rem; }
fieldset { border: 0; margin: 0; padding: 0; display: flex; flex-wrap: wrap;
  gap: .3rem 1.1rem; font-size: .9rem; align-items: baseline; }
legend { float: left; color: var(--quiet); padding: 0; margin-right: 1.1rem; }
.legend { display: flex; flex-wrap: wrap; gap: .2rem 1.4rem; margin: .2rem 0;
  font-size: .95rem; }
.sequence {
  background: var(--card); border: 1px solid var(--edge); border-radius: 8px;
  padding: .9rem 1.1rem; margin: .8rem 0; max-width: 52rem;
  font: 1.06rem/1.85 Georgia, "Iowan Old Style", "DejaVu Serif", serif;
}
.word { white-space: nowrap; }
.t { border-radius: 3px; padding: .08em 0; cursor: default;
  color: color-mix(in srgb, var(--ink) calc(var(--c) * 100%), var(--pale)); }
.t.kept { font-weight: 600; }
.t.special { font: .74em/1 ui-monospace, "DejaVu Sans Mono", monospace;
  border: 1px solid var(--edge); padding: .12em .3em; vertical-align: .1em; }
.t + .t:not(.special) { border-left: 1px dotted transparent; }
.word:hover .t + .t, .word:focus-within .t + .t {
  border-left-color: var(--quiet); }
.t:focus-visible { outline: 2px solid var(--focus); outline-offset: 1px; }
.shade-importance .t { background: rgb(var(--heat) / calc(var(--i) * .42)); }
.shade-loss .t { background: rgb(var(--heat) / calc(var(--l) * .42)); }
.shade-importance .t, .shade-loss .t { color: var(--ink); }
#tip {
  position: fixed; z-index: 9; pointer-events: none; max-width: 19rem;
  background: var(--ink); color: var(--page); border-radius: 6px;
  padding: .4rem .65rem; font-size: .85rem; line-height: 1.4;
  white-space: pre-line; box-shadow: 0 3px 14px rgb(0 0 0 / .3);
}
#tip[hidden] { display: none; }
.charts { display: grid; gap: 1rem; margin-top: 1rem; align-items: start;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 27rem), 1fr)); }
figure { margin: 0; padding: 1rem 1.1rem; background: var(--card);
  border: 1px solid var(--edge); border-radius: 8px; }
figcaption { font-weight: 600; margin-bottom: .7rem; }
svg { display: block; width: 100%; height: auto; }
svg text { fill: var(--ink);
  font: 12.5px system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
svg .tick, svg .axis { fill: var(--quiet); }
.grid { stroke: var(--edge); } .interval { stroke: var(--ink); fill: none;
  stroke-width: 1.6; }
.bar.kept { fill: var(--kept); } .bar.dropped { fill: var(--dropped); }
.band { fill: var(--band); } .band.outer { opacity: .16; }
.band.inner { opacity: .3; } .line { fill: none; stroke-width: 1.6; }
.line.median { stroke: var(--band); stroke-width: 2.4; }
.token .line { stroke: var(--dropped); } .token circle { fill: var(--dropped); }
figure p { color: var(--quiet); font-size: .85rem; margin: .4rem 0 0; }
details { font-size: .85rem; margin-top: .5rem; color: var(--quiet); }
summary { cursor: pointer; } table { border-collapse: collapse; }
caption { text-align: left; } td, th { padding: .1rem .9rem .1rem 0;
  text-align: left; font-weight: 400; font-variant-numeric: tabular-nums; }
@media (max-width: 34rem) { main { padding: 1.1rem .8rem 5rem; }
  .sequence { padding: .7rem .8rem; } }
"""

SCRIPT = """
"use strict";
const text = document.getElementById("text");
const tip = document.getElementById("tip");
const tokens = Array.from(text.querySelectorAll(".t"));
for (const token of tokens) {
  token.dataset.tip = token.title;  // shown at once, and for the keyboard too
  token.setAttribute("aria-label", token.textContent + ": " + token.title);
  token.setAttribute("role", "note");
  token.removeAttribute("title");
  token.tabIndex = -1;
}
if (tokens.length) tokens[0].tabIndex = 0;  // one stop; arrows do the rest
function show(token) {
  tip.textContent = token.dataset.tip;
  tip.hidden = false;
  const box = token.getBoundingClientRect();
  const width = tip.offsetWidth, height = tip.offsetHeight;
  const left = Math.min(box.left, innerWidth - width - 8);
  const below = box.bottom + height + 8 < innerHeight;
  tip.style.left = Math.max(8, left) + "px";
  tip.style.top = (below ? box.bottom + 6 : box.top - height - 6) + "px";
}
function tokenOf(event) { return event.target.closest(".t"); }
text.addEventListener("pointerover", event => {
  const token = tokenOf(event);
  if (token) show(token); else tip.hidden = true;
});
text.addEventListener("pointerleave", () => { tip.hidden = true; });
text.addEventListener("focusin", event => {
  const token = tokenOf(event);
  if (token) show(token);
});
text.addEventListener("focusout", () => { tip.hidden = true; });
text.addEventListener("keydown", event => {
  const step = {ArrowRight: 1, ArrowLeft: -1}[event.key];
  if (event.key === "Escape") tip.hidden = true;
  const place = tokens.indexOf(document.activeElement);
  const next = step && place >= 0 && tokens[place + step];
  if (!next) return;
  event.preventDefault();
  tokens[place].tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
});
for (const choice of document.querySelectorAll("input[name=shade]")) {
  choice.addEventListener("change", () => {
    text.className = "shade-" + choice.value;
  });
}
document.documentElement.dataset.ready = "yes";
"""
