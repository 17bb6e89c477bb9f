# SPDX-License-Identifier: Apache-2.0
"""What the tests share: random inputs, BERTs of `transformers`, logits."""

import json
import pathlib

import numpy as np
import tensorflow as tf
import tf_keras
import torch
import transformers
from official.core import task_factory

from tests import testing
from token_dropping.common import vocabulary
from token_dropping.data.text import tokenizer_config
from token_dropping.huggingface import tokenizer_files
from token_dropping.training import config as launch_config

_RANDOM = np.random.default_rng(0)
_SHAPE = (3, testing.SEQ_LENGTH)
# All rows but the first are padded.
_MASK = np.arange(_SHAPE[1]) < np.array([[16], [11], [6]])
INPUTS = {
  "input_word_ids": _MASK * _RANDOM.integers(5, 50, _SHAPE, "i4"),
  "input_mask": _MASK.astype("i4"),
  "input_type_ids": _RANDOM.integers(0, 2, _SHAPE, "i4"),
}


_SPECIAL = (
  "pad_token_id",
  *("bos_token_id", "cls_token_id", "eos_token_id", "sep_token_id"),
)
# How the names of classes begin, and what their config has besides.
NETWORKS = {
  "Bert": {},
  "RobertaPreLayerNorm": {
    "pad_token_id": 0,
    "max_position_embeddings": testing.SEQ_LENGTH + 1,
  },
  "ModernBert": {  # the second of three layers is local
    "num_hidden_layers": 3,
    "global_attn_every_n_layers": 2,
    "local_attention": 6,
    **dict(zip(_SPECIAL, (0, 2, 2, 3, 3), strict=True)),
  },
}


def config_of(network: str, **changes):
  """Returns the config of a tiny network for inputs as in `testing.TINY`."""
  fields = testing.SIZES | {"num_hidden_layers": 2} | NETWORKS[network]
  del fields["num_layers"]
  return getattr(transformers, f"{network}Config")(**(fields | changes))


def save(folder: pathlib.Path, model_class: str, **changes):
  """Saves a model, random in every weight, and its tokenizer; returns it."""
  network = model_class.partition("For")[0].removesuffix("Model")
  config = config_of(network, **changes)
  model = getattr(transformers, model_class)(config)
  generator = torch.Generator().manual_seed(1)
  with torch.no_grad():
    for weight in model.parameters():
      weight.normal_(0.0, 0.3, generator=generator)
  model.save_pretrained(folder)
  testing.write_vocabulary(folder / "vocab.txt")
  if network == "ModernBert":  # it has no tokenizer of a `vocab.txt`
    words = vocabulary.Vocabulary(testing.TOKENS)
    tokenizer = tokenizer_files.build(words, tokenizer_config.TokenizerConfig())
    tokenizer.save(str(folder / "tokenizer.json"))
  elif network != "Bert":  # whose tokenizer need not be named
    text = json.dumps({"tokenizer_class": "BertTokenizer"})
    (folder / "tokenizer_config.json").write_text(text)
  return model.eval()


def torch_outputs(model):
  """Returns what a model of `transformers` makes of `INPUTS`."""
  types = {"token_type_ids": torch.tensor(INPUTS["input_type_ids"])}
  if model.config.model_type == "modernbert":  # which takes none
    types = {}
  with torch.no_grad():
    return model(
      input_ids=torch.tensor(INPUTS["input_word_ids"]),
      attention_mask=torch.tensor(INPUTS["input_mask"]),
      **types,
    )


def masked_lm_logits(model) -> tf.Tensor:
  """Returns a Keras masked LM's logits at every position [B, S, V]."""
  positions = np.tile(np.arange(_SHAPE[1], dtype="i4"), (_SHAPE[0], 1))
  return model(INPUTS | {"masked_lm_positions": positions})["mlm_logits"]


def assert_close(here, there) -> None:
  """Compares what Keras and PyTorch compute."""
  np.testing.assert_allclose(here, there, atol=1e-4)


def assert_agree(outputs, model) -> None:
  """Compares Keras's outputs of `INPUTS` with those of `transformers`.

  Of padding, outputs of other networks than BERT mean nothing.
  """
  is_bert = model.config.model_type == "bert"
  there = torch_outputs(model).to_tuple()
  for own, other in zip(tf.nest.flatten(outputs), there, strict=True):
    has_positions = other.shape[:2] == _SHAPE and not is_bert
    where = _MASK if has_positions else slice(None)
    assert_close(own.numpy()[where], other.numpy()[where])


def begin(run: pathlib.Path, experiment: str, **data) -> tf_keras.Model:
  """Returns the network that training an imported run begins with; it drops.

  `data` are fields of its records.
  """
  data |= {"input_path": testing.write_records(run / "records", [])}
  data["global_batch_size"] = 4
  overrides = {"task": {"train_data": data, "validation_data": data}}
  flags = launch_config.LaunchFlags(
    experiment=experiment,
    config_file=[str(run / "params.yaml")],
    params_override=json.dumps(overrides),
  )
  params = launch_config.prepare(flags)
  task = task_factory.get_task(params.task)
  assert params.task.model.encoder.any.drop_plan.drops
  begun = task.build_model()
  task.initialize(begun)
  return begun
