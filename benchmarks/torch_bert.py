# SPDX-License-Identifier: Apache-2.0
"""Hugging Face's `BertForMaskedLM` in PyTorch: what else a user would run.

Its own masked-LM step: logits of every position, labels of -100 where nothing
was masked, PyTorch's AdamW, gradients clipped to norm 1 as in the others; on
the CPU, with all cores. The loss is that of the others, a mean over
predictions.
"""

import os

import numpy as np
import torch
import transformers

from benchmarks import step_case

_IGNORED = -100


class Step:
  """A model in training; what a case says of XLA means nothing here.

  >>> case = step_case.Case(16, 4, 200, 16, 0.5, 2, False, "float32", 0.0)
  >>> Step(case)() > 4  # the loss of a guess: about log(200)
  True
  """

  def __init__(self, case: step_case.Case):
    torch.manual_seed(0)
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    self.model = transformers.BertForMaskedLM(_config(case)).train()
    self._optimizer = torch.optim.AdamW(
      self.model.parameters(), lr=1e-4, weight_decay=0.01
    )
    self._inputs = _inputs(case.batch())
    self._autocast = torch.autocast(
      "cpu", torch.bfloat16, enabled=case.dtype == "bfloat16"
    )

  def __call__(self) -> float:
    with self._autocast:
      loss = self.model(**self._inputs).loss
    loss.backward()
    torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
    self._optimizer.step()
    self._optimizer.zero_grad(set_to_none=True)
    return loss.item()

  def load(self, tensors: dict[str, np.ndarray]) -> None:
    """Sets the weights of a `step_variants.Step`, but for the pooler's."""
    state = {n: torch.from_numpy(np.array(v)) for n, v in tensors.items()}
    head, words = "cls.predictions", "bert.embeddings.word_embeddings.weight"
    state[f"{head}.decoder.bias"] = state[f"{head}.bias"]
    state[f"{head}.decoder.weight"] = state[words]
    of_model = self.model.state_dict()  # has no pooler
    self.model.load_state_dict({name: state[name] for name in of_model})


def _config(case: step_case.Case) -> transformers.BertConfig:
  return transformers.BertConfig(
    vocab_size=case.vocab_size,
    hidden_size=case.width,
    num_hidden_layers=case.num_layers,
    num_attention_heads=case.heads,
    intermediate_size=4 * case.width,
    max_position_embeddings=case.seq_length,
    hidden_act="gelu_new",  # the tanh form, as Model Garden's
    hidden_dropout_prob=case.dropout,
    attention_probs_dropout_prob=case.dropout,
  )


def _inputs(batch: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
  labels = np.full_like(batch["input_word_ids"], _IGNORED)
  np.put_along_axis(
    labels, batch["masked_lm_positions"], batch["masked_lm_ids"], axis=1
  )
  arrays = {
    "input_ids": batch["input_word_ids"],
    "attention_mask": batch["input_mask"],
    "token_type_ids": batch["input_type_ids"],
    "labels": labels,
  }
  return {
    name: torch.from_numpy(array.astype(np.int64))
    for name, array in arrays.items()
  }
