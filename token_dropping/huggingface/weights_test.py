# SPDX-License-Identifier: Apache-2.0
"""Heads of fine-tuned models, from `transformers` to Keras and back."""

import numpy as np
import pytest
from official.nlp.modeling import models
from safetensors import numpy as safetensors

from tests import huggingface_testing as hf
from tests import testing
from token_dropping.huggingface import networks
from token_dropping.huggingface import weights
from token_dropping.models import span_labeler

CLASSES = 2
POOLED = [name for name in hf.NETWORKS if name != "ModernBert"]


def _config(name):
  """Returns the config of one layer, and the network that it is."""
  fields = hf.config_of(name, num_hidden_layers=1).to_dict()
  network = networks.of_json(fields, "here")
  return network.from_json(fields, "here"), network


def _encoder():
  config, network = _config("Bert")
  return config.build_plain(), network


@pytest.mark.parametrize(
  ("name", "task", "use_encoder_pooler"),
  [
    *((name, "SequenceClassification", True) for name in hf.NETWORKS),
    *((name, "QuestionAnswering", None) for name in hf.NETWORKS),
    *((name, "SequenceClassification", False) for name in POOLED),
  ],
)
def test_fine_tuned_models(tmp_path, name, task, use_encoder_pooler):
  there = hf.save(tmp_path, f"{name}For{task}", num_hidden_layers=1)
  tensors = safetensors.load_file(tmp_path / "model.safetensors")
  config, network = _config(name)
  encoder = config.build_plain()
  if use_encoder_pooler is None:
    model = config.build_span_labeler(span_labeler.SpanLabeler, encoder)
  else:
    pools = use_encoder_pooler and config.has_pooler
    kind = models.BertClassifier
    model = config.build_classifier(kind, encoder, CLASSES, pools)
  wanted = network.of_model(model)
  assert {name.split(".")[1] for name in wanted.keys() - tensors} <= {"pooler"}
  wanted = {name: wanted[name] for name in tensors}
  weights.assign(wanted, tensors, network.title, "here")
  hf.assert_agree(model(hf.INPUTS), there)
  back = weights.to_tensors(wanted)
  for key, value in tensors.items():
    first = network.first_position if "position_emb" in key else 0
    np.testing.assert_array_equal(back[key][first:], value[first:])
    assert not back[key][:first].any()


DENSE = "bert.encoder.layer.0.output.dense.weight"
ZEROS = np.zeros([8, 16], np.float32)
INFINITE = f"{DENSE} must be finite. Received: NaN or Inf in 'here'"


@pytest.mark.parametrize(
  ("changes", "message"),
  [
    (
      {DENSE: np.zeros([8, 8])},
      f"{DENSE} must have the shape that config.json gives, [8, 16]. "
      "Received: [8, 8] in 'here'",
    ),
    (
      {DENSE: ZEROS.astype(np.int8)},
      f"{DENSE} must be of 16, 32 or 64 bits floating point. "
      "Received: int8 in 'here'",
    ),
    ({DENSE: ZEROS + np.nan}, INFINITE),
    ({DENSE: ZEROS - np.inf}, INFINITE),
  ],
)
def test_nothing_is_assigned_unless_all_is_there(changes, message):
  encoder, network = _encoder()
  wanted = network.of_encoder(encoder)
  before = weights.to_tensors(wanted)
  tensors = {name: value + 1 for name, value in before.items()} | changes
  arguments = wanted, tensors, "BERT", "'here'"
  assert testing.refused(weights.assign, *arguments) == message
  for name, value in weights.to_tensors(wanted).items():
    np.testing.assert_array_equal(value, before[name])


def test_tensors_without_a_place():
  encoder, network = _encoder()
  wanted = network.of_encoder(encoder)
  names = [*wanted, "bert.embeddings.position_ids", "classifier.bias"]
  assert network.others(wanted, names, "'here'") == ["classifier.bias"]
  names.append(f"{DENSE}_scale")
  assert testing.refused(network.others, wanted, names, "'here'") == (
    "a BERT must have no tensors besides those of its config. "
    f"Received: 'here' with {DENSE}_scale"
  )
