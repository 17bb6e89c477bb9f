# SPDX-License-Identifier: Apache-2.0
"""What the package is called, what it needs and what it installs."""

import pathlib
import re

import setuptools
from setuptools.command import build_py

ROOT = pathlib.Path(__file__).parent

DATA = ["apache-beam>=2.72,<3", "polib>=1.2", "tokenizers>=0.21"]
# The text of the quick start is a piece of Wikipedia in gensim's package.
QUICKSTART = [*DATA, "gensim>=4.4"]
TRANSFORMERS = "transformers>=5.0"
HUGGINGFACE = ["safetensors>=0.5", "tokenizers>=0.21", TRANSFORMERS]
# Compiles for a GPU without one. JAX's inner parts, which the benchmarks use,
# change.
GPU_MODEL = ["jax==0.10.2", "jax-cuda13-pjrt==0.10.2"]
TEST = [
  *GPU_MODEL,
  *QUICKSTART,
  *HUGGINGFACE,
  "import-linter>=2.0",
  "openvino>=2025.0",
  "pytest-xdist>=3.6",
  "pytest>=8.3",
  # The exact ruff, so that every machine formats alike.
  "ruff==0.17.6",
  # The exact PyTorch, so that its build without CUDA, 2.13.0+cpu, is taken
  # wherever pip is offered it (CONTRIBUTING.md).
  "torch==2.13.0",
]


def read_version() -> str:
  """Reads the version without importing the package, hence TensorFlow."""
  text = (ROOT / "token_dropping" / "__init__.py").read_text("utf-8")
  return re.search(r'^__version__ = "([^"]+)"$', text, re.MULTILINE).group(1)


class BuildWithoutTests(build_py.build_py):
  """Leaves the tests, which lie beside their modules, in the repository."""

  def find_package_modules(self, package: str, package_dir: str) -> list:
    """Returns package, name and path of each module to install."""
    modules = super().find_package_modules(package, package_dir)
    return [
      module
      for module in modules
      if module[1] != "conftest" and not module[1].endswith("_test")
    ]


setuptools.setup(
  name="token-dropping",
  version=read_version(),
  description="Token dropping for BERT pretraining on Model Garden",
  long_description=(ROOT / "README.md").read_text("utf-8"),
  long_description_content_type="text/markdown",
  license="Apache-2.0",
  license_files=["LICENSE"],
  # As in the Makefile. TensorFlow 2.20 has no wheels for 3.14; on 3.10 pip
  # searches for minutes, since much of what is needed has left it behind.
  python_requires=">=3.11,<3.14",
  # Not official/: installed, it would lie inside Model Garden's package.
  packages=setuptools.find_packages(
    include=["token_dropping", "token_dropping.*"]
  ),
  cmdclass={"build_py": BuildWithoutTests},
  package_data={
    "token_dropping": ["experiments/**/*.yaml"],
    "token_dropping.explain": ["page.html"],
    "token_dropping.huggingface": ["card.md"],
    "token_dropping.study": ["page.html"],
  },
  install_requires=[
    "PyYAML>=6.0",
    "absl-py>=1.4",
    "backports.zstd>=1.0",
    "fsspec>=2024.2",
    "gin-config>=0.5",
    "importlib_resources>=5.0",  # tensorflow-datasets imports it undeclared.
    "jinja2>=3.1",
    "markupsafe>=2.1",
    "matplotlib>=3.8",
    "numpy>=1.26",
    "pandas>=2.0",
    "protobuf>=5.28",
    "sacrebleu>=2.5",
    "scikit-learn>=1.3",
    "scipy>=1.11",
    "sentencepiece>=0.2",
    "setuptools<81",  # TensorBoard and TensorFlow Hub import pkg_resources.
    "tensorboard>=2.20,<2.21",
    "tensorflow-datasets>=4.9.7",
    "tensorflow-serving-api>=2.20,<2.21",  # of warm-up requests: 30 kB
    "tensorflow-text>=2.20,<2.21",
    "tensorflow>=2.20,<2.21",
    "tf-models-official>=2.20,<2.21",
    "tf_keras>=2.20,<2.21",
    "tqdm>=4.62",
  ],
  extras_require={
    "data": DATA,
    "quickstart": QUICKSTART,
    "huggingface": HUGGINGFACE,
    "benchmarks": ["torch>=2.7"],
    "gpu_model": GPU_MODEL,
    "gpu": ["tensorflow[and-cuda]>=2.20,<2.21"],
    "test": TEST,
    "dev": [*TEST, "pre-commit>=4.0"],
  },
)
