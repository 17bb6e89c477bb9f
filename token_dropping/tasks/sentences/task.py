# SPDX-License-Identifier: Apache-2.0
"""Fine-tuning on sentences or pairs of them, scored as GLUE scores.

GLUE: Wang et al., 2019, arXiv 1804.07461.
"""

import dataclasses
import functools
import math
import os
from collections.abc import Iterable

import numpy as np
import tensorflow as tf
import tf_keras
from official.core import config_definitions as cfg
from official.core import task_factory
from official.modeling import tf_utils
from official.nlp.data import sentence_prediction_dataloader as dataloader
from official.nlp.modeling import models
from official.nlp.tasks import sentence_prediction
from scipy import stats
from sklearn import metrics as sklearn_metrics

from token_dropping.tasks.finetuning import task as finetune_task

ACCURACY, VALIDATION_LOSS = "cls_accuracy", "validation_loss"
FEATURES = ("input_word_ids", "input_mask", "input_type_ids")


@dataclasses.dataclass
class SentenceDataConfig(dataloader.SentencePredictionDataConfig):
  """Model Garden's fields; validation has a file for each part to be scored."""

  input_path: str | tuple[str, ...] = ""  # such as MNLI's two parts
  text_fields: tuple[str, ...] | None = None  # their names, for a server


@dataclasses.dataclass
class SentenceTaskConfig(
  finetune_task.FinetuneConfig, sentence_prediction.SentencePredictionConfig
):
  """Fields of fine-tuning and of Model Garden's task."""

  train_data: cfg.DataConfig = dataclasses.field(
    default_factory=SentenceDataConfig
  )
  validation_data: cfg.DataConfig = dataclasses.field(
    default_factory=SentenceDataConfig
  )


class SentenceModel(finetune_task.FinetuneModel, models.BertClassifier):
  """Model Garden's classifier, whose checkpoints may hold the importance."""


@task_factory.register_task_cls(SentenceTaskConfig)
class SentenceTask(
  finetune_task.FinetuneTask, sentence_prediction.SentencePredictionTask
):
  """Fine-tunes a classifier or a regressor; scores whole validation sets."""

  def build_model(self) -> SentenceModel:
    config = self.task_config.model
    return config.encoder.get().build_classifier(
      SentenceModel,
      self.build_encoder(),
      config.num_classes,
      config.use_encoder_pooler,
      self.make_initializer(),
    )

  def build_inputs(self, params, input_context=None) -> tf.data.Dataset:
    """Reads batches: features, and labels with the number of their file."""
    paths = [params.input_path] if params.is_training else _paths(params)
    parts = []
    for index, path in enumerate(paths):
      data = params.replace(input_path=path)
      loader = dataloader.SentencePredictionDataLoader(data)
      batches = self.read(loader, input_context)
      parts.append(batches.map(functools.partial(_split, index=index)))
    return functools.reduce(tf.data.Dataset.concatenate, parts)

  def build_losses(self, labels, model_outputs, aux_losses=None) -> tf.Tensor:
    if self.task_config.model.num_classes > 1:
      return super().build_losses(labels, model_outputs, aux_losses)
    # Model Garden compares [B] labels with [B, 1] outputs: all with all.
    losses = tf_keras.losses.mean_squared_error(
      labels[self.label_field][:, None], tf.cast(model_outputs, tf.float32)
    )
    return tf_utils.safe_mean(tf.add_n([losses, *(aux_losses or [])]))

  def build_metrics(self, training: bool | None = None) -> list:
    """Returns accuracy in training; loss in validation, scored at its end."""
    if not training:
      return [tf_keras.metrics.Mean(name=VALIDATION_LOSS)]
    if self.task_config.model.num_classes == 1:
      return []
    return [tf_keras.metrics.SparseCategoricalAccuracy(name=ACCURACY)]

  def validation_step(self, inputs, model, metrics=None) -> dict:
    """Returns outputs and labels of a batch; counts its loss by examples."""
    features, labels = inputs
    outputs = self.inference_step(features, model)
    loss = self.build_losses(labels, outputs, model.losses)
    for metric in metrics or []:
      metric.update_state(loss, sample_weight=tf.shape(outputs)[0])
    return {
      "outputs": tf.cast(outputs, tf.float32),
      "labels": labels[self.label_field],
      "parts": labels["part"],
    }

  def aggregate_logs(self, state=None, step_outputs=None) -> dict:
    state = state or {"outputs": [], "labels": [], "parts": []}
    for name, values in state.items():
      values += [output.numpy() for output in step_outputs[name]]
    return state

  def reduce_aggregated_logs(self, aggregated_logs, global_step=None) -> dict:
    """Returns the scores of each validation file, as `score_names` names."""
    del global_step
    logs = {k: np.concatenate(v) for k, v in aggregated_logs.items()}
    scores = {}
    for index, suffix in enumerate(suffixes(self.task_config.validation_data)):
      here = logs["parts"] == index
      part = compute_scores(
        self.task_config.metrics, logs["labels"][here], logs["outputs"][here]
      )
      scores |= {f"{name}{suffix}": value for name, value in part.items()}
    return scores


