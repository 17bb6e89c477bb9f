# SPDX-License-Identifier: Apache-2.0
"""Trains networks that `benchmarks.exported_training` has written.

    python run_exported_training.py exports/dense exports/recommended \
      --seconds 200 --evaluate_every 20 --output_dir OUT

The file needs JAX, NumPy and `run_exported_step.py` beside it. JAX compiles all
networks for the first device it sees; then one after the other is trained for
so many seconds of its own, in which evaluations do not count. `--calls` trains
for a number of calls instead, so that a run can be repeated to the bit. The
rows of an epoch come in random order. OUT gets a folder a network:

- `curve.jsonl`: a line for each evaluation, as soon as it is made;
- `weights-000` and so on: the weights at the end, in pieces of `--piece_mb`;
- `weights.json`: which variables they are, and the SHA-256 of each piece.
"""

import argparse
import concurrent.futures
import hashlib
import json
import math
import pathlib
import time

import jax
import numpy as np

try:
  from benchmarks import run_exported_step
except ImportError:  # copied to where this project is not
  import run_exported_step

PARTS = ("train", "evaluate")


class Network:
  """A network in training, and its evaluation."""

  def __init__(self, folder: pathlib.Path):
    self.name = folder.name
    self._train, self._evaluate = (
      run_exported_step.ExportedStep(folder / part) for part in PARTS
    )
    self.parameters = self._train.meta["parameters"]
    self._places = {p["name"]: i for i, p in enumerate(self.parameters)}
    self.shape = self.parameters[self._places["tokens"]]["shape"]

  def check_tokens(self, digest: str) -> None:
    """Ends the process where the tokens are not those of the export."""
    wanted = self._train.meta["tokens_sha256"]
    if digest != wanted:
      raise SystemExit(
        f"error: tokens.npy must have the SHA-256 that the export of "
        f"{self.name} names, {wanted}. Received: {digest}"
      )

  def compile(self, device: jax.Device) -> None:
    """Makes what the device runs; says how long it took."""
    self._device = device
    for part, program in zip(PARTS, (self._train, self._evaluate), strict=True):
      program.compile(device)
      seconds = program.compile_seconds
      print(f"{self.name}: {part} compiled in {seconds:.1f} s", flush=True)

  def train(self, **values) -> jax.Array:
    """Queues a call with such inputs; returns its mean loss."""
    for name, value in values.items():
      place = self._places[name]
      value = np.asarray(value, self.parameters[place]["dtype"])
      self._train.arguments[place] = jax.device_put(value, self._device)
    return self._train()

  def evaluate(self) -> dict[str, float]:
    """Returns the results on the validation records, by name."""
    for place, about in enumerate(self._evaluate.meta["parameters"]):
      if "trained" in about:
        now = self._train.arguments[about["trained"]]
        self._evaluate.arguments[place] = now
    results = np.asarray(self._evaluate()).tolist()
    return dict(zip(self._evaluate.meta["results"], results, strict=True))

  def weights(self) -> list[tuple[dict, np.ndarray]]:
    """Returns what is saved, each with what is said of it, in their order."""
    found = [
      (about, np.asarray(value))
      for about, value in zip(
        self.parameters, self._train.arguments, strict=True
      )
      if "saved" in about
    ]
    return sorted(found, key=lambda pair: pair[0]["saved"])


def train(
  network: Network, tokens: np.ndarray, args: argparse.Namespace
) -> dict | None:
  """Trains a network; returns its last line, `None` if it has diverged."""
  folder = args.output_dir / network.name
  folder.mkdir(parents=True, exist_ok=True)
  total = args.calls or args.seconds
  steps, batch, length = network.shape
  order = _Rows(len(tokens), steps * batch, args.seed)
  calls, seconds, due, loss = 0, 0.0, 0.0, math.nan
  with open(folder / "curve.jsonl", "w", encoding="utf-8") as curve:
    while True:
      done = calls if args.calls else seconds
      start = time.perf_counter()
      if done >= min(due, total):
        jax.block_until_ready(loss)
        seconds += time.perf_counter() - start
        line = {"step": calls * steps, "seconds": seconds}
        line |= {"tokens": calls * steps * batch * length}
        line |= {"training_loss": float(loss)} | network.evaluate()
        print(json.dumps(line), file=curve, flush=True)
        print(network.name, line, flush=True)
        if not math.isfinite(line["lm_example_loss"]):
          return None
        if done >= total:
          return line
        due += args.evaluate_every
        start = time.perf_counter()
      before = loss
      epoch, rows = order.of_call(calls)
      loss = network.train(
        tokens=tokens[rows].reshape(network.shape),
        epoch=epoch,
        **{"progress:0": done / total},
      )
      jax.block_until_ready(before)  # one more is queued meanwhile
      calls += 1
      seconds += time.perf_counter() - start


