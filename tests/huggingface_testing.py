# SPDX-License-Identifier: Apache-2.0
"""What the tests share: random inputs, BERTs of `transformers`, logits."""

import pathlib

import numpy as np
import tensorflow as tf
import torch
import transformers

from tests import testing

ROWS = 3
TOLERANCE = 1e-4


def random_inputs(seed: int = 0) -> dict[str, np.ndarray]:
  """Returns ids, mask and types [B, S]; all rows but the first are padded."""
  rng = np.random.default_rng(seed)
  shape = (ROWS, testing.SEQ_LENGTH)
  ends = np.arange(testing.SEQ_LENGTH, 0, -testing.SEQ_LENGTH // ROWS)[:ROWS]
  mask = np.arange(testing.SEQ_LENGTH) < ends[:, None]
  return {
    "input_word_ids": rng.integers(5, testing.VOCAB_SIZE, shape) * mask,
    "input_mask": mask.astype(np.int64),
    "input_type_ids": rng.integers(0, 2, shape),
  }


def bert_config(**changes) -> transformers.BertConfig:
  """Returns the config of a tiny BERT for inputs as in `testing.TINY`."""
  fields = {
    "vocab_size": testing.VOCAB_SIZE,
    "hidden_size": 8,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "max_position_embeddings": testing.SEQ_LENGTH,
  }
  return transformers.BertConfig(**(fields | changes))


def save_bert(folder: pathlib.Path, model_class: str, **changes):
  """Saves a BERT with random weights and biases, and its vocabulary.

  Args:
    folder: to be made.
    model_class: of `transformers`, such as `BertForMaskedLM`.
    **changes: of the config.

  Returns:
    The model, ready for inference.
  """
  model = getattr(transformers, model_class)(bert_config(**changes))
  generator = torch.Generator().manual_seed(1)
  with torch.no_grad():
    for weight in model.parameters():
      weight.normal_(0.0, 0.3, generator=generator)
  model.save_pretrained(folder)
  testing.write_vocabulary(folder / "vocab.txt")
  return model.eval()


def torch_outputs(model, inputs: dict[str, np.ndarray]):
  """Returns the outputs of a BERT of `transformers`."""
  with torch.no_grad():
    return model(
      input_ids=torch.tensor(inputs["input_word_ids"]),
      attention_mask=torch.tensor(inputs["input_mask"]),
      token_type_ids=torch.tensor(inputs["input_type_ids"]),
    )


def keras_inputs(inputs: dict[str, np.ndarray]) -> dict[str, tf.Tensor]:
  """Returns inputs as a Keras model takes them."""
  return {name: tf.constant(v, tf.int32) for name, v in inputs.items()}


def masked_lm_logits(model, inputs: dict[str, np.ndarray]) -> np.ndarray:
  """Returns a Keras masked LM's logits at every position [B, S, V]."""
  positions = np.tile(np.arange(testing.SEQ_LENGTH), (ROWS, 1))
  tensors = keras_inputs(inputs | {"masked_lm_positions": positions})
  return model(tensors)["mlm_logits"].numpy()


def assert_close(here, there) -> None:
  """Compares what Keras and PyTorch compute."""
  np.testing.assert_allclose(here, there, atol=TOLERANCE)
