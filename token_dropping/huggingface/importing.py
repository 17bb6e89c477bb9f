# SPDX-License-Identifier: Apache-2.0
"""From a Hugging Face folder to a run folder that pretraining starts from."""

import functools
import os
from collections.abc import Callable, Sized

import tensorflow as tf
import tf_keras
from official.core import config_definitions as cfg
from official.core import train_utils
from official.nlp.modeling import models

from token_dropping.common import errors
from token_dropping.common import files
from token_dropping.common import vocabulary
from token_dropping.data.text import tokenizer
from token_dropping.data.text import tokenizer_config
from token_dropping.dropping.importance import token_scorer
from token_dropping.huggingface import byte_tokenizer_files
from token_dropping.huggingface import network as network_lib
from token_dropping.huggingface import networks
from token_dropping.huggingface import subword_tokenizer_files
from token_dropping.huggingface import tensor_file
from token_dropping.huggingface import tokenizer_files
from token_dropping.huggingface import tokenizer_import
from token_dropping.huggingface import weights
from token_dropping.models import network_config
from token_dropping.tasks import experiments
from token_dropping.training import field_rules

# By what a network reads; the others have WordPiece.
_TOKENIZERS = {
  token_scorer.CAUSAL: byte_tokenizer_files,
  token_scorer.SOURCE: subword_tokenizer_files,
}
_READABLE = "--input must be readable"
# What is said of a part that a folder may lack.
_NO_HEAD = "It has no masked-LM head: training begins with a new one."
_NO_POOLER = "It has no pooler: a new one was made."


def import_folder(source: str, output_dir: str) -> str:
  """Writes a run folder at step 0; says what was imported, and what was not.

  It has what a pretraining run has, with a checkpoint of the encoder and, where
  `source` has it, of the masked-LM head. Other heads are left out. Raises
  `UserError` for what our networks cannot be and an existing folder; nothing is
  left half-written.
  """
  files.check_new(output_dir)
  rule = "--input must be a folder that exists"
  errors.require(source and os.path.isdir(source), rule, repr(source))
  network, config, tensors = _read_model(source)
  words, write_tokenizer = _read_tokenizer(source, network, config)
  errors.require(
    len(words) <= config.vocab_size,
    "the vocabulary must have at most the vocab_size tokens of config.json, "
    f"{config.vocab_size}",
    f"{len(words)} in {source!r}",
  )
  network.check_vocabulary(words, source)
  items, notes = _build(config, network, tensors, source)
  with files.new_folder(output_dir) as folder:
    _save(items, folder)
    write_tokenizer(folder)
    train_utils.serialize_config(_params(config, network, output_dir), folder)
  headline = (
    f"Imported {source} to {output_dir}: {config.num_layers} layers, "
    f"hidden size {config.hidden_size}, {len(words):,} tokens."
  )
  return "\n".join([headline, *notes])


def _read_model(
  source: str,
) -> tuple[network_lib.Network, network_config.NetworkConfig, dict]:
  """Returns network, config, tensors; sizes agree, before any is built."""
  adapter = os.path.join(source, "adapter_config.json")
  rule = "--input must hold a whole model, into which adapters are merged"
  errors.require(not os.path.exists(adapter), rule, repr(adapter))
  path = os.path.join(source, "config.json")
  there, rule = os.path.exists(path), "--input must hold config.json"
  errors.require(there, rule, f"{source!r} without it")
  content = files.read_json(path, _READABLE)
  network = networks.of_json(content, path)
  config = network.from_json(content, path)
  tensors = tensor_file.read(source, network)
  for name, size in network.sizes_of(tensors, repr(source)).items():
    rule = f"{name} in {path} must be that of the tensors, {size}"
    errors.require(content[name] == size, rule, content[name])
  with errors.named(f"{path}: "):
    field_rules.check(config)
    config.check()
  return network, config, tensors


