# SPDX-License-Identifier: Apache-2.0
"""Batches of fine-tuning records, read on from the step of a checkpoint."""

import tensorflow as tf
from official.core import input_reader
from official.nlp.data import question_answering_dataloader
from official.nlp.data import sentence_prediction_dataloader

from token_dropping.data.batches import epochs


class _StepReader:
  """Mixed into a loader of Model Garden that decodes and parses records."""

  def load(
    self,
    input_context: tf.distribute.InputContext | None = None,
    first_step: int = 0,
  ) -> tf.data.Dataset:
    """Returns batches from a step on, a function of config and step alone."""
    data = self._params
    # `epochs` has shuffled and kept the records.
    reader = input_reader.InputReader(
      params=data.replace(cache=False, shuffle_buffer_size=1),
      decoder_fn=self._decode,
      parser_fn=self._parse,
    )
    records = epochs.read_epochs(data, input_context, first_step)
    return reader.read(input_context, records.map(lambda one: one.record))


class SentenceReader(
  _StepReader, sentence_prediction_dataloader.SentencePredictionDataLoader
):
  """Reads sentences or pairs of them; the labels are among the features."""


class SpanReader(
  _StepReader, question_answering_dataloader.QuestionAnsweringDataLoader
):
  """Reads questions with texts, as pairs of features and labels."""
