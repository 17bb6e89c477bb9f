# SPDX-License-Identifier: Apache-2.0
"""What training left in a run folder, and plain networks built from it."""

import dataclasses
import os
import re

import tensorflow as tf
import tf_keras
from official.nlp.configs import encoders
from official.nlp.modeling import models

from token_dropping.common import config_overrides
from token_dropping.common import errors
from token_dropping.common import files
from token_dropping.common import filesystems
from token_dropping.common import plain_json
from token_dropping.common import plain_text
from token_dropping.common import plain_yaml
from token_dropping.common import vocabulary
from token_dropping.data.text import tokenizer_config
from token_dropping.models import checkpoint_files
from token_dropping.models import checkpoints
from token_dropping.models import network_config
from token_dropping.models import networks
from token_dropping.models import pretrainer
from token_dropping.models import span_labeler
from token_dropping.models.bert import encoder_config as bert
from token_dropping.tasks import encoder_checks
from token_dropping.training import field_rules

LATEST, BEST = "latest", "best"
_TEXTS = ("text", "second_text")
_KINDS = ("any", "bert", "bert_v2")  # of encoders
# What models are built of, beside the encoder.
_HEAD = {
  "mlm_activation": str,
  "mlm_initializer_range": float,
  "num_classes": int,
  "use_encoder_pooler": bool,
}
_ARGUMENT = re.compile("(?!self$)[a-z][a-z0-9_]*")  # of a TensorFlow function
MASKED_LM, CLASSIFICATION, SPAN = "masked_lm", "classification", "span"


