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
import functools
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
from official.core import exp_factory
from official.nlp.data import data_loader_factory
from official.nlp.data import pretrain_dataloader

from token_dropping.common import errors
from token_dropping.data import prepare
from token_dropping.data.batches import dynamic_masking
from token_dropping.data.batches import pretrain_data
from token_dropping.data.pretraining import prepare_settings
from token_dropping.tasks import experiments
from token_dropping.training import trainer as trainer_lib

SIZES = ((512, 76), (128, 20))  # sequence length, predictions
BATCH = 32
STEP_BATCH = 2
TURN_TOKENS = 8 * 16384 * BATCH  # that are read in one measurement
STATIC = "static (Model Garden)"


def main(argv: list[str]) -> None:
  """Prints the table."""
  del argv
  values = flags.FLAGS
  rates = {}
  with tempfile.TemporaryDirectory() as folder:
    for seq_length, predictions in SIZES:
      part = pathlib.Path(folder, str(seq_length))
      _make_records(values.input, part, seq_length, predictions)
      measure = functools.partial(
        _pipeline_rates, part, seq_length, predictions, values.repeats
      )
      rates[seq_length] = _in_new_process(measure, cores=1)
      if values.step:
        measure = functools.partial(_step_rate, part, seq_length, predictions)
        rates[seq_length] |= _in_new_process(measure, cores=os.cpu_count())
  print(_format(rates))


def _sizes(seq_length: int, predictions: int, batch_size: int) -> dict:
  return {
    "seq_length": seq_length,
    "max_predictions_per_seq": predictions,
    "global_batch_size": batch_size,
    "use_v2_feature_names": True,
    "use_next_sentence_label": False,
  }


def _make_records(
  text: str, folder: pathlib.Path, seq_length: int, predictions: int
) -> None:
  for masking in prepare_settings.MASKINGS:
    prepare.prepare(
      prepare_settings.PrepareSettings(
        input=text,
        output_dir=str(folder / masking),
        vocab_size=4096,
        seq_length=seq_length,
        max_predictions_per_seq=predictions,
        masking=masking,
      )
    )


def _in_new_process(measure, cores: int) -> dict[str, float]:
  """Calls a function in a process of so many cores, with its own TensorFlow."""
  with concurrent.futures.ProcessPoolExecutor(
    max_workers=1,
    mp_context=multiprocessing.get_context("spawn"),
    initializer=_use_cores,
    initargs=(cores,),
  ) as pool:
    return pool.submit(measure).result()


def _use_cores(cores: int) -> None:
  available = sorted(os.sched_getaffinity(0))
  os.sched_setaffinity(0, available[-cores:])


def _pipeline_rates(
  folder: pathlib.Path, seq_length: int, predictions: int, repeats: int
) -> dict[str, float]:
  """Returns sequences a second by name of the pipeline."""
  sizes = _sizes(seq_length, predictions, BATCH)
  configs = {
    STATIC: pretrain_dataloader.BertPretrainDataConfig(
      input_path=f"{folder}/static/train-*", **sizes
    )
  }
  for unit in dynamic_masking.UNITS:
    configs[f"dynamic, {unit}"] = _dynamic_config(folder, unit, sizes)
  return _interleaved_medians(configs, repeats)


def _dynamic_config(
  folder: pathlib.Path, unit: str, sizes: dict
) -> pretrain_data.PretrainDataConfig:
  return pretrain_data.PretrainDataConfig(
    input_path=f"{folder}/dynamic/train-*",
    masking="dynamic",
    masking_unit=unit,
    vocab_file=f"{folder}/dynamic/vocab.txt",
    **sizes,
  )


def _interleaved_medians(configs: dict, repeats: int) -> dict[str, float]:
  times = {name: [] for name in configs}
  batches = max(TURN_TOKENS // (BATCH * configs[STATIC].seq_length), 1)
  for repeat in range(repeats + 1):
    for name, config in configs.items():
      # A new iterator each time: the others' would read ahead meanwhile.
      iterator = iter(data_loader_factory.get_data_loader(config).load())
      _time(iterator, -(-batches // 8))  # fills the buffers
      seconds = _time(iterator, batches)
      del iterator
      if repeat:  # the first one warms up
        times[name].append(batches * BATCH / seconds)
  return {name: statistics.median(rates) for name, rates in times.items()}


def _time(iterator: Iterator, batches: int) -> float:
  start = time.perf_counter()
  for _ in itertools.islice(iterator, batches):
    pass
  return time.perf_counter() - start


def _step_rate(
  folder: pathlib.Path, seq_length: int, predictions: int
) -> dict[str, float]:
  """Returns the sequences a second of a dense BERT-base training step."""
  params = exp_factory.get_exp_config(experiments.NAMES[0])
  sizes = _sizes(seq_length, predictions, STEP_BATCH)
  params.task.train_data = _dynamic_config(folder, "token", sizes)
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
  names = list(next(iter(rates.values())))
  lines = [
    "Sequences a second; pipelines on one core, a step on all "
    f"{os.cpu_count()}. {platform.machine()}, Python "
    f"{platform.python_version()}, TensorFlow {tf.__version__}, "
    f"{datetime.date.today()}.",
    "",
    f"| S | {' | '.join(names)} |",
    f"| --- |{' --- |' * len(names)}",
  ]
  for seq_length, of_size in rates.items():
    cells = (_number(of_size[name]) for name in names)
    lines.append(f"| {seq_length} | {' | '.join(cells)} |")
  return "\n".join(lines)


def _number(rate: float) -> str:
  return f"{rate:,.0f}" if rate >= 100 else f"{rate:.2f}"


if __name__ == "__main__":
  flags.DEFINE_string(
    "input", prepare_settings.EMBEDDED, "As for token_dropping.data.prepare."
  )
  flags.DEFINE_integer("repeats", 7, "Turns of each pipeline.", lower_bound=1)
  flags.DEFINE_bool("step", False, "Also time training steps of BERT-base.")
  errors.run_command(main)
