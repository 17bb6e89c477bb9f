# SPDX-License-Identifier: Apache-2.0
"""How many sequences a second do the input pipelines give on one core?

    python -m benchmarks.input_pipeline --step

Prepares the same text at two sequence lengths, with masks in the records and
without, reads both in turns, and prints a table of medians over the turns. With
`--step` a last column says what BERT-base takes: one training step, dense, with
XLA, on all cores. Needs the extra `quickstart` for its text; some minutes,
`--step` 6 GB of memory and some more minutes.
"""

import concurrent.futures
import datetime
import itertools
import multiprocessing
import os
import pathlib
import platform
import statistics
import tempfile
import time
from collections.abc import Iterator

import tensorflow as tf
from absl import flags
from official.nlp.data import data_loader_factory
from official.nlp.data import pretrain_dataloader

from token_dropping.common import errors
from token_dropping.data import prepare
from token_dropping.data.batches import dynamic_masking
from token_dropping.data.batches import pretrain_data
from token_dropping.data.pretraining import prepare_settings
from token_dropping.study import tables
from token_dropping.tasks import experiments
from token_dropping.training import trainer as trainer_lib

PREDICTIONS = {512: 76, 128: 20}  # by sequence length
BATCH = 32
STEP_BATCH = 2
TURN_TOKENS = 8 * 16384 * BATCH  # that are read in one measurement
STATIC = "static (Model Garden)"


def main(argv: list[str]) -> None:
  """Prints the table."""
  del argv
  values, rates = flags.FLAGS, {}
  with tempfile.TemporaryDirectory() as folder:
    for length in PREDICTIONS:
      part = pathlib.Path(folder, str(length))
      make_records(values.input, part, length)
      measured = (part, length, values.repeats)
      rates[length] = _in_new_process(1, pipeline_rates, *measured)
      if values.step:
        rates[length] |= _in_new_process(
          os.cpu_count(), _step_rate, part, length
        )
  print(_format(rates))


def make_records(text: str, folder: pathlib.Path, seq_length: int) -> None:
  """Prepares a text, a folder for each kind of masking."""
  for masking in prepare_settings.MASKINGS:
    prepare.prepare(
      prepare_settings.PrepareSettings(
        input=text,
        output_dir=str(folder / masking),
        vocab_size=4096,
        seq_length=seq_length,
        max_predictions_per_seq=PREDICTIONS[seq_length],
        masking=masking,
      )
    )


def _in_new_process(cores: int, measure, *args) -> dict[str, float]:
  """Calls a function in a process of so many cores, with its own TensorFlow."""
  with concurrent.futures.ProcessPoolExecutor(
    max_workers=1,
    mp_context=multiprocessing.get_context("spawn"),
    initializer=os.sched_setaffinity,
    initargs=(0, sorted(os.sched_getaffinity(0))[-cores:]),
  ) as pool:
    return pool.submit(measure, *args).result()


def _config(folder: pathlib.Path, unit: str, seq_length: int, batch_size: int):
  """Returns what reads the records; a `unit` is that of dynamic masking."""
  sizes = {
    "seq_length": seq_length,
    "max_predictions_per_seq": PREDICTIONS[seq_length],
    "global_batch_size": batch_size,
    "use_v2_feature_names": True,
    "use_next_sentence_label": False,
  }
  if unit == STATIC:
    return pretrain_dataloader.BertPretrainDataConfig(
      input_path=f"{folder}/static/train-*", **sizes
    )
  return pretrain_data.PretrainDataConfig(
    input_path=f"{folder}/dynamic/train-*",
    masking="dynamic",
    masking_unit=unit,
    vocab_file=f"{folder}/dynamic/vocab.txt",
    **sizes,
  )


def pipeline_rates(
  folder: pathlib.Path, seq_length: int, repeats: int
) -> dict[str, float]:
  """Returns sequences a second by name of the pipeline, measured in turns."""
  units = {STATIC: STATIC}
  units |= {f"dynamic, {unit}": unit for unit in dynamic_masking.UNITS}
  rates = {name: [] for name in units}
  batches = max(TURN_TOKENS // (BATCH * seq_length), 1)
  for repeat in range(repeats + 1):
    for name, unit in units.items():
      config = _config(folder, unit, seq_length, BATCH)
      # A new iterator each time: the others' would read ahead meanwhile.
      iterator = iter(data_loader_factory.get_data_loader(config).load())
      _time(iterator, -(-batches // 8))  # fills the buffers
      seconds = _time(iterator, batches)
      del iterator
      if repeat:  # the first one warms up
        rates[name].append(batches * BATCH / seconds)
  return {name: statistics.median(turns) for name, turns in rates.items()}


def _time(iterator: Iterator, batches: int) -> float:
  start = time.perf_counter()
  for _ in itertools.islice(iterator, batches):
    pass
  return time.perf_counter() - start


def _step_rate(folder: pathlib.Path, seq_length: int) -> dict[str, float]:
  """Returns the sequences a second of a dense BERT-base training step."""
  params = experiments.get(experiments.NAMES[0])
  params.task.train_data = _config(folder, "token", seq_length, STEP_BATCH)
  params.task.train_data.drop_remainder = True
  params.task.model.encoder.any.token_keep_ratio = 1.0
  params.runtime.distribution_strategy = "one_device"
  schedule = params.trainer.optimizer_config.learning_rate.polynomial
  schedule.decay_steps = params.trainer.train_steps
  trainer = trainer_lib.make_trainer(
    params, trainer_lib.make_strategy(params.runtime), "train", model_dir=None
  )
  times = []
  for _ in range(4):
    start = time.perf_counter()
    trainer.train(tf.constant(1))
    times.append(time.perf_counter() - start)
  # The first one compiles.
  return {"BERT-base step": STEP_BATCH / statistics.median(times[1:])}


def _format(rates: dict[int, dict[str, float]]) -> str:
  title = (
    "Sequences a second; pipelines on one core, a step on all "
    f"{os.cpu_count()}. {platform.machine()}, Python "
    f"{platform.python_version()}, TensorFlow {tf.__version__}, "
    f"{datetime.date.today()}."
  )
  table = [["S", *next(iter(rates.values()))]]
  for length, of_length in rates.items():
    digits = [0 if rate >= 100 else 2 for rate in of_length.values()]
    cells = map("{:,.{}f}".format, of_length.values(), digits)
    table.append([str(length), *cells])
  return f"{title}\n\n{tables.markdown(table)}"


if __name__ == "__main__":
  flags.DEFINE_string(
    "input", prepare_settings.EMBEDDED, "As for token_dropping.data.prepare."
  )
  flags.DEFINE_integer("repeats", 7, "Turns of each pipeline.", lower_bound=1)
  flags.DEFINE_bool("step", False, "Also time training steps of BERT-base.")
  errors.run_command(main)