def _read_tokenizer(
  source: str,
  network: network_lib.Network,
  config: network_config.NetworkConfig,
) -> tuple[Sized, Callable[[str], None]]:
  """Returns the vocabulary, and what writes the tokenizer into a folder."""
  if config.reads in _TOKENIZERS:
    tokenizer_of_text = _TOKENIZERS[config.reads]
    words = tokenizer_of_text.read(source)
    write = functools.partial(tokenizer_of_text.write_model, tokenizer=words)
    return words, write
  words, normalized, theirs = tokenizer_import.read(source, network)

  def write(folder: str) -> None:
    tokenizer_files.write_vocabulary(folder, words)
    normalized.write(folder)
    _check_ids(folder, theirs, source)

  return words, write


def _check_ids(folder: str, theirs, source: str) -> None:
  """Checks the tokenizer that was written against the one that was read."""
  words = vocabulary.Vocabulary.from_file(os.path.join(folder, vocabulary.FILE))
  config = tokenizer_config.TokenizerConfig.from_folder(folder)
  own = tokenizer.Tokenizer(words, config)
  tokenizer_import.check_ids(own, theirs, source)


def _build(
  config: network_config.NetworkConfig,
  network: network_lib.Network,
  tensors: dict,
  source: str,
) -> tuple[dict, list[str]]:
  """Returns what to save, with its weights, and what `source` did not have."""
  encoder = config.build_plain()
  items = {"encoder": encoder} | network_config.beside(encoder)
  wanted, notes, optional = network.of_encoder(encoder), [], {}
  if config.reads == token_scorer.CAUSAL:
    model = config.build_language_model(encoder)
    model({"input_word_ids": tf.zeros([1, 1], tf.int32)})  # makes the weights
    items, wanted = model.checkpoint_items, network.of_model(model)
  if config.reads == token_scorer.ENCODER:
    head = items["masked_lm"] = _make_head(config, network, encoder)
    optional[network.head] = (network.of_masked_lm(head), _NO_HEAD)
    optional[network.pooler] = (network.of_pooler(encoder), _NO_POOLER)
  for prefix, (part, note) in optional.items():
    if any(name.startswith(prefix) for name in tensors):
      wanted |= part
    elif part:
      notes.append(note)
  if _NO_HEAD in notes:
    items.pop("masked_lm")
  others = network.others(wanted, tensors, repr(source))
  weights.assign(wanted, tensors, network.title, repr(source))
  heads = dict.fromkeys(name.rpartition(".")[0] or name for name in others)
  if heads:
    notes.append(f"Other heads were left out: {weights.listed([*heads])}.")
  return items, notes


def _make_head(
  config: network_config.NetworkConfig,
  network: network_lib.Network,
  encoder: tf_keras.layers.Layer,
) -> tf_keras.layers.Layer:
  """Returns a masked-LM head of an encoder, with weights."""
  activation = network.activation_of_head(config.hidden_activation)
  model = config.build_pretrainer(models.BertPretrainerV2, encoder, activation)
  model(model.inputs)
  return model.masked_lm


def _save(items: dict, folder: str) -> None:
  """Writes a checkpoint as training does, of step 0."""
  step = tf.Variable(0, dtype=tf.int64)
  manager = tf.train.CheckpointManager(
    tf.train.Checkpoint(global_step=step, **items), folder, max_to_keep=1
  )
  manager.save(checkpoint_number=0)


def _params(
  config: network_config.NetworkConfig,
  network: network_lib.Network,
  model_dir: str,
) -> cfg.ExperimentConfig:
  """Returns a pretraining experiment that begins with the imported weights."""
  params = experiments.get(f"{config.network}/token_drop")
  task = params.task
  task.init_checkpoint = model_dir
  if config.reads == token_scorer.ENCODER:
    vocab_file = os.path.join(model_dir, vocabulary.FILE)
    config = config.replace(vocab_file=vocab_file)
    activation = network.activation_of_head(config.hidden_activation)
    task.model.mlm_activation = activation
  task.model.encoder.any = config
  for data in (task.train_data, task.validation_data):
    data.seq_length = min(data.seq_length, network.positions(config))
  return params
