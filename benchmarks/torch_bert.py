# SPDX-License-Identifier: Apache-2.0
"""BERT in plain PyTorch, as quick as one would write it: the dense rival.

One product for queries, keys and values, `scaled_dot_product_attention`,
`torch.compile`, bfloat16 by autocast, fused AdamW, gradients clipped to norm 1,
and the masked-LM head where something is predicted. `head_everywhere` computes
the logits of every position, as Hugging Face's `BertForMaskedLM` does. A
network that is normalized before each block ends without a norm, as Model
Garden's.
"""

import os

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from benchmarks import step_case

_EPSILON = 1e-12


class Layer(nn.Module):
  """A layer of BERT on states [B, S, D]."""

  def __init__(self, case: step_case.Case):
    super().__init__()
    width = case.width
    self.heads, self.dropout = case.heads, case.dropout
    self.norm_first = case.norm_first
    self.attention_in = nn.Linear(width, 3 * width)
    self.attention_out = nn.Linear(width, width)
    self.attention_norm = nn.LayerNorm(width, _EPSILON)
    self.inner = nn.Linear(width, 4 * width)
    self.outer = nn.Linear(4 * width, width)
    self.norm = nn.LayerNorm(width, _EPSILON)

  def forward(self, states: torch.Tensor) -> torch.Tensor:
    if self.norm_first:
      states = states + self._attend(self.attention_norm(states))
      return states + self._feed_forward(self.norm(states))
    states = self.attention_norm(states + self._attend(states))
    return self.norm(states + self._feed_forward(states))

  def _attend(self, states: torch.Tensor) -> torch.Tensor:
    batch, length, width = states.shape
    split = self.attention_in(states).view(batch, length, 3, self.heads, -1)
    attended = functional.scaled_dot_product_attention(
      *split.permute(2, 0, 3, 1, 4), dropout_p=self.dropout
    )
    joined = attended.transpose(1, 2).reshape(batch, length, width)
    return self._drop(self.attention_out(joined))

  def _feed_forward(self, states: torch.Tensor) -> torch.Tensor:
    inner = functional.gelu(self.inner(states), approximate="tanh")
    return self._drop(self.outer(inner))

  def _drop(self, states: torch.Tensor) -> torch.Tensor:
    return functional.dropout(states, self.dropout)


class Bert(nn.Module):
  """BERT with a masked-LM head on whole sequences without padding."""

  def __init__(self, case: step_case.Case, head_everywhere: bool):
    super().__init__()
    self.dropout, self.head_everywhere = case.dropout, head_everywhere
    self.words = nn.Embedding(case.vocab_size, case.width)
    self.positions = nn.Embedding(case.seq_length, case.width)
    self.types = nn.Embedding(2, case.width)
    self.norm = nn.LayerNorm(case.width, _EPSILON)
    self.layers = nn.ModuleList(Layer(case) for _ in range(case.num_layers))
    self.head = nn.Linear(case.width, case.width)
    self.head_norm = nn.LayerNorm(case.width, _EPSILON)
    self.head_bias = nn.Parameter(torch.zeros(case.vocab_size))

  def forward(self, ids, types, predicted, labels) -> torch.Tensor:
    """Returns the mean loss of labels [B, P] at `predicted`, int64 [B, P]."""
    states = self.words(ids) + self.positions.weight + self.types(types)
    states = functional.dropout(self.norm(states), self.dropout)
    for layer in self.layers:
      states = layer(states)
    if not self.head_everywhere:
      states = _take(states, predicted)
    states = functional.gelu(self.head(states), approximate="tanh")
    states = self.head_norm(states)
    logits = functional.linear(states, self.words.weight, self.head_bias)
    if self.head_everywhere:
      logits = _take(logits, predicted)
    return functional.cross_entropy(
      logits.flatten(0, 1).float(), labels.flatten()
    )


def _take(states: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
  """Returns [B, P, D] of states [B, S, D]."""
  places = positions[..., None].expand(-1, -1, states.shape[-1])
  return states.gather(1, places)


class Step:
  """A model in training, on a GPU where PyTorch finds one.

  What a case says of XLA means nothing here. `compiled` is `torch.compile`.

  >>> case = step_case.Case(16, 4, 200, 16, 0.5, 2, False, "float32", 0.0)
  >>> Step(case, compiled=False)() > 4  # of a guess: about log(200)
  True
  """

  def __init__(
    self,
    case: step_case.Case,
    head_everywhere: bool = False,
    compiled: bool = True,
  ):
    torch.manual_seed(0)
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    device = "cuda" if torch.cuda.is_available() else "cpu"
    self.model = Bert(case, head_everywhere).to(device)
    self._optimizer = torch.optim.AdamW(
      self.model.parameters(), lr=1e-4, weight_decay=0.01, fused=True
    )
    self._inputs = [
      torch.from_numpy(array.astype(np.int64)).to(device)
      for array in _inputs(case.batch())
    ]
    self._autocast = torch.autocast(
      device, torch.bfloat16, enabled=case.dtype == "bfloat16"
    )
    self._loss = torch.compile(self.model) if compiled else self.model

  def __call__(self) -> float:
    with self._autocast:
      loss = self._loss(*self._inputs)
    loss.backward()
    nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
    self._optimizer.step()
    self._optimizer.zero_grad(set_to_none=True)
    return loss.item()

  def load(self, tensors: dict[str, np.ndarray]) -> None:
    """Sets the weights of a `step_variants.Step`, but for the pooler's."""
    state = self.model.state_dict()
    for name, sources in _sources(len(self.model.layers)).items():
      arrays = [np.array(tensors[source]) for source in sources]
      state[name] = torch.from_numpy(np.concatenate(arrays))
    self.model.load_state_dict(state)


def _inputs(batch: dict[str, np.ndarray]) -> list[np.ndarray]:
  names = ("input_word_ids", "input_type_ids")
  names += ("masked_lm_positions", "masked_lm_ids")
  return [batch[name] for name in names]


def _sources(num_layers: int) -> dict[str, list[str]]:
  """Returns which of Hugging Face's tensors, joined, make each of ours."""
  embeddings, head = "bert.embeddings", "cls.predictions"
  sources = {
    "words.weight": [f"{embeddings}.word_embeddings.weight"],
    "positions.weight": [f"{embeddings}.position_embeddings.weight"],
    "types.weight": [f"{embeddings}.token_type_embeddings.weight"],
    "head_bias": [f"{head}.bias"],
  }
  modules = {
    "norm": [f"{embeddings}.LayerNorm"],
    "head": [f"{head}.transform.dense"],
    "head_norm": [f"{head}.transform.LayerNorm"],
  }
  for index in range(num_layers):
    ours, theirs = f"layers.{index}", f"bert.encoder.layer.{index}"
    attention = f"{theirs}.attention"
    modules |= {
      f"{ours}.attention_in": [
        f"{attention}.self.{name}" for name in ("query", "key", "value")
      ],
      f"{ours}.attention_out": [f"{attention}.output.dense"],
      f"{ours}.attention_norm": [f"{attention}.output.LayerNorm"],
      f"{ours}.inner": [f"{theirs}.intermediate.dense"],
      f"{ours}.outer": [f"{theirs}.output.dense"],
      f"{ours}.norm": [f"{theirs}.output.LayerNorm"],
    }
  for name, parts in modules.items():
    for kind in ("weight", "bias"):
      sources[f"{name}.{kind}"] = [f"{part}.{kind}" for part in parts]
  return sources
