# SPDX-License-Identifier: Apache-2.0
"""Runs training steps that `benchmarks.exported_step` has written.

    python run_exported_step.py EXPORT... --rounds 10 --chain 10 1

The file needs JAX and NumPy alone, so that it can be copied, with the exports,
to a machine that has no more. JAX compiles the steps, several at once, for the
first device it sees and makes a few of each; where an export has TensorFlow's
losses and weights, they are compared. Then all take turns. A round is a chain
of steps, queued one after the other as each takes the weights of the one
before, and one wait: `--chain 10` is the speed of the device, with `--chain 1`
the host waits after every step, as one that reads the loss does. The last line
is JSON.
"""

import argparse
import concurrent.futures
import gzip
import json
import pathlib
import re
import statistics
import time
import zlib

import jax
import numpy as np
from jax._src.interpreters import mlir
from jax._src.lib import _jax
from jax._src.lib import xla_client
from jax._src.lib.mlir import ir

COMPILED = "compiled.hlo.txt.gz"
_ALIASES, _DONATED = "mhlo.input_output_alias", "tf.aliasing_output"
_STEPS = 4
_AT_ONCE = 4  # programs: each takes some cores and memory of the host
_FEW = 16  # values: sums of metrics, which start at 0


def read_module(folder: pathlib.Path) -> tuple[ir.Module, dict[int, int]]:
  """Returns a step's program, and which output is which parameter's new value.

  The old value is donated. To be called within `mlir.make_ir_context()`.
  """
  program = gzip.decompress((folder / "program.hlo.gz").read_bytes())
  module = ir.Module.parse(_jax.mlir.hlo_to_stablehlo(program))
  _remove_unknown(module)
  attributes = module.operation.attributes
  pairs = {}
  if _ALIASES in attributes:
    pairs = dict(map(_read_alias, attributes[_ALIASES]))
    del attributes[_ALIASES]
  (main,) = (each for each in module.body if each.name.value == "main")
  donated = {parameter: output for output, parameter in pairs.items()}
  int32 = ir.IntegerType.get_signless(32)
  described = []
  for index in range(len(main.arguments)):
    about = {}
    if index in donated:
      about[_DONATED] = ir.IntegerAttr.get(int32, donated[index])
    described.append(ir.DictAttr.get(about))
  main.arg_attrs = ir.ArrayAttr.get(described)
  return module, pairs


def _read_alias(attribute: ir.Attribute) -> tuple[int, int]:
  text = str(attribute)
  output = re.search(r"output_index = array<i64(?:: (\d+))?>", text)
  parameter = re.search(r"parameter_number = (\d+)", text)
  return int(output.group(1) or 0), int(parameter.group(1))


def _remove_unknown(module: ir.Module) -> None:
  """Takes out what the plugin of a device cannot be sent."""
  copies = []

  def visit(operation):
    if operation.name == "mhlo.copy":
      copies.append(operation)
    attributes = operation.attributes
    # Of a later version than plugins take.
    if "result_tilings" in attributes and "call_target_name" in attributes:
      del attributes["result_tilings"]
    return ir.WalkResult.ADVANCE

  module.operation.walk(visit)
  for copy in copies:
    copy.results[0].replace_all_uses_with(copy.operands[0])
    copy.erase()


class ExportedStep:
  """A step and, once it is compiled, the values that it changes."""

  def __init__(self, folder: pathlib.Path):
    self.meta = json.loads((folder / "meta.json").read_text())
    self._values = np.load(folder / "values.npz")
    with mlir.make_ir_context():
      module, self._pairs = read_module(folder)
      self._program = mlir.module_to_bytecode(module)

  def compile(self, device: jax.Device) -> None:
    """Makes what a device runs, and puts the first values there."""
    start = time.perf_counter()
    self.executable = device.client.compile_and_load(
      self._program, [device], xla_client.CompileOptions()
    )
    self.compile_seconds = time.perf_counter() - start
    self.arguments = [
      jax.device_put(self._first_value(index), device)
      for index in range(len(self.meta["parameters"]))
    ]

  def _first_value(self, index: int) -> np.ndarray:
    """Returns what is kept, or numbers drawn by the parameter's name.

    So two networks start alike where they are alike.
    """
    about = self.meta["parameters"][index]
    shape, dtype = about["shape"], about["dtype"]
    if f"before_{index}" in self._values:
      return self._values[f"before_{index}"].astype(dtype).reshape(shape)
    if about["deviation"] == 0:
      return np.full(shape, about["mean"], dtype)
    random = np.random.default_rng(zlib.crc32(about["name"].encode()))
    value = random.standard_normal(shape, np.float32) * about["deviation"]
    return (value + about["mean"]).astype(dtype)

  def __call__(self) -> jax.Array:
    """Queues a step; returns its loss."""
    result = self.executable.execute_sharded(self.arguments)
    outputs = result.disassemble_into_single_device_arrays()
    for output, parameter in self._pairs.items():
      (self.arguments[parameter],) = outputs[output]
    return outputs[0][0]

  def compare(self) -> dict:
    """Makes the first steps; returns losses, beside TensorFlow's if known."""
    report = {"losses": [float(self()) for _ in range(_STEPS)]}
    if "losses" in self._values:
      report["tensorflow"] = self._values["losses"].tolist()
      report["error_over_movement"] = self._error()
    return report

  def _error(self) -> float:
    """Returns how far all weights are off, over how far they have moved."""
    error = moved = 0.0
    for index, about in enumerate(self.meta["parameters"]):
      after = self._values[f"after_{index}"]
      if "float" in about["dtype"] and after.size > _FEW:
        after = after.astype(np.float64)
        error += np.sum((np.asarray(self.arguments[index]) - after) ** 2)
        moved += np.sum((self._values[f"before_{index}"] - after) ** 2)
    return float(np.sqrt(error / moved))


