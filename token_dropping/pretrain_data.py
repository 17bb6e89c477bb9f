# SPDX-License-Identifier: Apache-2.0
"""Model Garden's pretraining data, and the same masked in the input pipeline.

task:
  train_data: {input_path: data/train-*, masking: dynamic, masking_unit: span}
"""

import dataclasses

import tensorflow as tf
from official.core import input_reader
from official.nlp.data import data_loader
from official.nlp.data import data_loader_factory
from official.nlp.data import pretrain_dataloader

from token_dropping import epochs
from token_dropping import vocabulary
from token_dropping.data import dynamic_masking

MASKING = ("static", "dynamic")


@dataclasses.dataclass
class PretrainDataConfig(pretrain_dataloader.BertPretrainDataConfig):
  """Model Garden's BERT pretraining data, and how to mask it.

  With `masking="static"` the masks are in the records and the other fields are
  not read.

  Attributes:
    masking: one of `MASKING`.
    masking_rate: share of the tokens to predict, in (0, 1).
    final_masking_rate: the rate goes linearly from `masking_rate` to this over
      `masking_rate_steps` training steps and stays there. `None` means that it
      does not change.
    masking_rate_steps: 0 means `trainer.train_steps`.
    masking_unit: what is masked as a whole, one of `dynamic_masking.UNITS`.
    max_span_words: longest span.
    mask_share: share of the chosen tokens that become `[MASK]`.
    random_share: share of the chosen tokens that become a random token.
    masking_seed: other masks for another seed.
    vocab_file: path of the `vocab.txt` that the records were made with; unset,
      the one beside prepared records.
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


def is_dynamic(data) -> bool:
  """Whether a data config, of any class, asks for dynamic masking."""
  return getattr(data, "masking", "static") == "dynamic"


@data_loader_factory.register_data_loader_cls(PretrainDataConfig)
class PretrainDataLoader(data_loader.DataLoader):
  """Reads batches, masked before or here.

  Dynamic masks depend on seed, epoch and the record's content, so neither the
  order of the records nor the number of readers changes them. Validation is
  always masked as in epoch 0. A linear change of the rate depends on the step
  too, which is the batch's index over the replicas that the reader feeds.

  Args:
    params: a `PretrainDataConfig`.
  """

  def __init__(self, params: PretrainDataConfig):
    self._params = params

  def load(
    self,
    input_context: tf.distribute.InputContext | None = None,
    first_step: int = 0,
  ) -> tf.data.Dataset:
    """Returns batches in Model Garden's format.

    Args:
      input_context: which part of the records to read; `None` means all.
      first_step: step at which training starts or continues. The rate goes on
        from there, and so do the numbers of the epochs: a continued run has new
        masks. Not read with static masks.
    """
    if not is_dynamic(self._params):
      loader = pretrain_dataloader.BertPretrainDataLoader(self._params)
      return loader.load(input_context)
    # The records are read here, since Model Garden's reader numbers no epochs;
    # it does what comes after. Its cache would keep the masks.
    reader = input_reader.InputReader(
      params=self._params.replace(cache=False),
      transform_and_batch_fn=self._numbered_batches,
      postprocess_fn=_Parser(self._params, input_context, first_step),
    )
    records = epochs.read_epochs(self._params, input_context, first_step)
    return reader.read(input_context, records)

  def _numbered_batches(
    self,
    dataset: tf.data.Dataset,
    input_context: tf.distribute.InputContext | None,
  ) -> tf.data.Dataset:
    size = self._params.global_batch_size
    if input_context:
      size = input_context.get_per_replica_batch_size(size)
    return dataset.batch(size, self._params.drop_remainder).enumerate()


class _Parser:
  """Turns serialized records into masked batches."""

  def __init__(self, params: PretrainDataConfig, input_context, first_step):
    self._params = params
    self._first_step = first_step
    self._batches_per_step = 1
    if input_context:
      self._batches_per_step = max(
        1,
        input_context.num_replicas_in_sync // input_context.num_input_pipelines,
      )
    self._masker = dynamic_masking.DynamicMasker(
      vocabulary.Vocabulary.from_file(params.vocab_file),
      params.max_predictions_per_seq,
      unit=params.masking_unit,
      max_span_words=params.max_span_words,
      mask_share=params.mask_share,
      random_share=params.random_share,
      seed=params.masking_seed,
    )
    self._features = _features(params)

  def __call__(self, index: tf.Tensor, numbered: tuple) -> dict:
    epoch, serialized = numbered
    example = tf.io.parse_example(serialized, self._features)
    batch = self._masker.mask(
      example["input_word_ids"],
      example["word_starts"],
      rate=self._rate(self._first_step + index // self._batches_per_step),
      epoch=epoch,
      type_ids=example["input_type_ids"],
    )
    if "next_sentence_labels" in example:
      labels = tf.cast(example["next_sentence_labels"], tf.int32)
      batch["next_sentence_labels"] = labels
    return batch

  def _rate(self, step: tf.Tensor) -> tf.Tensor | float:
    first, last = self._params.masking_rate, self._params.final_masking_rate
    if last is None:
      return first
    done = tf.minimum(step / self._params.masking_rate_steps, 1.0)
    return first + (last - first) * done


def _features(params: PretrainDataConfig) -> dict:
  """Returns what `tf.io.parse_example` reads."""
  length = params.seq_length
  features = {
    "input_word_ids": tf.io.FixedLenFeature([length], tf.int64),
    "word_starts": tf.io.FixedLenFeature([length], tf.int64),
    # Records of one segment need not hold it.
    "input_type_ids": tf.io.FixedLenFeature([length], tf.int64, [0] * length),
  }
  if params.use_next_sentence_label:
    features["next_sentence_labels"] = tf.io.FixedLenFeature([1], tf.int64)
  return features
