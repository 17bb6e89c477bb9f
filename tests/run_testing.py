# SPDX-License-Identifier: Apache-2.0
"""Run folders for tests, as training leaves them, but with random weights."""

import pathlib

import numpy as np
import tensorflow as tf
import tf_keras
import yaml
from official.nlp.configs import encoders
from official.nlp.modeling import models

from tests import testing
from token_dropping.data.text import byte_tokenizer
from token_dropping.data.text import tokenizer_config
from token_dropping.models import network_config
from token_dropping.models import networks
from token_dropping.models import span_labeler
from token_dropping.tasks import experiments
from token_dropping.tasks.causal_lm import task as causal_lm
from token_dropping.tasks.masked_lm import task as masked_lm

STEP = 7
# The fields of a network that is normalized before each block and at its end.
PRE_NORM = {
  "mlm_activation": "gelu_exact",
  "encoder": {"any": {"norm_first": True, "final_norm": True}},
}
# Those of one whose second of three layers is local.
MODERNBERT = {
  "encoder": {
    "any": {"global_every": 2, "local_attention": 6, "always_keep_cls": True}
  }
}


def make_run(
  folder: pathlib.Path, kind: str = "masked_lm", network: dict | None = None
) -> tf_keras.Model:
  """Makes a run folder; returns the model whose weights are saved there.

  The kind is `masked_lm`, `classification` (two classes) or `span`; `network`
  has fields of `task.model`, which tell the network.
  """
  folder.mkdir(parents=True)
  testing.write_vocabulary(folder / "vocab.txt")
  tokenizer_config.TokenizerConfig().write(str(folder))
  given = (network or {}).get("encoder", {"any": {}})["any"]
  name = networks.config_of(given).network
  params = experiments.get(f"{name}/token_drop")
  params.override(testing.TINY)
  params.override({"task": {"model": network or {}}})
  task = params.task.as_dict()
  if kind == "masked_lm":
    model = masked_lm.TokenDropMaskedLMTask(params.task).build_model()
  else:
    task, model = _fine_tuned(kind, params.task.model.encoder)
  model(model.inputs)  # makes the weights
  make_random(model)
  (folder / "params.yaml").write_text(
    yaml.dump({"task": task, "trainer": params.trainer.as_dict()})
  )
  save_checkpoint(folder, model)
  return model


def make_causal_run(
  folder: pathlib.Path, tokenizer: bytes, network: str = "gpt", **sizes
) -> tf_keras.Model:
  """Makes a causal run's folder; it has more ids than the tokenizer."""
  folder.mkdir(parents=True)
  (folder / byte_tokenizer.FILE).write_bytes(tokenizer)
  experiment = f"{network}/token_drop"
  params = experiments.get(experiment)
  params.override(testing.tiny(experiment))
  sizes = {"vocab_size": 310, "initializer_range": 0.5} | sizes
  params.override({"task": {"model": {"encoder": {"any": sizes}}}})
  model = causal_lm.CausalLMTask(params.task).build_model()
  tree = {"task": params.task.as_dict(), "trainer": params.trainer.as_dict()}
  (folder / "params.yaml").write_text(yaml.dump(tree))
  save_checkpoint(folder, model)
  return model


def make_random(model: tf_keras.Model) -> None:
  """Makes all weights random, biases too."""
  rng = np.random.default_rng(1)
  for weight in model.weights:
    weight.assign(rng.normal(0.0, 0.3, weight.shape))


def save_checkpoint(folder: pathlib.Path, model: tf_keras.Model) -> None:
  """Writes a checkpoint of the objects that the trainer writes."""
  items = model.checkpoint_items
  checkpoint = tf.train.Checkpoint(
    model=model,
    global_step=tf.Variable(STEP, dtype=tf.int64),
    **(items | network_config.beside(items["encoder"])),
  )
  manager = tf.train.CheckpointManager(checkpoint, str(folder), max_to_keep=1)
  manager.save(STEP)


def edit(folder: pathlib.Path, *path: str, value) -> None:
  """Sets one field of params.yaml."""
  file = folder / "params.yaml"
  tree = params = yaml.unsafe_load(file.read_text())
  for name in path[:-1]:
    tree = tree[name]
  tree[path[-1]] = value
  file.write_text(yaml.dump(params))


def _fine_tuned(
  kind: str, config: encoders.EncoderConfig
) -> tuple[dict, tf_keras.Model]:
  """Returns the task config and the model of a fine-tuned run."""
  network = config.get()
  encoder = network.build()
  encoder(encoder.inputs)
  task = {"model": {"encoder": config.as_dict()}}
  if kind == "classification":
    head = {"num_classes": 2, "use_encoder_pooler": network.has_pooler}
    task["model"] |= head
    build = network.build_classifier
    return task, build(models.BertClassifier, encoder, **head)
  task |= {"n_best_size": 20, "max_answer_length": 30}
  return task, network.build_span_labeler(span_labeler.SpanLabeler, encoder)