@dataclasses.dataclass(frozen=True)
class TrainedRun:
  """A folder that `token_dropping.train` made.

  The methods that build a model fill it with the trained weights. They raise
  `UserError` for another kind of run, or where the checkpoint does not hold
  exactly these weights.

  Attributes:
    kind: what was trained: `masked_lm`, `classification` or `span`.
    task: the `task` part of `params.yaml`, nested dictionaries.
    encoder: the network's config; it drops nothing for `type: bert`.
    checkpoint: prefix of the checkpoint to use.
    source: the flag that named the folder, for errors.
  """

  model_dir: str
  kind: str
  task: dict
  encoder: network_config.NetworkConfig
  vocabulary: vocabulary.Vocabulary
  tokenizer_config: tokenizer_config.TokenizerConfig
  checkpoint: str
  step: int
  source: str = "--model_dir"

  @classmethod
  def read(
    cls, model_dir: str, checkpoint: str = LATEST, source: str = "--model_dir"
  ) -> "TrainedRun":
    """Reads a run folder, on any filesystem TensorFlow knows, but no weight.

    `checkpoint` is `latest`, `best` (of a run that keeps it) or a step.
    """
    filesystems.require_tensorflow(model_dir, source)
    errors.require(
      bool(model_dir) and tf.io.gfile.isdir(model_dir),
      f"{source} must be the folder of a run",
      repr(model_dir),
    )
    files.check_name(model_dir, source)
    params = plain_yaml.read_yaml(_file(model_dir, "params.yaml", source))
    task = _mapping(params, "task", model_dir)
    config = _read_encoder(task, model_dir)
    kind = _kind(task, model_dir, source)
    _check_head(task["model"], f"params.yaml in {model_dir}: ")
    prefix = _find_checkpoint(model_dir, checkpoint, params, source)
    _file(model_dir, tokenizer_config.FILE, source)
    path = _file(model_dir, vocabulary.FILE, source)
    words, size = vocabulary.Vocabulary.from_file(path), config.vocab_size
    rule = f"{path} must have at most the vocab_size tokens of params.yaml"
    errors.require(len(words) <= size, f"{rule}, {size}", len(words))
    return cls(
      model_dir,
      kind,
      task,
      config,
      words,
      tokenizer_config.TokenizerConfig.from_folder(model_dir),
      prefix,
      checkpoints.read_step(prefix, source),
      source,
    )

  def build(self) -> tf_keras.Model:
    builders = {
      MASKED_LM: self.build_masked_lm,
      CLASSIFICATION: self.build_classifier,
      SPAN: self.build_span_labeler,
    }
    return builders[self.kind]()

  def build_encoder(self) -> tf_keras.layers.Layer:
    """Builds the plain encoder with the trained weights."""
    encoder = self.encoder.build_plain()
    self._restore(encoder)
    return encoder

  def build_masked_lm(self) -> models.BertPretrainerV2:
    """Builds the encoder and the masked-LM head, without sentence heads."""
    self.check_kind(MASKED_LM)
    config = self.task["model"]
    model = self.encoder.build_pretrainer(
      models.BertPretrainerV2,
      self.encoder.build_plain(),
      config["mlm_activation"],
      tf_keras.initializers.TruncatedNormal(
        stddev=config["mlm_initializer_range"]
      ),
    )
    model(model.inputs)  # makes the head's weights
    self._restore(model.encoder_network, {"masked_lm": model.masked_lm})
    return model

  def build_dropping(self) -> pretrainer.TokenDropPretrainer:
    """Builds the network that was pretrained, which can drop, without dropout.

    It drops where it is told to: its losses are those of whole sequences. Its
    importance is not restored.
    """
    self.check_kind(MASKED_LM)
    config = self.encoder.replace(
      vocab_file=os.path.join(self.model_dir, vocabulary.FILE),
      dropout_rate=0.0,
      attention_dropout_rate=0.0,
      drop_at_inference=False,
    )
    model = config.build_pretrainer(
      pretrainer.TokenDropPretrainer,
      config.build(),
      self.task["model"]["mlm_activation"],
      tf_keras.initializers.Zeros(),
    )
    model(model.inputs)  # makes the weights
    self._restore(model.encoder_network, {"masked_lm": model.masked_lm})
    return model

  def build_classifier(self) -> models.BertClassifier:
    self.check_kind(CLASSIFICATION)
    config = self.task["model"]
    encoder = self.encoder.build_plain()
    model = self.encoder.build_classifier(
      models.BertClassifier,
      encoder,
      config["num_classes"],
      config["use_encoder_pooler"],
    )
    self._restore(encoder, {"model/classifier": model.classifier})
    return model

  def build_span_labeler(self) -> span_labeler.SpanLabeler:
    self.check_kind(SPAN)
    encoder = self.encoder.build_plain()
    model = self.encoder.build_span_labeler(span_labeler.SpanLabeler, encoder)
    self._restore(encoder, {"model/span_labeling": model.span_labeling})
    return model

  @property
  def text_fields(self) -> tuple[str, ...]:
    """Names, in a signature, of the one or two strings of an example.

    They are those of the data, unless a signature cannot have one of them.
    """
    data = self.task.get("train_data") or {}
    names = tuple(data.get("text_fields") or _TEXTS[:1])
    fit = all(map(_ARGUMENT.fullmatch, names))
    return names if fit else _TEXTS[: len(names)]

  @property
  def labels(self) -> str:
    """Path of `labels.txt`, the name of each class; empty without one."""
    path = os.path.join(self.model_dir, vocabulary.LABELS_FILE)
    return path if tf.io.gfile.exists(path) else ""

  def label_names(self, classes: int) -> list[str]:
    """Returns the name of each class; none without `labels.txt`."""
    if not self.labels:
      return []
    content = files.read(self.labels)
    names = plain_text.split_lines(
      plain_text.decode(content, vocabulary.LABELS_FILE, self.labels)
    )
    errors.require(
      len(names) == len(set(names)) == classes,
      f"{self.labels} must have a line for each class, {classes}",
      errors.shorten(names),
    )
    return names

  def check_kind(self, kind: str) -> None:
    """Refuses a run of another kind with a `UserError`."""
    received = f"{self.model_dir!r}, a {self.kind} run"
    rule = f"{self.source} must hold a {kind} run"
    errors.require(self.kind == kind, rule, received)

  def _restore(self, encoder: tf_keras.layers.Layer, head=None) -> None:
    items = {"encoder": encoder} | network_config.beside(encoder)
    self.restore(items | (head or {}))

  def restore(self, items: dict) -> None:
    """Fills built objects from the checkpoint; see `checkpoints.restore`."""
    checkpoints.restore(items, self.checkpoint, self.source)


