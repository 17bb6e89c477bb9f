# SPDX-License-Identifier: Apache-2.0
"""BERT in plain PyTorch, as quick as one would write it: the dense rival.

    python torch_bert.py --seq 128 512 2048 --batch 128 32 8 --dtype bfloat16

One product for queries, keys and values, `scaled_dot_product_attention`,
`torch.compile`, bfloat16 by autocast, fused AdamW, gradients clipped to norm 1,
and the masked-LM head where something is predicted. `--head everywhere`
computes the logits of every position, as Hugging Face's `BertForMaskedLM` does.
A network that is normalized before each block ends without a norm, as Model
Garden's.

The file needs PyTorch and NumPy alone, so that it can be copied to a machine
that has no more. As a command it times steps in turns, on a GPU where PyTorch
finds one; the last line it prints is JSON.
"""

import argparse
import dataclasses
import itertools
import json
import os
import platform
import statistics
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional

_EPSILON = 1e-12
_HEADS = ("predicted", "everywhere")


@dataclasses.dataclass(frozen=True)
class Case:
  """What is read here of `step_case.Case`, which needs TensorFlow."""

  width: int
  num_layers: int
  vocab_size: int
  seq_length: int
  batch_size: int
  dtype: str
  dropout: float
  attention_dropout: float | None
  norm_first: bool

  @property
  def heads(self) -> int:
    return max(1, self.width // 64)

  def batch(self) -> dict[str, np.ndarray]:
    """Returns random words, of which 15 % are to be predicted."""
    rng = np.random.default_rng(0)
    shape = self.batch_size, self.seq_length
    predictions = max(1, int(0.15 * self.seq_length))
    places = np.tile(np.arange(self.seq_length), [self.batch_size, 1])
    ids = rng.integers(0, self.vocab_size, shape)
    positions = np.sort(rng.permuted(places, axis=1)[:, :predictions])
    return {
      "input_word_ids": ids,
      "input_type_ids": np.zeros_like(ids),
      "masked_lm_positions": positions,
      "masked_lm_ids": np.take_along_axis(ids, positions, axis=1),
    }


class Layer(nn.Module):
  """A layer of BERT on states [B, S, D]."""

  def __init__(self, case: Case):
    super().__init__()
    width = case.width
    self.heads, self.dropout = case.heads, case.dropout
    in_attention = case.attention_dropout
    self.attention_dropout = (
      self.dropout if in_attention is None else in_attention
    )
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
      *split.permute(2, 0, 3, 1, 4), dropout_p=self.attention_dropout
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

  def __init__(self, case: Case, head_everywhere: bool):
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

  `case` may be of `step_case` too; what that says of XLA means nothing here.
  `compiled` is `torch.compile`.

  >>> case = Case(16, 4, 200, 16, 2, "float32", 0.0, None, False)
  >>> Step(case, compiled=False)() > 4  # of a guess: about log(200)
  True
  """

  def __init__(
    self, case: Case, head_everywhere: bool = False, compiled: bool = True
  ):
    torch.manual_seed(0)
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    device = _device()
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
    # Each length has a program of its own, not one for any.
    self._loss = (
      torch.compile(self.model, dynamic=False) if compiled else self.model
    )

  def __call__(self) -> float:
    """Makes one optimizer step; returns its loss once it is done."""
    return self.queue().item()

  def queue(self) -> torch.Tensor:
    """Makes one optimizer step, without waiting for the GPU."""
    with self._autocast:
      loss = self._loss(*self._inputs)
    loss.backward()
    nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
    self._optimizer.step()
    self._optimizer.zero_grad(set_to_none=True)
    return loss.detach()

  def load(self, tensors: dict[str, np.ndarray]) -> None:
    """Sets the weights to Hugging Face's of BERT; the pooler's are unused."""
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


def _device() -> str:
  return "cuda" if torch.cuda.is_available() else "cpu"


def main(argv: list[str] | None = None) -> None:
  """Times the steps that the arguments name, in turns."""
  parser = _parser()
  args = parser.parse_args(argv)
  if len(args.batch) not in (1, len(args.seq)):
    rule = "--batch must be one, or one for each of --seq"
    parser.error(f"{rule}. Received: {args.batch} for {args.seq}")
  if args.width > 64 and args.width % 64:
    rule = "--width must be a multiple of 64, or smaller"
    parser.error(f"{rule}. Received: {args.width}")
  batches = args.batch * (len(args.seq) if len(args.batch) == 1 else 1)
  steps, tokens = {}, {}
  shapes = zip(args.seq, batches, strict=True)
  for (length, batch), head in itertools.product(shapes, args.head):
    case = Case(
      width=args.width,
      num_layers=args.layers,
      vocab_size=args.vocab,
      seq_length=length,
      batch_size=batch,
      dtype=args.dtype,
      dropout=args.dropout,
      attention_dropout=args.attention_dropout,
      norm_first=args.norm_first,
    )
    name = f"S={length} B={batch} head={head}"
    steps[name] = Step(case, head == "everywhere", args.compile)
    tokens[name] = length * batch
  device = torch.cuda.get_device_name() if _device() == "cuda" else "CPU"
  print(f"PyTorch {torch.__version__}, {device}", flush=True)
  compiling = _compile(steps)
  results = {}
  for name, seconds in _times(steps, args.rounds, args.chain).items():
    median = statistics.median(seconds)
    quarters = statistics.quantiles([*seconds, *seconds], n=4)
    results[name] = {
      "seconds": median,
      "spread": (quarters[2] - quarters[0]) / median,
      "tokens_per_s": tokens[name] / median,
      "compile_s": compiling[name],
    }
    print(
      f"{name:32s}{median * 1e3:10.2f} ms, spread "
      f"{results[name]['spread']:.3f}, {tokens[name] / median:,.0f} tokens/s"
    )
  about = {"torch": torch.__version__, "device": device}
  about |= {"host": platform.processor(), "arguments": vars(args)}
  print(json.dumps(about | {"steps": results}))


def _compile(steps: dict[str, Step]) -> dict[str, float]:
  """Makes three steps of each; returns the seconds of the first."""
  seconds = {}
  for name, step in steps.items():
    start = time.perf_counter()
    losses = [step()]
    seconds[name] = time.perf_counter() - start
    losses += [step(), step()]
    print(name, f"first step {seconds[name]:.1f} s, losses", losses, flush=True)
  return seconds


def _times(
  steps: dict[str, Step], rounds: int, chain: int
) -> dict[str, list[float]]:
  """Returns the seconds of a step: of `chain` queued steps and one wait."""
  seconds = {name: [] for name in steps}
  for _ in range(rounds):
    for name, step in steps.items():
      start = time.perf_counter()
      for _ in range(chain):
        loss = step.queue()
      loss.item()
      seconds[name].append((time.perf_counter() - start) / chain)
  return seconds


def _positive(text: str) -> int:
  if text.isdecimal() and int(text) > 0:
    return int(text)
  rule = "must be a whole number above 0"
  raise argparse.ArgumentTypeError(f"{rule}. Received: {text}")


def _rate(text: str) -> float:
  rate = float(text)
  if 0 <= rate < 1:
    return rate
  raise argparse.ArgumentTypeError(f"must be in [0, 1). Received: {text}")


def _parser() -> argparse.ArgumentParser:
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  for name, default in (("width", 768), ("layers", 12), ("vocab", 30522)):
    parser.add_argument(f"--{name}", type=_positive, default=default)
  for name, default in (("seq", 512), ("batch", 32)):
    parser.add_argument(
      f"--{name}", type=_positive, nargs="+", default=[default]
    )
  for name, default in (("rounds", 10), ("chain", 1)):
    parser.add_argument(f"--{name}", type=_positive, default=default)
  parser.add_argument("--dropout", type=_rate, default=0.1)
  parser.add_argument("--attention_dropout", type=_rate)
  parser.add_argument(
    "--dtype", choices=("float32", "bfloat16"), default="bfloat16"
  )
  parser.add_argument(
    "--head", nargs="+", choices=_HEADS, default=["predicted"]
  )
  parser.add_argument("--norm_first", action="store_true")
  parser.add_argument(
    "--compile", action=argparse.BooleanOptionalAction, default=True
  )
  return parser


if __name__ == "__main__":
  main()
