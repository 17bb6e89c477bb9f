# SPDX-License-Identifier: Apache-2.0
"""What several tests share: tiny records, a tiny experiment, the launcher."""

import contextlib
import functools
import json
import pathlib
import shutil
import socket
import subprocess
import sys
import types

import gin
import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from absl import flags
from absl.testing import flagsaver
from official.nlp.configs import encoders
from official.nlp.modeling import networks

from token_dropping import train
from token_dropping.common import errors
from token_dropping.common import vocabulary
from token_dropping.dropping.importance import importance_table

SEQ_LENGTH, PREDICTIONS, VOCAB_SIZE = 16, 3, 50
NETWORK = types.SimpleNamespace(vocab_size=VOCAB_SIZE, type_vocab_size=2)
TOKENS = [
  *vocabulary.SPECIAL_TOKENS,
  *(f"word{i}" for i in range(VOCAB_SIZE - len(vocabulary.SPECIAL_TOKENS))),
]
# Of the network, in the words of Model Garden's BERT.
SIZES = {
  "vocab_size": VOCAB_SIZE,
  "hidden_size": 8,
  "num_layers": 3,
  "num_attention_heads": 2,
  "intermediate_size": 16,
  "max_position_embeddings": SEQ_LENGTH,
}
# Of data that have such records.
DATA = {
  "global_batch_size": 4,
  "seq_length": SEQ_LENGTH,
  "max_predictions_per_seq": PREDICTIONS,
}
TINY = {
  "runtime": {"distribution_strategy": "one_device", "enable_xla": False},
  "task": {
    "dropping_pictures": False,
    "model": {
      "encoder": {
        "type": "any",
        "any": {
          **SIZES,
          "dropout_rate": 0.0,
          "attention_dropout_rate": 0.0,
          "token_allow_list": [1, 2, 3, 4],
          "token_deny_list": [0],
        },
      }
    },
    "train_data": DATA,
    "validation_data": DATA,
  },
  "trainer": {
    "train_steps": 2,
    "steps_per_loop": 1,
    "summary_interval": 1,
    "checkpoint_interval": 1,
    "validation_interval": 2,
    "validation_steps": 2,
    "optimizer_config": {"warmup": {"polynomial": {"warmup_steps": 1}}},
  },
}


_PAIRS = {"global_batch_size": 4, "seq_length": SEQ_LENGTH, "target_length": 12}
TINY_PAIRS = {
  "task": {
    "model": {
      "encoder": {
        "type": "any",
        "any": {
          "vocab_size": VOCAB_SIZE,
          "hidden_size": 8,
          "num_layers": 3,
          "num_decoder_layers": 3,
          "num_attention_heads": 2,
          "intermediate_size": 16,
          "dropout_rate": 0.0,
          "attention_dropout_rate": 0.0,
          "intermediate_dropout_rate": 0.0,
        },
      }
    },
    "train_data": _PAIRS,
    "validation_data": _PAIRS,
  },
  "trainer": TINY["trainer"]
  | {"optimizer_config": {"warmup": {"linear": {"warmup_steps": 1}}}},
}


def tiny(experiment: str) -> dict:
  """Returns `TINY`, of other tasks than masked LM without fields of masks."""
  if experiment.startswith("wmt_transformer/"):
    return TINY | TINY_PAIRS
  if not experiment.startswith(("gpt/", "modernbert_decoder/")):
    return TINY
  data = {k: v for k, v in DATA.items() if k != "max_predictions_per_seq"}
  encoder = {
    name: value
    for name, value in TINY["task"]["model"]["encoder"]["any"].items()
    if name not in ("token_allow_list", "token_deny_list")
  }
  if experiment.startswith("modernbert"):  # layers 0 and 2 are global
    more = {"local_attention": 4, "head_activation": "gelu"}
    encoder |= {"global_every": 2} | more
  model = {"encoder": {"type": "any", "any": encoder}}
  task = {"model": model, "train_data": data, "validation_data": data}
  return TINY | {"task": task}