def _file(model_dir: str, name: str, source: str) -> str:
  path = os.path.join(model_dir, name)
  errors.require(
    tf.io.gfile.exists(path),
    f"{source} must hold {name}",
    f"{model_dir!r} without it",
  )
  return path


def _mapping(tree: dict, key: str, model_dir: str) -> dict:
  value = tree.get(key)
  errors.require(
    isinstance(value, dict),
    f"params.yaml in {model_dir} must have a mapping {key}",
    errors.shorten(value),
  )
  return value


def _read_encoder(task: dict, model_dir: str) -> network_config.NetworkConfig:
  """Returns the network's config; Model Garden's BERT drops none."""
  tree = _mapping(_mapping(task, "model", model_dir), "encoder", model_dir)
  kind = tree.get("type")
  errors.require(
    kind in _KINDS,
    f"params.yaml in {model_dir} must have task.model.encoder.type any, bert "
    "or bert_v2",
    errors.shorten(kind),
  )
  fields, path = _mapping(tree, kind, model_dir), f"task.model.encoder.{kind}."
  is_ours = kind == "any"
  config = (
    networks.config_of(fields)() if is_ours else encoders.BertEncoderConfig()
  )
  source = f"params.yaml in {model_dir}: {path[:-1]}"
  config_overrides.apply_overrides(config, fields, source)
  field_rules.check(config, path)
  if not is_ours:
    config = bert.TokenDropEncoderConfig(
      **config.as_dict(), token_keep_ratio=1.0
    )
  config.complete()
  with encoder_checks.named(path):
    config.check()
  return config


def _check_head(model: dict, source: str) -> None:
  """Refuses fields of the heads that cannot be what a run had."""
  for name, kind in _HEAD.items():
    if name in model:
      plain_json.check(model[name], kind, f"{source}task.model.{name}")
      field_rules.check_value(f"{source}task.model.{name}", model[name])


def _kind(task: dict, model_dir: str, source: str) -> str:
  """Tells what was trained by a field that only its config has."""
  errors.require(
    "loss_positions" not in task,
    f"{source} must hold a run of a masked-LM, classification or span task: of "
    "a causal language model nothing is made here",
    repr(model_dir),
  )
  for field, kind in (
    ("mlm_activation", MASKED_LM),
    ("num_classes", CLASSIFICATION),
    ("max_answer_length", SPAN),
  ):
    if field in task or field in task["model"]:
      return kind
  raise errors.UserError(
    f"{source} must hold a run of a masked-LM, classification or span task. "
    f"Received: {model_dir!r}"
  )


def _find_checkpoint(
  model_dir: str, which: str, params: dict, source: str
) -> str:
  folder, field = model_dir, "best_checkpoint_export_subdir"
  if which == BEST:
    subdir = _mapping(params, "trainer", model_dir).get(field)
    rule = f"--checkpoint=best must be of a run with trainer.{field}"
    errors.require(bool(subdir), rule, repr(model_dir))
    folder = os.path.join(model_dir, str(subdir))
  prefix, there = os.path.join(folder, f"ckpt-{which}"), repr(model_dir)
  if which in (LATEST, BEST):
    prefix = checkpoint_files.latest(folder)
    there = f"{folder!r}, {checkpoint_files.describe_folder(folder)}"
  elif not (which.isdecimal() and tf.io.gfile.exists(f"{prefix}.index")):
    prefix = None
  errors.require(
    prefix is not None,
    f"{source} must hold the checkpoint {which!r}, one of latest, best or a "
    "step",
    there,
  )
  return prefix
