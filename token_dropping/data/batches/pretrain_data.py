# SPDX-License-Identifier: Apache-2.0
"""Model Garden's pretraining data, and the same masked as it is read."""

import dataclasses

import tensorflow as tf
from official.core import config_definitions as cfg
from official.nlp.data import data_loader
from official.nlp.data import data_loader_factory
from official.nlp.data import pretrain_dataloader

from token_dropping.common import vocabulary
from token_dropping.data.batches import batch_reader
from token_dropping.data.batches import dynamic_masking
from token_dropping.data.batches import epochs

MASKING = ("static", "dynamic")
POLICIES = ("stop", "skip")  # what to do with bad records and bad numbers
_V1_NAMES = {"input_word_ids": "input_ids", "input_type_ids": "segment_ids"}


@dataclasses.dataclass
class PretrainDataConfig(pretrain_dataloader.BertPretrainDataConfig):
  """Model Garden's BERT pretraining data, and how to mask it.

  With `masking="static"` the masks are in the records and the other fields of
  masking are not read.

  Attributes:
    masking: one of `MASKING`.
    masking_rate: share of the tokens to predict, in (0, 1).
    final_masking_rate: the rate goes linearly from `masking_rate` to this over
      `masking_rate_steps` training steps and stays there; `None`: no change.
    masking_rate_steps: 0 means `trainer.train_steps`.
    masking_unit: what is masked as a whole, one of `dynamic_masking.UNITS`.
    mask_share: share of the chosen tokens that become `[MASK]`.
    random_share: share of the chosen tokens that become a random token.
    masking_seed: other masks for another seed.
    vocab_file: the `vocab.txt` of the records; unset, the one beside them.
    attend_within_documents: tokens see those of their own document alone.
    on_bad_records: `stop` ends the run at a record that breaks a rule and at a
      file that breaks off; `skip` reads padding instead and counts it.
      Whatever `masking` is.
    max_bad_records: how many a run, or an evaluation, may skip. One that is
      read again in a later epoch counts again.
  """

  masking: str = "static"
  masking_rate: float = 0.15
  final_masking_rate: float | None = None
  masking_rate_steps: int = 0
  masking_unit: str = "token"
  max_span_words: int = 3
  mask_share: float = 0.8
  random_share: float = 0.1
  masking_seed: int = 0
  vocab_file: str = ""
  attend_within_documents: bool = False
  on_bad_records: str = "stop"
  max_bad_records: int = 100


def is_dynamic(data) -> bool:
  """Whether a data config, of any class, asks for dynamic masking."""
  return getattr(data, "masking", "static") == "dynamic"


def attends_within_documents(data) -> bool:
  """Whether a data config, of any class, keeps documents apart."""
  return getattr(data, "attend_within_documents", False)


def reads_vocabulary(data) -> bool:
  """Whether reading the records needs their `vocab_file`."""
  has_field = hasattr(data, "vocab_file")  # those of causal data do without
  return has_field and (is_dynamic(data) or attends_within_documents(data))


def skips_bad_records(data) -> bool:
  """Whether a data config, of any class, asks to skip bad records."""
  return getattr(data, "on_bad_records", "stop") == "skip"


def stored_name(name: str, data: cfg.DataConfig) -> str:
  """Returns the name in a record of what a batch calls `name`."""
  return name if data.use_v2_feature_names else _V1_NAMES.get(name, name)


def record_features(data: cfg.DataConfig) -> dict[str, tf.io.FixedLenFeature]:
  """Features of a record by their names in a batch; optional with a default."""
  sequences = ["input_word_ids", "input_mask", "input_type_ids"]
  predictions = ["masked_lm_positions", "masked_lm_ids", "masked_lm_weights"]
  if is_dynamic(data):
    sequences = ["input_word_ids", "word_starts", "input_type_ids"]
    predictions = []
  lengths = dict.fromkeys(sequences, data.seq_length)
  lengths |= dict.fromkeys(predictions, data.max_predictions_per_seq)
  if data.use_next_sentence_label:
    lengths["next_sentence_labels"] = 1
  features = {
    name: tf.io.FixedLenFeature(
      [length], tf.float32 if name == "masked_lm_weights" else tf.int64
    )
    for name, length in lengths.items()
  }
  if is_dynamic(data) and not data.use_next_sentence_label:
    features["input_type_ids"] = tf.io.FixedLenFeature(
      [data.seq_length], tf.int64, [0] * data.seq_length
    )
  return features


