# SPDX-License-Identifier: Apache-2.0
"""How many tokens a second does a config train, by the steps of a call?

    python -m benchmarks.step_calls --config_file=FILE --steps_per_call=1,16

Trains in turns, A B A B, with each value of `trainer.steps_per_call`, by the
trainer and the input pipeline of a run, and prints a table of medians. `apart`
in the place of a value compiles the step of the task alone, as every run did
before there was this field: checks and counters run outside of the program, one
operation after another. `plain` compiles nothing.
"""

import statistics
import time

import tensorflow as tf
from absl import flags

from token_dropping.common import errors
from token_dropping.common import provenance
from token_dropping.study import tables
from token_dropping.tasks import experiments
from token_dropping.training import config
from token_dropping.training import launch
from token_dropping.training import trainer as trainer_lib

APART, PLAIN = "apart", "plain"
_PACKAGES = ("tensorflow", "tf-models-official")


def main(argv: list[str]) -> None:
  """Prints the table."""
  del argv
  values = flags.FLAGS
  names = values.steps_per_call
  errors.require(
    names and all(n in (APART, PLAIN) or n.isdecimal() for n in names),
    f"--steps_per_call must be whole numbers, {APART} or {PLAIN}",
    ",".join(names),
  )
  rates = measure(
    values.config_file, values.params_override, names, values.loop, values.turns
  )
  machine = provenance.describe(provenance.this_machine(_PACKAGES))
  print(f"{machine}, commit {provenance.commit()}\n\n{format_rates(rates)}")


def measure(
  files: list[str], override: str, contenders: list[str], loop: int, turns: int
) -> dict[str, list[float]]:
  """Returns the tokens a second of each turn, a loop of steps, by contender."""
  trainers, tokens = {}, 0
  for name in contenders:
    asked = config.LaunchFlags(experiments.NAMES[0], files, override)
    params = config.parse(asked)
    params.runtime.enable_xla = name != PLAIN
    params.trainer.train_tf_while_loop = name != APART
    if name not in (APART, PLAIN):
      params.trainer.steps_per_call = int(name)
    config.check_experiment(params)
    launch.check_records(params, "train")
    data = params.task.train_data
    tokens = loop * data.global_batch_size * data.seq_length
    strategy = trainer_lib.make_strategy(params.runtime)
    trainers[name] = trainer_lib.make_trainer(params, strategy, "train", None)
  rates = {name: [] for name in contenders}
  for turn in range(turns + 1):
    for name, trainer in trainers.items():
      start = time.perf_counter()
      trainer.train(tf.constant(loop))
      if turn:  # the first one compiles
        rates[name].append(tokens / (time.perf_counter() - start))
  return rates


def format_rates(rates: dict[str, list[float]]) -> str:
  """Returns medians and what they are over the first one, in Markdown."""
  first = statistics.median(next(iter(rates.values())))
  table = [["steps a call", "tokens/s", "least", "most", "/ first"]]
  for name, turns in rates.items():
    figures = (statistics.median(turns), min(turns), max(turns))
    cells = map("{:,.0f}".format, figures)
    table.append([name, *cells, f"{figures[0] / first:.3f}"])
  return tables.markdown(table)


if __name__ == "__main__":
  flags.DEFINE_multi_string("config_file", [], "As for the launcher.")
  flags.DEFINE_string("params_override", "", "As for the launcher.")
  flags.DEFINE_list("steps_per_call", f"{APART},1,16", "Who is measured.")
  flags.DEFINE_integer("loop", 48, "Steps of a turn.", lower_bound=1)
  flags.DEFINE_integer("turns", 8, "Turns of each.", lower_bound=1)
  errors.run_command(main)
