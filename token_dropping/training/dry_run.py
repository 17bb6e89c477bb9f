# SPDX-License-Identifier: Apache-2.0
"""One training step on made-up records: does this installation train?"""

import resource

import numpy as np
import orbit
import tensorflow as tf
from official.core import config_definitions as cfg

from token_dropping.models import encoder_config
from token_dropping.models import multiply_adds
from token_dropping.tasks.finetuning import filling as finetune_filling
from token_dropping.tasks.masked_lm import config as masked_lm_config
from token_dropping.tasks.sentences import task as sentence_task
from token_dropping.tasks.spans import task as span_task
from token_dropping.training import trainer as trainer_lib


def run_dry(params: cfg.ExperimentConfig) -> str:
  """Builds the model and trains one step; writes nothing.

  Args:
    params: the experiment; its data need not exist.

  Returns:
    A report: parameters, multiply-adds against BERT, loss, peak memory.
  """
  strategy = trainer_lib.make_strategy(params.runtime)
  vocab_size = params.task.model.encoder.get().vocab_size
  dataset = orbit.utils.make_distributed_dataset(
    strategy, _made_up_records, params.task, vocab_size
  )
  trainer = trainer_lib.make_trainer(
    params, strategy, mode="train", model_dir=None, train_dataset=dataset
  )
  outputs = trainer.train(tf.constant(1))
  loss = float(orbit.utils.get_value(outputs["training_loss"]))
  parameters = sum(
    int(np.prod(v.shape)) for v in trainer.model.trainable_variables
  )
  lines = [
    f"Dry run: one step on {strategy.num_replicas_in_sync} replica(s), "
    f"loss {loss:.3f}.",
    f"  parameters       {parameters:,}",
    *_cost_lines(params),
    *_memory_lines(),
  ]
  return "\n".join(lines)


def _made_up_records(
  task: cfg.TaskConfig,
  vocab_size: int,
  input_context: tf.distribute.InputContext,
) -> tf.data.Dataset:
  """Returns an endless dataset of one random batch in the configured shapes."""
  data = task.train_data
  batch = input_context.get_per_replica_batch_size(data.global_batch_size)
  rng = np.random.default_rng(0)
  ids = rng.integers(0, vocab_size, [batch, data.seq_length], np.int32)
  features = {
    "input_word_ids": ids,
    "input_mask": np.ones_like(ids),
    "input_type_ids": np.zeros_like(ids),
  }
  if isinstance(task, span_task.SpanTaskConfig):
    zeros = np.zeros([batch], np.int32)
    record = (features, {"start_positions": zeros, "end_positions": zeros})
  elif isinstance(task, sentence_task.SentenceTaskConfig):
    kind = np.float32 if task.model.num_classes == 1 else np.int32
    record = (features, {data.label_field: np.zeros([batch], kind)})
  else:
    record = features | _made_up_labels(data, ids)
  return tf.data.Dataset.from_tensors(record).repeat()


def _made_up_labels(data: cfg.DataConfig, ids: np.ndarray) -> dict:
  """Returns the labels of pretraining."""
  batch, count = len(ids), data.max_predictions_per_seq
  labels = {
    "masked_lm_positions": np.tile(
      np.arange(count, dtype=np.int32), [batch, 1]
    ),
    "masked_lm_ids": ids[:, :count],
    "masked_lm_weights": np.ones([batch, count], np.float32),
  }
  if data.use_next_sentence_label:
    labels["next_sentence_labels"] = np.zeros([batch, 1], np.int32)
  return labels


def _cost_lines(params: cfg.ExperimentConfig) -> list[str]:
  """Returns the multiply-adds of a forward pass, dense and as configured."""
  task = params.task
  config, data = task.model.encoder.get(), task.train_data
  shape = multiply_adds.BertShape.from_config(config, data)
  dense = multiply_adds.bert_macs(shape)
  lines = [f"  BERT             {dense / 1e9:.3f} G multiply-adds a sequence"]
  if isinstance(config, encoder_config.TokenDropEncoderConfig):
    dropped = _token_drop_macs(params, shape)
    lines.append(
      f"  token dropping   {dropped / 1e9:.3f} G multiply-adds a sequence, "
      f"{dropped / dense:.3f} of BERT"
    )
  return lines


def _token_drop_macs(
  params: cfg.ExperimentConfig, shape: multiply_adds.BertShape
) -> float:
  task = params.task
  if finetune_filling.is_finetuning(task):
    plan = task.model.encoder.any.drop_plan
    return multiply_adds.finetuning_macs(shape, plan)
  schedule = masked_lm_config.schedule_of(task)
  return multiply_adds.mean_macs(shape, schedule, params.trainer.train_steps)


def _memory_lines() -> list[str]:
  """Returns the peak memory of the process and of each GPU."""
  peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
  lines = [f"  peak memory      {peak / 2**30:.2f} GiB (process)"]
  for index in range(len(tf.config.list_physical_devices("GPU"))):
    info = tf.config.experimental.get_memory_info(f"GPU:{index}")
    lines.append(
      f"  peak memory      {info['peak'] / 2**30:.2f} GiB (GPU {index})"
    )
  return lines