class _Rows:
  """Which rows a call reads: a permutation an epoch, its rest left out."""

  def __init__(self, count: int, size: int, seed: int):
    self._count, self._size, self._seed = count, size, seed
    self._epoch, self._order = -1, None

  def of_call(self, call: int) -> tuple[int, np.ndarray]:
    epoch, place = divmod(call, self._count // self._size)
    if epoch != self._epoch:
      random = np.random.default_rng([self._seed, epoch])
      self._epoch, self._order = epoch, random.permutation(self._count)
    return epoch, self._order[place * self._size :][: self._size]


def write_weights(
  weights: list[tuple[dict, np.ndarray]],
  about: dict,
  folder: pathlib.Path,
  size: int,
) -> None:
  """Writes weights in pieces of `size` bytes, and a list of them."""
  content = b"".join(value.tobytes() for _, value in weights)
  digests = {}
  for place in range(0, len(content), size):
    piece, name = content[place : place + size], f"weights-{len(digests):03}"
    (folder / name).write_bytes(piece)
    digests[name] = hashlib.sha256(piece).hexdigest()
  variables = [variable for variable, _ in weights]
  listed = {"trained": about, "sha256": digests, "variables": variables}
  (folder / "weights.json").write_text(json.dumps(listed, indent=1) + "\n")


def main(argv: list[str] | None = None) -> None:
  """Trains the networks that the arguments name."""
  args = _parser().parse_args(argv)
  jax.config.update("jax_enable_x64", True)
  device = jax.devices()[0]
  print("jax", jax.__version__, device.device_kind, flush=True)
  networks = list(map(Network, args.exports))
  tokens = np.load(args.exports[0].parent / "tokens.npy")
  digest = hashlib.sha256(tokens.tobytes()).hexdigest()
  for network in networks:
    network.check_tokens(digest)
  with concurrent.futures.ThreadPoolExecutor() as pool:
    list(pool.map(lambda network: network.compile(device), networks))
  for network in networks:
    line = train(network, tokens, args)
    if line is None:
      print(f"{network.name}: the loss is not finite; no weights", flush=True)
      continue
    folder = args.output_dir / network.name
    size = args.piece_mb * 1_000_000
    write_weights(network.weights(), line, folder, size)


def _find_network(text: str) -> pathlib.Path:
  for part in PARTS:
    run_exported_step.find_export(f"{text}/{part}")
  folder = pathlib.Path(text).absolute()
  if (folder.parent / "tokens.npy").is_file():
    return folder
  rule = "must have tokens.npy beside it"
  raise argparse.ArgumentTypeError(f"{rule}. Received: {text}")


def _parser() -> argparse.ArgumentParser:
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument("exports", nargs="+", type=_find_network)
  parser.add_argument("--output_dir", type=pathlib.Path, required=True)
  span = parser.add_mutually_exclusive_group(required=True)
  for where, name, default, text in (
    (span, "--seconds", None, "of training, for each network"),
    (span, "--calls", None, "of training, for each network"),
    (parser, "--evaluate_every", 20, "seconds or calls"),
    (parser, "--piece_mb", 16, "of weights"),
    (parser, "--seed", 1, "of the order of rows"),
  ):
    kind = run_exported_step.positive
    where.add_argument(name, type=kind, default=default, help=text)
  return parser


if __name__ == "__main__":
  main()
