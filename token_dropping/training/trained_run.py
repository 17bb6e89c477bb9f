# SPDX-License-Identifier: Apache-2.0
"""What training left in a run folder, and plain networks built from it."""

import dataclasses
import os
import re
from collections.abc import Collection

import tensorflow as tf
import tf_keras
from official.nlp.modeling import models

from token_dropping.common import errors
from token_dropping.common import files
from token_dropping.common import filesystems
from token_dropping.common import plain_yaml
from token_dropping.common import vocabulary
from token_dropping.data.text import byte_tokenizer
from token_dropping.data.text import subword_tokenizer
from token_dropping.data.text import tokenizer as tokenizer_lib
from token_dropping.models import checkpoint_files
from token_dropping.models import checkpoints
from token_dropping.models import network_config
from token_dropping.models import pretrainer
from token_dropping.models import span_labeler
from token_dropping.models.causal import language_model
from token_dropping.training import saved_params

LATEST, BEST = "latest", "best"
_TEXTS = ("text", "second_text")
_ARGUMENT = re.compile("(?!self$)[a-z][a-z0-9_]*")  # of a TensorFlow function
MASKED_LM, CAUSAL_LM = saved_params.MASKED_LM, saved_params.CAUSAL_LM
TRANSLATION = saved_params.TRANSLATION
CLASSIFICATION, SPAN = saved_params.CLASSIFICATION, saved_params.SPAN
OF_WORDS = (MASKED_LM, CLASSIFICATION, SPAN)  # whose tokenizer is WordPiece
KINDS = (*OF_WORDS, CAUSAL_LM, TRANSLATION)
Tokenizer = (
  tokenizer_lib.Tokenizer
  | byte_tokenizer.ByteTokenizer
  | subword_tokenizer.SubwordTokenizer
)
_TOKENIZERS = {
  **dict.fromkeys(OF_WORDS, tokenizer_lib.Tokenizer),
  CAUSAL_LM: byte_tokenizer.ByteTokenizer,
  TRANSLATION: subword_tokenizer.SubwordTokenizer,
}


@dataclasses.dataclass(frozen=True)
class TrainedRun:
  """A folder that `token_dropping.train` made.

  The methods that build a model fill it with the trained weights. They raise
  `UserError` for another kind of run, or where the checkpoint does not hold
  exactly these weights.

  Attributes:
    kind: what was trained: `masked_lm`, `classification`, `span`, `causal_lm`
      or `translation`.
    task: the `task` part of `params.yaml`, nested dictionaries.
    encoder: the network's config; it drops nothing for `type: bert`.
    tokenizer: what turns text into ids, of a class of its kind.
    checkpoint: prefix of the checkpoint to use.
    source: the flag that named the folder, for errors.
  """

  model_dir: str
  kind: str
  task: dict
  encoder: network_config.NetworkConfig
  tokenizer: Tokenizer
  checkpoint: str
  step: int
  source: str = "--model_dir"

  @classmethod
  def read(
    cls,
    model_dir: str,
    checkpoint: str = LATEST,
    source: str = "--model_dir",
    kinds: Collection[str] = OF_WORDS,
  ) -> "TrainedRun":
    """Reads a run folder, on any filesystem TensorFlow knows, but no weight.

    `checkpoint` is `latest`, `best` (of a run that keeps it) or a step; `kinds`
    are those of which something can be made.
    """
    filesystems.require_tensorflow(model_dir, source)
    errors.require(
      bool(model_dir) and tf.io.gfile.isdir(model_dir),
      f"{source} must be the folder of a run",
      repr(model_dir),
    )
    files.check_name(model_dir, source)
    params = plain_yaml.read_yaml(_file(model_dir, "params.yaml", source))
    task = saved_params.mapping(params, "task", model_dir)
    config = saved_params.read_encoder(task, model_dir)
    kind = saved_params.kind_of(task, model_dir, source)
    rule = f"{source} must hold a {' or '.join(kinds)} run"
    errors.require(kind in kinds, rule, f"{model_dir!r}, a {kind} run")
    saved_params.check_head(task["model"], f"params.yaml in {model_dir}: ")
    prefix = _find_checkpoint(model_dir, checkpoint, params, source)
    return cls(
      model_dir,
      kind,
      task,
      config,
      _read_tokenizer(kind, model_dir, config.vocab_size, source),
      checkpoint=prefix,
      step=checkpoints.read_step(prefix, source),
      source=source,
    )

  def build(self) -> tf_keras.Model:
    builders = {
      MASKED_LM: self.build_masked_lm,
      CLASSIFICATION: self.build_classifier,
      SPAN: self.build_span_labeler,
      CAUSAL_LM: self.build_language_model,
      TRANSLATION: self.build_translation,
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

  def build_language_model(
    self, drops: bool = False
  ) -> language_model.LanguageModel:
    """Builds a causal language model, without dropout.

    With `drops` it can drop, and has the importance that was learnt.
    """
    self.check_kind(CAUSAL_LM)
    config = self.encoder.replace(
      dropout_rate=0.0, attention_dropout_rate=0.0, drop_at_inference=False
    )
    network = config.build() if drops else config.build_plain()
    model = config.build_language_model(network)
    model({"input_word_ids": tf.zeros([1, 1], tf.int32)})  # makes the weights
    self.restore(model.checkpoint_items)
    return model

  def build_translation(
    self, drops: bool = False, **decoding
  ) -> models.Seq2SeqTransformer:
    """Builds Model Garden's network; `decoding` are its fields of beam search.

    They are `beam_size`, `alpha` and `extra_decode_length`. With `drops` it can
    drop, without dropout, and has the importance that was learnt.
    """
    self.check_kind(TRANSLATION)
    if not drops:
      model = self.encoder.build_plain(**decoding)
      self.restore({"encoder": model})
      return model
    names = (n for n in self.encoder.as_dict() if n.endswith("dropout_rate"))
    model = self.encoder.replace(**dict.fromkeys(names, 0.0)).build()
    self.restore(model.checkpoint_items)
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
  def vocabulary(self) -> vocabulary.Vocabulary | None:
    """That of a tokenizer of words; `None` of another."""
    return getattr(self.tokenizer, "vocab", None)

  @property
  def tokenizer_files(self) -> list[str]:
    """Paths of what the tokenizer was read from."""
    names = self.tokenizer.FILES
    return [os.path.join(self.model_dir, name) for name in names]

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
    names = files.read_lines(self.labels, vocabulary.LABELS_FILE)
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


def _read_tokenizer(
  kind: str, model_dir: str, vocab_size: int, source: str
) -> Tokenizer:
  tokenizer_class = _TOKENIZERS[kind]
  path, *_ = [_file(model_dir, name, source) for name in tokenizer_class.FILES]
  tokenizer = tokenizer_class.from_folder(model_dir)
  rule = f"{path} must have at most the vocab_size tokens of params.yaml"
  size = len(tokenizer)
  errors.require(size <= vocab_size, f"{rule}, {vocab_size}", size)
  return tokenizer


def _file(model_dir: str, name: str, source: str) -> str:
  path = os.path.join(model_dir, name)
  errors.require(
    tf.io.gfile.exists(path),
    f"{source} must hold {name}",
    f"{model_dir!r} without it",
  )
  return path


def _find_checkpoint(
  model_dir: str, which: str, params: dict, source: str
) -> str:
  folder, field = model_dir, "best_checkpoint_export_subdir"
  if which == BEST:
    subdir = saved_params.mapping(params, "trainer", model_dir).get(field)
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