def document_ids(word_ids: tf.Tensor, end_id: int) -> tf.Tensor:
  """Numbers the documents in each record of ids [B, S]; int32 [B, S].

  `end_id` ends a document and belongs to it, `[CLS]` to the first one.

  >>> document_ids(tf.constant([[1, 7, 2, 8, 9, 2, 0]]), end_id=2).numpy()
  array([[0, 0, 0, 1, 1, 1, 2]], dtype=int32)
  """
  ends = tf.cast(word_ids == end_id, tf.int32)
  return tf.cumsum(ends, axis=1, exclusive=True)


@data_loader_factory.register_data_loader_cls(PretrainDataConfig)
class PretrainDataLoader(data_loader.DataLoader):
  """Reads batches, masked before or here.

  What a training step reads is a function of the config and the step: a run
  that goes on reads no record twice and leaves none out. Only what Model Garden
  reads, TensorFlow Datasets and `dummy` records, begins anew. Dynamic masks
  depend on seed, epoch and the record's content, not on order or readers;
  validation is masked as in epoch 0. A linear change of the rate depends on the
  step too, which is the batch's index over the replicas that the reader feeds.
  """

  def __init__(self, params: PretrainDataConfig):
    self._params = params

  def load(
    self,
    input_context: tf.distribute.InputContext | None = None,
    first_step: int = 0,
    skipper=None,
  ) -> tf.data.Dataset:
    """Returns batches in Model Garden's format; training is from `first_step`.

    With a `bad_records.RecordSkipper` bad records are padding, else an error.
    """
    data = self._params
    if data.tfds_name or data.input_path == "dummy":
      return pretrain_dataloader.BertPretrainDataLoader(data).load(
        input_context
      )
    context = input_context or tf.distribute.InputContext()
    parse = _Parser(data, context, first_step)
    return batch_reader.read_batches(
      data, parse, parse.empty_record, input_context, first_step, skipper
    )


class _Parser:
  """Turns numbered batches of serialized records into batches, masked."""

  def __init__(self, data: PretrainDataConfig, context, first_step: int):
    self._data = data
    self._first_step = first_step
    self._batches_per_step = epochs.batches_per_step(context)
    features = record_features(data)
    self._names = {name: stored_name(name, data) for name in features}
    self._stored = {self._names[name]: kind for name, kind in features.items()}
    self._masker, self._sep_id, pad_id = None, None, 0
    if reads_vocabulary(data):
      vocab = vocabulary.Vocabulary.from_file(data.vocab_file)
      special = vocab.special_ids
    if is_dynamic(data):
      self._masker = dynamic_masking.DynamicMasker(vocab, data)
      pad_id = special[vocabulary.PAD]
    if attends_within_documents(data):
      self._sep_id = special[vocabulary.SEP]
    self.empty_record = batch_reader.empty_record(self._stored, pad_id)

  def __call__(self, index: tf.Tensor, records: epochs.ReadRecord) -> dict:
    example = tf.io.parse_example(records.record, self._stored)
    batch = {
      name: batch_reader.narrowed(example[stored])
      for name, stored in self._names.items()
    }
    documents = {}
    if self._sep_id is not None:
      ids = document_ids(batch["input_word_ids"], self._sep_id)
      documents["document_ids"] = ids
    if self._masker is None:
      return batch | documents
    masked = self._masker.mask(
      batch["input_word_ids"],
      batch["word_starts"],
      rate=self._rate(self._first_step + index // self._batches_per_step),
      epoch=records.epoch,
      type_ids=batch["input_type_ids"],
    )
    masked["word_starts"] = batch["word_starts"]
    if "next_sentence_labels" in batch:
      masked["next_sentence_labels"] = batch["next_sentence_labels"]
    return masked | documents

  def _rate(self, step: tf.Tensor) -> tf.Tensor | float:
    first, last = self._data.masking_rate, self._data.final_masking_rate
    if last is None:
      return first
    done = tf.minimum(step / self._data.masking_rate_steps, 1.0)
    return first + (last - first) * done