def time_steps(
  steps: dict[str, ExportedStep], rounds: int, chain: int
) -> dict[str, list[float]]:
  """Returns the seconds of a step, measured in turns; the first is warm-up."""
  seconds = {name: [] for name in steps}
  for index in range(1 + rounds):
    for name, step in steps.items():
      start = time.perf_counter()
      for _ in range(chain):
        step()
      jax.block_until_ready(step.arguments)
      if index:
        seconds[name].append((time.perf_counter() - start) / chain)
  return seconds


def summarize(step: ExportedStep, seconds: list[float]) -> dict:
  """Returns a step's time, speed and memory."""
  median = statistics.median(seconds)
  low, _, high = statistics.quantiles([*seconds, *seconds], n=4)
  batch, passes = step.meta["batch_size"], 3  # a backward pass is two forward
  rate = 2 * passes * batch / median / 1e12
  memory = step.executable.get_compiled_memory_stats()
  return {
    "seconds": median,
    "spread": (high - low) / median,
    "tokens_per_s": batch * step.meta["seq_length"] / median,
    "tflops": rate * step.meta["macs"],
    "tflops_of_dense": rate * step.meta["dense_macs"],
    "temporary_gib": memory.temp_size_in_bytes / 2**30,
  }


def write_compiled(executable, folder: pathlib.Path) -> None:
  """Writes what was compiled, for `benchmarks.compiled_step` to table."""
  size = executable.get_compiled_memory_stats().temp_size_in_bytes
  text = executable.hlo_modules()[0].to_string()
  content = f"// temporaries: {size} bytes\n{text}"
  (folder / COMPILED).write_bytes(gzip.compress(content.encode()))


def main(argv: list[str] | None = None) -> None:
  """Compares and times the exports that the arguments name."""
  args = _parser().parse_args(argv)
  jax.config.update("jax_enable_x64", True)
  device = jax.devices()[0]
  about = {"jax": jax.__version__, "device": device.device_kind}
  about |= {"platform": device.client.platform_version.splitlines()[0]}
  print(*about.values(), flush=True)
  steps = {
    "/".join(folder.parts[-2:]): ExportedStep(folder) for folder in args.exports
  }
  with concurrent.futures.ThreadPoolExecutor(_AT_ONCE) as pool:
    list(pool.map(lambda step: step.compile(device), steps.values()))
  results = {}
  for name, step in steps.items():
    results[name] = {"compile_s": step.compile_seconds} | step.compare()
    print(name, results[name], flush=True)
    if args.programs:
      folder = args.programs / name
      folder.mkdir(parents=True, exist_ok=True)
      (folder / "meta.json").write_text(json.dumps(step.meta))
      write_compiled(step.executable, folder)
  for chain in args.chain:
    for name, seconds in time_steps(steps, args.rounds, chain).items():
      times = summarize(steps[name], seconds)
      results[name][f"chain {chain}"] = times
      print(
        f"{name}, chain {chain}: {times['seconds'] * 1e3:.2f} ms, "
        f"spread {times['spread']:.3f}, {times['tokens_per_s']:,.0f} tokens/s, "
        f"{times['tflops']:.1f} TFLOP/s, temporaries "
        f"{times['temporary_gib']:.2f} GiB",
        flush=True,
      )
  print(json.dumps(about | {"rounds": args.rounds, "steps": results}))


def positive(text: str) -> int:
  """Returns the number of an argument, or refuses it."""
  if text.isdecimal() and int(text) > 0:
    return int(text)
  rule = "must be a whole number above 0"
  raise argparse.ArgumentTypeError(f"{rule}. Received: {text}")


def find_export(text: str) -> pathlib.Path:
  """Returns the folder of a program, or refuses it."""
  files = ("program.hlo.gz", "meta.json", "values.npz")
  if all(pathlib.Path(text, name).is_file() for name in files):
    return pathlib.Path(text)
  rule = f"must be a folder with {', '.join(files)}"
  raise argparse.ArgumentTypeError(f"{rule}. Received: {text}")


def _parser() -> argparse.ArgumentParser:
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument("exports", nargs="+", type=find_export)
  parser.add_argument("--rounds", type=positive, default=10)
  parser.add_argument("--chain", type=positive, nargs="+", default=[10])
  parser.add_argument(
    "--programs", type=pathlib.Path, help="where to write what was compiled"
  )
  return parser


if __name__ == "__main__":
  main()