def suffixes(data: SentenceDataConfig) -> list[str]:
  """What validation files add to the names of their scores, as `_matched`."""
  stems = [os.path.splitext(os.path.basename(p))[0] for p in _paths(data)]
  return [stem.removeprefix("validation") for stem in stems]


def score_names(config: SentenceTaskConfig) -> list[str]:
  """Returns the names of all validation scores, the leading one first."""
  ends = suffixes(config.validation_data)
  return [f"{name}{end}" for end in ends for name in config.metrics]


def _paths(data: SentenceDataConfig) -> list[str]:
  path = data.input_path
  return [path] if isinstance(path, str) else list(path)


def _split(batch: dict, index: int) -> tuple[dict, dict]:
  """Returns what the model reads, and the rest with the number of the file."""
  features = {name: batch[name] for name in FEATURES}
  labels = {k: v for k, v in batch.items() if k not in FEATURES}
  size = tf.shape(batch[FEATURES[0]])[0]
  return features, labels | {"part": tf.fill([size], index)}


def compute_scores(
  names: Iterable[str], labels: np.ndarray, outputs: np.ndarray
) -> dict[str, float]:
  """Returns the score of each name of `SCORES`; 1 is best.

  Of all predictions at once, since most are no means over batches. Labels are
  ids, and outputs logits [N, C]; or both numbers, [N] and [N, 1].

  >>> logits = np.array([[2.0, 1.0], [0.0, 1.0], [0.0, 3.0]])
  >>> compute_scores(["accuracy", "f1"], np.array([0, 1, 0]), logits)
  {'accuracy': 0.6666666666666666, 'f1': 0.6666666666666666}
  """
  predictions = np.argmax(outputs, axis=-1)
  if outputs.shape[-1] == 1:
    predictions = outputs[:, 0]
  return {name: float(SCORES[name](labels, predictions)) for name in names}


def _f1(labels, predictions) -> float:
  return sklearn_metrics.f1_score(labels, predictions, zero_division=0.0)


def _correlation(function):
  """Returns a score that is 0 where a constant makes it undefined."""

  def score(labels, predictions) -> float:
    if np.ptp(labels) == 0 or np.ptp(predictions) == 0:
      return 0.0
    value = float(function(labels, predictions)[0])
    return value if math.isfinite(value) else 0.0

  return score


SCORES = {
  "accuracy": sklearn_metrics.accuracy_score,
  "f1": _f1,
  "matthews_corrcoef": sklearn_metrics.matthews_corrcoef,
  "pearson": _correlation(stats.pearsonr),
  "spearman": _correlation(stats.spearmanr),
}