def refused(function, *args, **kwargs) -> str:
  """Returns the one line of the `UserError` that a call raises."""
  with pytest.raises(errors.UserError) as caught:
    function(*args, **kwargs)
  message = str(caught.value)
  assert "\n" not in message
  return message


def merged(*trees: dict) -> dict:
  """Returns nested dictionaries merged, the later ones winning."""
  result = {}
  for tree in trees:
    for key, value in tree.items():
      both = isinstance(value, dict) and isinstance(result.get(key), dict)
      result[key] = merged(result[key], value) if both else value
  return result


def random_features(seed: int, next_sentence: bool = False) -> dict:
  """Returns one record's features, v2 names, its last slot unused."""
  rng = np.random.default_rng(seed)
  positions = sorted(rng.choice(SEQ_LENGTH, PREDICTIONS - 1, replace=False))
  features = {
    "input_word_ids": rng.integers(5, VOCAB_SIZE, SEQ_LENGTH),
    "input_mask": np.ones(SEQ_LENGTH, int),
    "input_type_ids": np.zeros(SEQ_LENGTH, int),
    "masked_lm_positions": [*positions, 0],
    "masked_lm_ids": [*rng.integers(5, VOCAB_SIZE, PREDICTIONS - 1), 0],
    "masked_lm_weights": [1.0] * (PREDICTIONS - 1) + [0.0],
  }
  if next_sentence:
    features["next_sentence_labels"] = [seed % 2]
  return features


def dynamic_features(seed: int, next_sentence: bool = False) -> dict:
  """Returns one record's features without masks, its last position padding."""
  rng = np.random.default_rng(seed)
  ids = rng.integers(5, VOCAB_SIZE, SEQ_LENGTH)
  starts = rng.integers(0, 2, SEQ_LENGTH)
  ids[[0, -2, -1]], starts[[0, -2, -1]] = (2, 3, 0), 0  # [CLS] [SEP] [PAD]
  features = {"input_word_ids": ids, "word_starts": starts}
  if next_sentence:
    features["input_type_ids"] = (np.arange(SEQ_LENGTH) > 7) & (ids > 0)
    features["next_sentence_labels"] = [seed % 2]
  return features


def causal_features(seed: int) -> dict:
  """Returns a record of two documents, its last position padding."""
  rng = np.random.default_rng(seed)
  ids = rng.integers(2, VOCAB_SIZE, SEQ_LENGTH)
  ids[[5, -2, -1]] = 1, 1, 0  # ends of text
  return {"input_word_ids": ids}


def write_vocabulary(path, tokens=TOKENS) -> str:
  """Writes a vocabulary; returns the path."""
  path.write_text("".join(f"{token}\n" for token in tokens), "utf-8")
  return str(path)


def write_json(path, content) -> str:
  """Writes a JSON file; returns the path."""
  path.write_text(json.dumps(content), "utf-8")
  return str(path)


def write_importance_table(path, kind: str, size: int = VOCAB_SIZE) -> str:
  """Writes a table whose last ids score highest; returns the path."""
  words = [*TOKENS, *(f"other{i}" for i in range(size))][:size]
  vocab = vocabulary.Vocabulary(tuple(words))
  scores, counts = np.linspace(0.0, 1.0, size), np.ones([size], int)
  table = importance_table.ImportanceTable.of_seen(kind, vocab, scores, counts)
  table.write(str(path))
  return str(path)


def serialized(features: dict) -> bytes:
  """Returns a record of such features."""
  example = tf.train.Example()
  for name, values in features.items():
    feature = example.features.feature[name]
    is_float = getattr(values, "dtype", None) == np.float32
    if is_float or name == "masked_lm_weights":
      feature.float_list.value.extend(values)
    else:
      feature.int64_list.value.extend(int(value) for value in values)
  return example.SerializeToString()


def write_records(path, records: list) -> str:
  """Writes records, as features or as bytes; returns the path."""
  with tf.io.TFRecordWriter(str(path)) as writer:
    for record in records:
      is_raw = isinstance(record, bytes)
      writer.write(record if is_raw else serialized(record))
  return str(path)


