# SPDX-License-Identifier: Apache-2.0
"""The contenders on TensorFlow: training steps behind one interface.

All get the same weights, batch, importance scores and random numbers for
dropout, our AdamW with its clipping, and Model Garden's metrics. What they do
not share is compared: the encoder and, for ours, the task.
"""

import numpy as np
import tensorflow as tf
import tf_keras
from official.modeling import tf_utils
from official.nlp.modeling import models
from official.nlp.tasks import masked_lm as model_garden

from benchmarks import published_encoder
from benchmarks import step_case
from token_dropping.huggingface import bert
from token_dropping.huggingface import weights
from token_dropping.models import fused_attention
from token_dropping.tasks import optimizers
from token_dropping.tasks.masked_lm import losses as mlm_losses
from token_dropping.tasks.masked_lm import task as masked_lm
from token_dropping.training import step_random
from token_dropping.training import trainer as trainer_lib


class Step:
  """A model in training; every contender on TensorFlow has one.

  `run` makes a step of a batch such as `batch` and returns its loss.

  >>> case = step_case.Case(16, 4, 200, 16, 0.5, 2, False, "float32", 0.0)
  >>> step = Step(case, "dense", tf.distribute.get_strategy())
  >>> step() > 4  # the loss of a guess: about log(200)
  True
  """

  def __init__(
    self, case: step_case.Case, contender: str, strategy: tf.distribute.Strategy
  ):
    params = case.experiment(contender)
    tf_keras.utils.set_random_seed(params.task.seed)
    self._strategy = strategy
    with strategy.scope():
      task, self.model = _build(case, contender, params.task)
      self.model(self.model.inputs)  # makes the weights of the head
      if case.attention == step_case.FUSED:
        fused_attention.fuse(self.model)
      optimizer = optimizers.create_optimizer(params.trainer.optimizer_config)
      metrics = task.build_metrics(training=True)
    step_random.follow_step(self.model, optimizer.iterations, params.task.seed)

    def step(batch):
      return task.train_step(batch, self.model, optimizer, metrics)[task.loss]

    if case.xla and trainer_lib.compiles_step(strategy):
      step = tf.function(step, jit_compile=True)
    self.run = lambda batch: strategy.run(step, args=(batch,))
    self.batch = {
      name: tf.constant(value) for name, value in case.batch().items()
    }
    self._run = tf.function(self.run)

  def __call__(self) -> float:
    """Makes one optimizer step; returns its loss once it is done."""
    losses = self._strategy.experimental_local_results(self._run(self.batch))
    return float(losses[0])

  def tensors(self) -> dict[str, np.ndarray]:
    """Returns the weights under their names at Hugging Face."""
    return weights.to_tensors(self._weights())

  def load(self, tensors: dict[str, np.ndarray]) -> None:
    """Sets the weights to what `tensors` of another step returned."""
    weights.assign(self._weights(), tensors, "BERT", "another contender")

  def _weights(self) -> weights.Weights:
    return bert.Bert().of_model(self.model)


class BaselineTask(model_garden.MaskedLMTask):
  """Model Garden's task, with the updates of importance that ours has.

  Gradients of the embeddings become dense before they are clipped: as lists of
  rows they would cost the baselines more.
  """

  def train_step(self, inputs, model, optimizer, metrics) -> dict:
    variables = model.trainable_variables
    with tf.GradientTape() as tape:
      outputs = model(inputs, training=True)
      loss = self.build_losses(inputs, outputs, metrics, model.losses)
    gradients = tape.gradient(loss, variables)
    dense = [
      (tf.convert_to_tensor(gradient), variable)
      for gradient, variable in zip(gradients, variables, strict=True)
      if gradient is not None  # the pooler's: nothing reads it
    ]
    optimizer.apply_gradients(dense)
    self.process_metrics(metrics, inputs, outputs)
    if hasattr(model.encoder_network, "importance"):
      # The compiler sees that the loss has computed these already.
      token_losses = mlm_losses.masked_lm_losses(inputs, outputs)
      model.encoder_network.importance.update_token_importance(
        inputs["masked_lm_ids"], token_losses
      )
    return {self.loss: loss}


def _build(case: step_case.Case, contender: str, config):
  """Returns a contender's task and model."""
  if contender in (step_case.DENSE, step_case.PUBLISHED):
    encoder = case.encoder().build_plain()
    if contender == step_case.PUBLISHED:
      encoder = published_encoder.PublishedEncoder(
        keep=case.keep, **encoder.get_config()
      )
      encoder.importance.set_weights([case.importance()])
    return BaselineTask(config), _pretrainer(encoder, config.model)
  task = masked_lm.TokenDropMaskedLMTask(config)
  model = task.build_model()
  if contender == step_case.OURS:  # the others choose at random: no table
    model.encoder_network.importance_scorer.set_weights([case.importance()])
  return task, model


def _pretrainer(encoder, config) -> models.BertPretrainerV2:
  return models.BertPretrainerV2(
    encoder,
    mlm_activation=tf_utils.get_activation(config.mlm_activation),
    mlm_initializer=tf_keras.initializers.TruncatedNormal(
      stddev=config.mlm_initializer_range
    ),
  )
