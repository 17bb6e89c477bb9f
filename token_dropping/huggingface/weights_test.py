# SPDX-License-Identifier: Apache-2.0
"""Heads of fine-tuned models, from `transformers` to Keras and back."""

import numpy as np
import pytest
import tf_keras
from official.nlp.modeling import models
from safetensors import numpy as safetensors

from tests import huggingface_testing as hf
from token_dropping.common import errors
from token_dropping.huggingface import bert_config
from token_dropping.huggingface import weights
from token_dropping.models import encoder_config

CLASSES = 3


def _encoder():
  fields = hf.bert_config(num_hidden_layers=1).to_dict()
  return encoder_config.build_bert(bert_config.from_json(fields, "here"))


def test_classifier_with_a_pooler_of_its_own(tmp_path):
  """`exporting_test.py` has the other models."""
  config = {"num_hidden_layers": 1, "num_labels": CLASSES}
  there = hf.save_bert(tmp_path, "BertForSequenceClassification", **config)
  tensors = safetensors.load_file(tmp_path / "model.safetensors")
  model = models.BertClassifier(_encoder(), CLASSES, use_encoder_pooler=False)
  weights.assign(weights.of_model(model), tensors, "here")
  hf.assert_close(model(hf.INPUTS), hf.torch_outputs(there).logits)
  back = weights.to_tensors(weights.of_model(model))
  assert back.keys() == tensors.keys()
  for name, value in tensors.items():
    np.testing.assert_array_equal(back[name], value)


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
