# SPDX-License-Identifier: Apache-2.0
"""Heads of fine-tuned models, from `transformers` to Keras and back."""

import numpy as np
import pytest
import tf_keras
from official.nlp.modeling import models
from safetensors import numpy as safetensors

from tests import huggingface_testing
from token_dropping.common import errors
from token_dropping.huggingface import bert_config
from token_dropping.huggingface import weights
from token_dropping.models import encoder_config

CLASSES = 3


def _encoder():
  fields = huggingface_testing.bert_config(num_hidden_layers=1).to_dict()
  return encoder_config.build_bert(bert_config.from_json(fields, "here"))


def _saved(folder, model_class, **changes):
  there = huggingface_testing.save_bert(
    folder, model_class, num_hidden_layers=1, **changes
  )
  return there, safetensors.load_file(folder / "model.safetensors")


def _check_round_trip(model, tensors) -> None:
  back = weights.to_tensors(weights.of_model(model))
  for name, value in tensors.items():
    np.testing.assert_array_equal(back[name], value)
  assert back.keys() - tensors.keys() <= {
    "bert.pooler.dense.weight",
    "bert.pooler.dense.bias",
  }


@pytest.mark.parametrize("use_encoder_pooler", [True, False])
def test_classifier(tmp_path, use_encoder_pooler):
  there, tensors = _saved(
    tmp_path, "BertForSequenceClassification", num_labels=CLASSES
  )
  model = models.BertClassifier(
    _encoder(), CLASSES, use_encoder_pooler=use_encoder_pooler
  )
  weights.assign(weights.of_model(model), tensors, "here")
  inputs = huggingface_testing.random_inputs()
  huggingface_testing.assert_close(
    model(huggingface_testing.keras_inputs(inputs)),
    huggingface_testing.torch_outputs(there, inputs).logits,
  )
  _check_round_trip(model, tensors)


def test_span_labeler(tmp_path):
  there, tensors = _saved(tmp_path, "BertForQuestionAnswering")
  model = models.BertSpanLabeler(_encoder())
  wanted = weights.of_model(model)
  wanted = {name: wanted[name] for name in tensors}  # without the pooler
  weights.assign(wanted, tensors, "here")
  inputs = huggingface_testing.random_inputs()
  outputs = huggingface_testing.torch_outputs(there, inputs)
  starts, ends = model(huggingface_testing.keras_inputs(inputs))
  huggingface_testing.assert_close(starts, outputs.start_logits)
  huggingface_testing.assert_close(ends, outputs.end_logits)
  _check_round_trip(model, tensors)


def test_nothing_is_assigned_unless_all_is_there():
  encoder = _encoder()
  wanted = weights.of_encoder(encoder)
  before = weights.to_tensors(wanted)
  tensors = {name: value + 1 for name, value in before.items()}
  tensors["bert.encoder.layer.0.output.dense.weight"] = np.zeros([8, 8])
  with pytest.raises(errors.UserError) as caught:
    weights.assign(wanted, tensors, "'here'")
  assert str(caught.value) == (
    "bert.encoder.layer.0.output.dense.weight must have the shape that "
    "config.json gives, [8, 16]. Received: [8, 8] in 'here'"
  )
  for name, value in weights.to_tensors(wanted).items():
    np.testing.assert_array_equal(value, before[name])


def test_other_models_have_no_map():
  with pytest.raises(TypeError, match="no map for a Sequential"):
    weights.of_model(tf_keras.Sequential())
