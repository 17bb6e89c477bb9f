# SPDX-License-Identifier: Apache-2.0
"""What a run shows: a bar on a terminal or lines in a pipe, and a summary."""

import sys
import time
from collections.abc import Iterable, Sequence
from typing import TextIO

import orbit
import tqdm

from token_dropping.dropping.importance import importance_report
from token_dropping.dropping.importance import token_scorer
from token_dropping.tasks import hooks


class ProgressReporter:
  """Reports each training loop and each evaluation; a terminal gets a bar.

  `on_train` and `on_eval` are Orbit actions. `on_train` adds
  `tokens_per_second` to the outputs, which Orbit then writes to TensorBoard.
  """

  def __init__(
    self,
    global_step,
    train_steps: int,
    tokens_per_step: int,
    shown: hooks.ShownOutputs,
    stream: TextIO | None = None,
    clock=time.monotonic,
  ):
    self._global_step = global_step
    self._train_steps = train_steps
    self._tokens_per_step = tokens_per_step
    self._shown = shown
    self._stream = stream or sys.stdout
    self._clock = clock
    self._bar = None
    self.train_outputs = {}
    self.eval_outputs = {}

  def start(self) -> None:
    """Starts the clock. Call after a checkpoint was restored."""
    self._first_step = self._last_step = int(self._global_step.numpy())
    self._last_time = self._clock()
    self._train_seconds = 0.0
    if self._stream.isatty():
      self._bar = tqdm.tqdm(
        total=self._train_steps,
        initial=self._last_step,
        unit="step",
        file=self._stream,
        dynamic_ncols=True,
      )

  def close(self) -> None:
    if self._bar is not None:
      self._bar.close()

  def on_train(self, outputs: dict) -> None:
    now, step = self._clock(), int(self._global_step.numpy())
    seconds, steps = now - self._last_time, step - self._last_step
    self._train_seconds += seconds
    self._last_time, self._last_step = now, step
    outputs["tokens_per_second"] = self._speed(steps, seconds)
    self.train_outputs = _as_floats(outputs)
    left = (self._train_steps - step) * seconds / max(steps, 1)
    self._show(step, steps, left)

  def _speed(self, steps: int, seconds: float) -> float:
    return steps * self._tokens_per_step / max(seconds, 1e-9)

  def on_eval(self, outputs: dict) -> None:
    self.eval_outputs = _as_floats(outputs)
    step = int(self._global_step.numpy())
    shown = hooks.format_outputs(self._shown.evaluation, self.eval_outputs)
    self._write(f"step {step:>7,}  evaluation: {shown}")
    self._last_time = self._clock()

  def summarize(
    self, lines: Iterable[tuple[str, str]], checkpoint: str | None
  ) -> str:
    """Returns the run's summary; `lines` are the task's, (name, text) each."""
    step = int(self._global_step.numpy())
    steps = self._last_step - self._first_step
    minutes, seconds = divmod(round(self._train_seconds), 60)
    speed = self._speed(steps, self._train_seconds)
    headline = (
      f"Trained {steps:,} steps, to step {step:,}, in {minutes} min "
      f"{seconds} s at {speed:,.0f} tokens/s."
    )
    if not steps:
      headline = f"Nothing to train: the run is at step {step:,}."
    if checkpoint:
      lines = [*lines, ("checkpoint", checkpoint)]
    return "\n".join([headline, *(_line(*pair) for pair in lines)])

  def _show(self, step: int, steps: int, seconds_left: float) -> None:
    losses = hooks.format_outputs(self._shown.train, self.train_outputs)
    speed = f"{self.train_outputs['tokens_per_second']:,.0f} tokens/s"
    if self._bar is not None:
      self._bar.set_postfix_str(f"{losses}  {speed}", refresh=False)
      self._bar.update(steps)
    else:
      left = tqdm.tqdm.format_interval(seconds_left)
      self._write(
        f"step {step:>7,}/{self._train_steps:,}  {losses}  {speed}  {left} left"
      )

  def _write(self, line: str) -> None:
    if self._bar is not None:
      self._bar.write(line, file=self._stream)
    else:
      print(line, file=self._stream, flush=True)


def format_importance(
  scorer: token_scorer.TokenScorer, names: Sequence[str]
) -> list[str]:
  """Returns the summary's lines on important ids, if ids have scores."""
  if scorer.scores_by_id() is None:
    return []
  most, least = importance_report.ranked_tokens(scorer, names)
  return [
    _line("most important", " ".join(most)),
    _line("least important", " ".join(least)),
  ]


def _line(name: str, text: str) -> str:
  return f"  {name:<16} {text}"


def _as_floats(outputs: dict) -> dict[str, float]:
  return {k: float(orbit.utils.get_value(v)) for k, v in outputs.items()}