def restore_bert(run: pathlib.Path, **sizes) -> networks.BertEncoderV2:
  """Restores all of an ordinary BERT from the last checkpoint of a run."""
  config = encoders.EncoderConfig({"type": "bert_v2", "bert_v2": SIZES | sizes})
  bert = encoders.build_encoder(config)
  bert(bert.inputs)
  path = tf.train.latest_checkpoint(str(run))
  status = tf.train.Checkpoint(encoder=bert).restore(path)
  status.expect_partial().assert_existing_objects_matched()
  return bert


def copy_as_it_was(run: pathlib.Path, step: int, folder: pathlib.Path) -> None:
  """Makes a copy of a run as if it had been killed after a checkpoint."""
  folder.mkdir()
  for path in [run / "params.yaml", *run.glob(f"ckpt-{step}.*")]:
    shutil.copy(path, folder)
  tf.compat.v1.train.update_checkpoint_state(str(folder), f"ckpt-{step}")


@functools.cache
def mirrored(count: int) -> tf.distribute.Strategy:
  """Returns the strategy of `count` CPU replicas.

  One object a number and process: the collectives of a second one would clash
  with it. Different numbers get keys of their own.
  """
  devices = tf.config.list_logical_devices("CPU")[:count]

  class Strategy(tf.distribute.MirroredStrategy):
    _collective_key_base = 1_000_000 * count  # TensorFlow's, for tests

  return Strategy(devices)


def cluster_variables(count: int) -> list[dict[str, str]]:
  """Returns the environment variables of each of several workers."""
  sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
  cluster = {"worker": [f"127.0.0.1:{s.getsockname()[1]}" for s in sockets]}
  for opened in sockets:
    opened.close()
  tasks = [{"type": "worker", "index": index} for index in range(count)]
  configs = [{"cluster": cluster, "task": task} for task in tasks]
  return [{"TF_CONFIG": json.dumps(config)} for config in configs]


@contextlib.contextmanager
def eagerly():
  """Runs steps as they are written: a few cost less than tracing one."""
  tf.config.run_functions_eagerly(True)
  try:
    yield
  finally:
    tf.config.run_functions_eagerly(False)


def train_step(task, model, batch) -> tuple[dict, list, dict]:
  """Makes a training step; returns logs, gradients and metrics.

  It lowers the weights by their gradients.
  """
  before = [variable.numpy() for variable in model.trainable_variables]
  metrics = task.build_metrics(training=True)
  optimizer = tf_keras.optimizers.legacy.SGD(1.0)
  logs = task.train_step(batch, model, optimizer, metrics)
  after = [variable.numpy() for variable in model.trainable_variables]
  moved = [one - other for one, other in zip(before, after, strict=True)]
  return logs, moved, {m.name: float(m.result()) for m in metrics}


def run_script(script: str) -> str:
  """Runs Python in a process with no settings of ours; what it prints."""
  done = subprocess.run(
    [sys.executable],
    input=script,
    env={"PYTHONPATH": ":".join(filter(None, sys.path))},
    capture_output=True,
    text=True,
    check=True,
  )
  return done.stdout


def run_command(command, *argv, **values) -> None:
  """Runs a command in this process, with flags as keywords too."""
  parsed = flags.FlagValues()
  command.define_flags(parsed)
  named = [f"--{name}={value}" for name, value in values.items()]
  command.main(parsed(["command", *argv, *named]), parsed)


def launch(**values) -> None:
  """Runs the launcher in this process with flags given as keywords."""
  argv = []
  for name, value in values.items():
    for item in value if isinstance(value, list) else [value]:
      argv.append(f"--{name}={item}")
  launch_argv(argv)


def launch_argv(argv: list[str]) -> None:
  """Runs the launcher in this process with a command line."""
  if "experiment" not in flags.FLAGS:
    train.define_flags()
  gin.clear_config()  # a launcher locks it, once a process
  with flagsaver.flagsaver():
    train.main(flags.FLAGS(["train", *argv]))
