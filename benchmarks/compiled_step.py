# SPDX-License-Identifier: Apache-2.0
"""Compiles exported steps for an H100, which need not be there, and costs them.

    python -m benchmarks.compiled_step runs/exported/ours_dense [FOLDER...]

A folder is one of `benchmarks.exported_step`. Its program is compiled as XLA
would where an H100 is, but for what is measured there: nothing is autotuned,
and cuDNN builds no plans. What comes out is written to the folder,
`compiled.hlo.txt.gz`. Folders of `run_exported_step.py --programs` hold what a
real GPU compiled, and nothing to compile. Then a table says
how many kernels a class of work has, what they read, write and multiply, and
how long they should take (`benchmarks/kernel_costs.py`); `--kernels` lists the
dearest, those alike on one line.

Compiling BERT-base takes a minute or two and needs the extra `gpu_model`. XLA's
options come from XLA_FLAGS; matrix products are left to cuBLAS.
"""

import collections
import functools
import gzip
import json
import os
import pathlib
import re
import zlib

from absl import flags

from benchmarks import hlo_kernels
from benchmarks import kernel_costs
from token_dropping.common import errors
from token_dropping.common import extras

PROGRAM, COMPILED = "program.hlo.gz", "compiled.hlo.txt.gz"
_ROW = "{:34s}{:>9s}{:>9s}{:>9s}{:>9s}"
# As JAX describes one; the versions are those of CUDA and cuDNN.
_H100 = """
  gpu_device_info {
    threads_per_block_limit: 1024 threads_per_warp: 32
    shared_memory_per_block: 49152 shared_memory_per_core: 233472
    threads_per_core_limit: 2048 core_count: 132 fpus_per_core: 128
    block_dim_limit_x: 2147483647 block_dim_limit_y: 65535
    block_dim_limit_z: 65535 memory_bandwidth: 3352320000000
    l2_cache_size: 52428800 clock_rate_ghz: 1.98
    device_memory_size: 84929347584 shared_memory_per_block_optin: 232448
    cuda_compute_capability { major: 9 } registers_per_core_limit: 65536
    registers_per_block_limit: 65536
  }
  platform_name: "CUDA" dnn_version_info { major: 9 minor: 12 }
  runtime_version { major: 13 minor: 0 patch: 0 }
  device_description_str: "NVIDIA H100 80GB HBM3"
"""


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
  """Defines what is listed."""
  flags.DEFINE_integer(
    "kernels", 0, "How many of the dearest to list.", flag_values=values
  )


def main(argv: list[str], values: flags.FlagValues = flags.FLAGS) -> None:
  """Prints a table for each folder."""
  rule = f"arguments must be folders with {PROGRAM} and meta.json"
  errors.require(len(argv) > 1, rule, "none")
  for folder in map(pathlib.Path, argv[1:]):
    errors.require((folder / "meta.json").is_file(), rule, folder)
    if (folder / PROGRAM).is_file():
      _unpack(folder / PROGRAM)
      compile_folder(folder)
    errors.require((folder / COMPILED).is_file(), rule, folder)
    text = _unpack(folder / COMPILED).decode()
    meta = json.loads((folder / "meta.json").read_text("utf-8"))
    kernels = hlo_kernels.read_kernels(text)
    size = int(re.match(r"// temporaries: (\d+) bytes\n", text)[1])
    print(f"{folder}: temporaries of {size / 2**30:.2f} GiB")
    print(table(kernels, meta))
    if values.kernels:
      print(list_dearest(kernels, meta, values.kernels))


def _unpack(path: pathlib.Path) -> bytes:
  """Returns what a file holds, which may have broken off on its way here."""
  try:
    return gzip.decompress(path.read_bytes())
  except (EOFError, OSError, zlib.error) as error:
    raise errors.UserError(
      f"a file of an export must be whole. Received: {path}: {error}"
    ) from error


def compile_folder(folder: pathlib.Path) -> None:
  """Compiles a folder's program for an H100."""
  device = _h100()
  from jax._src.interpreters import mlir
  from jax._src.lib import xla_client

  from benchmarks import run_exported_step

  with mlir.make_ir_context():
    module, _ = run_exported_step.read_module(folder)
    executable = device.client.compile(
      module, xla_client.DeviceList((device,)), xla_client.CompileOptions()
    )
  run_exported_step.write_compiled(executable, folder)


@functools.cache  # A process loads the compiler once.
def _h100():
  """Returns a device that programs can be compiled for, not run on."""
  options = os.environ.get("XLA_FLAGS", "")
  os.environ["XLA_FLAGS"] = f"--xla_gpu_enable_triton_gemm=false {options}"
  os.environ |= {"CUDA_VISIBLE_DEVICES": "-1", "JAX_PLATFORMS": "cpu"}
  need = "compiling for an H100 needs JAX and XLA's compiler"
  plugin = extras.require("jax_plugins.xla_cuda13", need, "gpu_model")
  from jax._src.lib import xla_client

  library = pathlib.Path(plugin.__file__).with_name("xla_cuda_plugin.so")
  api = xla_client.load_pjrt_plugin_dynamically("cuda", str(library))
  if not xla_client.pjrt_plugin_initialized("cuda"):
    xla_client.initialize_pjrt_plugin("cuda")
  topology = xla_client.make_c_api_device_topology(
    api, "", target_config=_H100, topology="1x1x1"
  )
  return topology._make_compile_only_devices()[0]


def table(kernels: list[hlo_kernels.Kernel], meta: dict) -> str:
  """Returns kernels, GB, TFLOP and milliseconds by class of work."""
  lines = [_ROW.format("", "kernels", "GB", "TFLOP", "ms")]
  for name, cost in kernel_costs.costs_by_class(kernels, meta).items():
    cells = [f"{cost.bytes / 1e9:.2f}", f"{cost.operations / 1e12:.2f}"]
    cells.append(f"{cost.seconds * 1e3:.2f}")
    lines.append(_ROW.format(name, f"{cost.kernels}", *cells))
  return "\n".join(lines)


def list_dearest(
  kernels: list[hlo_kernels.Kernel], meta: dict, count: int
) -> str:
  """Returns a line for kernels alike, those that take longest together.

  Alike are those of the same arrays and, but for numbers, place in the network.
  """
  shapes, costs = kernel_costs.Shapes(meta), collections.Counter()
  launches = collections.Counter()
  for kernel in kernels:
    source = re.sub(r"_?\d+", "", kernel.source)
    arrays = f"{_list(kernel.operands)} -> {_list(kernel.results)}"
    name = kernel_costs.class_of(kernel, shapes)
    line = f"{name}: {kernel.target or kernel.operation} {arrays}; {source}"
    launches[line] += kernel.times
    costs[line] += kernel_costs.cost_of(kernel).seconds
  return "\n".join(
    f"{seconds * 1e3:7.3f} ms, {launches[line]:4d} x {line}"
    for line, seconds in costs.most_common(count)
  )


def _list(shapes: tuple[hlo_kernels.Shape, ...]) -> str:
  return " ".join(f"{each.dtype}{list(each.sizes)}" for each in shapes)


if __name__ == "__main__":
  define_flags()
  errors.run_command(main)
