# SPDX-License-Identifier: Apache-2.0
"""A tiny pretraining run for tests that stop, kill and continue it."""

import os
import pathlib
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping

import numpy as np
import tensorflow as tf
import yaml

from tests import testing
from token_dropping.training import run_counters

STEPS = 24
RECORDS = 40  # of batches of 4: an epoch is 10 steps
_RATES = ("tokens_per_second", "steps_per_second")
_TIMINGS = {*_RATES, run_counters.WALL, run_counters.CPU}


def write_records(folder: pathlib.Path, make=testing.random_features) -> None:
  """Writes three files of records to train on, and one to validate."""
  records = [make(seed) for seed in range(RECORDS)]
  for file in range(3):
    testing.write_records(folder / f"train-{file}", records[file::3])
  validation = [make(seed) for seed in range(50, 58)]
  testing.write_records(folder / "validation", validation)


def write_run(folder: pathlib.Path, **overrides) -> None:
  """Writes records, a vocabulary and `tiny.yaml`."""
  write_records(folder)
  write_config(folder, **overrides)


def write_tiny(
  folder: pathlib.Path, *overrides: dict, experiment: str = "bert/token_drop"
) -> None:
  """Writes a vocabulary and `tiny.yaml`: `testing.tiny` on the records."""
  task = {
    "train_data": {"input_path": str(folder / "train-*"), "seed": 1},
    "validation_data": {"input_path": str(folder / "validation")},
  }
  tiny = testing.tiny(experiment)
  if tiny is testing.TINY:
    vocab_file = testing.write_vocabulary(folder / "vocab.txt")
    task["model"] = {"encoder": {"any": {"vocab_file": vocab_file}}}
  config = testing.merged(tiny, {"task": task}, *overrides)
  (folder / "tiny.yaml").write_text(yaml.safe_dump(config))


def write_config(folder: pathlib.Path, **overrides) -> None:
  """Writes one with dropout, several loops, evaluations and checkpoints."""
  rates = {"dropout_rate": 0.1, "attention_dropout_rate": 0.1}
  tree = {
    "task": {
      "deterministic": True,
      "dropping_pictures": True,
      "model": {"encoder": {"any": rates}},
    },
    "trainer": {
      "train_steps": STEPS,
      "steps_per_loop": 2,
      "summary_interval": 2,
      "checkpoint_interval": 4,
      "validation_interval": 6,
      "max_to_keep": 3,
      "best_checkpoint_export_subdir": "best",
      "best_checkpoint_eval_metric": "lm_example_loss",
      "best_checkpoint_metric_comp": "lower",
      "optimizer_config": {
        "learning_rate": {"polynomial": {"initial_learning_rate": 0.01}}
      },
    },
  }
  write_tiny(folder, tree, overrides)


def until(steps: int, **task) -> dict:
  """Returns changes to it for a run that is quick and short."""
  quick = {
    "deterministic": False,
    "dropping_pictures": False,
    "model": {"encoder": {"any": {"num_layers": 2}}},
  }
  return {"task": quick | task, "trainer": {"train_steps": steps}}


def flags(folder: pathlib.Path, model_dir, mode="train_and_eval") -> dict:
  """Returns the launcher's flags."""
  return {
    "experiment": "bert/token_drop",
    "config_file": str(folder / "tiny.yaml"),
    "model_dir": str(model_dir),
    "mode": mode,
  }


def launch(folder: pathlib.Path, model_dir, **values) -> None:
  """Runs the launcher in this process."""
  testing.launch(**(flags(folder, model_dir) | values))


def start(
  folder: pathlib.Path, model_dir, variables: Mapping[str, str] | None = None
) -> subprocess.Popen:
  """Starts the launcher as a process of its own, with more `variables`."""
  argv = [f"--{name}={v}" for name, v in flags(folder, model_dir).items()]
  root = pathlib.Path(__file__).parents[1]
  environment = {"PYTHONPATH": str(root), "TF_CPP_MIN_LOG_LEVEL": "3"}
  return subprocess.Popen(
    [sys.executable, "-m", "token_dropping.train", *argv],
    cwd=root,
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    text=True,
    env=os.environ | environment | dict(variables or {}),
  )


def kill_at(process, step: int, delay=0.0, number=signal.SIGKILL) -> int:
  """Sends a signal `delay` seconds after a step was reported.

  Returns the exit code, negative where a signal ended the process.
  """
  for line in process.stdout:
    reported = re.match(r"step +([\d,]+)/", line)
    if reported and int(reported.group(1).replace(",", "")) >= step:
      break
  time.sleep(delay)
  if process.poll() is None:
    process.send_signal(number)
  process.communicate()
  return process.returncode


def variables(prefix) -> dict[str, np.ndarray]:
  """Returns everything in a checkpoint but the seconds it took, by name."""
  reader = tf.train.load_checkpoint(str(prefix))
  return {
    name: reader.get_tensor(name)
    for name in reader.get_variable_to_shape_map()
    if name != "_CHECKPOINTABLE_OBJECT_GRAPH"
    and not name.startswith("train_clock/")
  }


def curves(folder: pathlib.Path, leave_out=_TIMINGS) -> dict[str, list]:
  """Returns (step, bytes of the value) of every summary but timings, by tag."""
  found = {}
  for path in sorted(folder.glob("events*")):
    for event in tf.compat.v1.train.summary_iterator(str(path)):
      for value in event.summary.value:
        if value.tag not in leave_out:
          point = (event.step, value.tensor.SerializeToString())
          found.setdefault(value.tag, []).append(point)
  return found


def assert_same(one: Mapping, two: Mapping) -> None:
  """Compares arrays by name, bit for bit."""
  assert one.keys() == two.keys()
  for name, value in one.items():
    assert value.tobytes() == two[name].tobytes(), name


def assert_same_runs(one: pathlib.Path, two: pathlib.Path) -> None:
  """Compares checkpoints, best checkpoint and curves, bit for bit."""
  for part in ("", "best"):
    first, second = (
      tf.train.latest_checkpoint(str(run / part)) for run in (one, two)
    )
    assert os.path.basename(first) == os.path.basename(second)
    assert_same(variables(first), variables(second))
  for part in ("train", "validation"):
    assert curves(one / part) == curves(two / part)
    assert curves(one / part)
  first, second = ((run / "best/info.json").read_text() for run in (one, two))
  assert first == second
