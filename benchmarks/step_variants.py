# SPDX-License-Identifier: Apache-2.0
"""The contenders on TensorFlow: training steps behind one interface.

All get the same weights, batch, importance scores and random numbers for
dropout, our AdamW with its clipping, and Model Garden's metrics. What they do
not share is compared: the encoder and, for ours, the task.
"""

import numpy as np
import tensorflow as tf
import tf_keras
from official.core import config_definitions as cfg
from official.modeling import tf_utils
from official.nlp.modeling import models
from official.nlp.tasks import masked_lm as model_garden

from benchmarks import published_encoder
from benchmarks import step_case
from token_dropping.huggingface import weights
from token_dropping.models import encoder_config
from token_dropping.tasks import optimizers
from token_dropping.tasks.masked_lm import losses as mlm_losses
from token_dropping.tasks.masked_lm import task as masked_lm
from token_dropping.training import step_random
from token_dropping.training import trainer as trainer_lib


class Step:
  """A model in training; every contender but `torch` has one.

  >>> case = step_case.Case(16, 4, 200, 16, 0.5, 2, False, "float32", 0.0)
  >>> step = Step(case, "dense", tf.distribute.get_strategy())
  >>> step() > 4  # the loss of a guess: about log(200)
  True
  """

  def __init__(
    self,
    case: step_case.Case,
    contender: str,
    strategy: tf.distribute.Strategy,
  ):
    params = case.experiment(contender)
    tf_keras.utils.set_random_seed(params.task.seed)
    self._strategy = strategy
    with strategy.scope():
      task, self.model = _BUILDERS[contender](case, params)
      self.model(self.model.inputs)  # makes the weights of the head
      optimizer = optimizers.create_optimizer(params.trainer.optimizer_config)
      metrics = task.build_metrics(training=True)
    step_random.follow_step(self.model, optimizer.iterations, params.task.seed)

    def step(batch):
      return task.train_step(batch, self.model, optimizer, metrics)[task.loss]

    if case.xla and trainer_lib.compiles_step(strategy):
      step = tf.function(step, jit_compile=True)
    self._run = tf.function(lambda batch: strategy.run(step, args=(batch,)))
    self._batch = {
      name: tf.constant(value) for name, value in case.batch().items()
    }

  def __call__(self) -> float:
    """Makes one optimizer step; returns its loss once it is done."""
    losses = self._strategy.experimental_local_results(self._run(self._batch))
    return float(losses[0])

  def tensors(self) -> dict[str, np.ndarray]:
    """Returns the weights under their names at Hugging Face."""
    return weights.to_tensors(weights.of_model(self.model))

  def load(self, tensors: dict[str, np.ndarray]) -> None:
    """Sets the weights to what `tensors` of another step returned."""
    weights.assign(weights.of_model(self.model), tensors, "another contender")


class BaselineTask(model_garden.MaskedLMTask):
  """Model Garden's task, with the updates of importance that ours has.

  Gradients of the embeddings become dense before they are clipped: as lists of
  rows they would cost the baselines more.
  """

  def train_step(self, inputs, model, optimizer, metrics) -> dict:
    with tf.GradientTape() as tape:
      outputs = model(inputs, training=True)
      loss = self.build_losses(inputs, outputs, metrics, model.losses)
    gradients = tape.gradient(loss, model.trainable_variables)
    optimizer.apply_gradients(
      [
        (tf.convert_to_tensor(gradient), variable)
        for gradient, variable in zip(
          gradients, model.trainable_variables, strict=True
        )
        if gradient is not None  # the pooler's: nothing reads it
      ]
    )
    self.process_metrics(metrics, inputs, outputs)
    if hasattr(model.encoder_network, "importance"):
      # The compiler sees that the loss has computed these already.
      token_losses = mlm_losses.masked_lm_losses(inputs, outputs)
      model.encoder_network.importance.update_token_importance(
        inputs["masked_lm_ids"], token_losses
      )
    return {self.loss: loss}


def _dense(case: step_case.Case, params: cfg.ExperimentConfig):
  bert = encoder_config.build_bert(case.encoder())
  return BaselineTask(params.task), _pretrainer(bert, params)


def _published(case: step_case.Case, params: cfg.ExperimentConfig):
  bert = encoder_config.build_bert(case.encoder())
  encoder = published_encoder.PublishedEncoder(
    keep=case.keep, **bert.get_config()
  )
  model = _pretrainer(encoder, params)
  encoder.importance.set_weights([case.importance()])
  return BaselineTask(params.task), model


def _random(case: step_case.Case, params: cfg.ExperimentConfig):
  del case  # chooses at random: no table
  task = masked_lm.TokenDropMaskedLMTask(params.task)
  return task, task.build_model()


def _ours(case: step_case.Case, params: cfg.ExperimentConfig):
  task, model = _random(case, params)
  model.encoder_network.importance_scorer.set_weights([case.importance()])
  return task, model


_BUILDERS = {
  step_case.DENSE: _dense,
  step_case.PUBLISHED: _published,
  step_case.OURS: _ours,
  step_case.RECOMMENDED: _random,
  step_case.LAYERWISE: _random,
}


def _pretrainer(encoder, params) -> models.BertPretrainerV2:
  config = params.task.model
  return models.BertPretrainerV2(
    encoder,
    mlm_activation=tf_utils.get_activation(config.mlm_activation),
    mlm_initializer=tf_keras.initializers.TruncatedNormal(
      stddev=config.mlm_initializer_range
    ),
  )
