# SPDX-License-Identifier: Apache-2.0
"""Tensors under one set of names, whatever a folder calls them."""

import sys

import ml_dtypes
import numpy as np
import pytest
import torch
from safetensors import numpy as safetensors
from safetensors import torch as safetensors_torch

from tests import testing
from token_dropping.common import errors
from token_dropping.huggingface import bert
from token_dropping.huggingface import tensor_file

BERT = bert.Bert()
ONES = np.ones(2, np.float32)
_FLOAT_8 = safetensors_torch.save({"a": torch.ones(2).to(torch.float8_e5m2)})


def _read(folder, network=BERT, **tensors):
  names = {name.replace("__", "."): value for name, value in tensors.items()}
  safetensors.save_file(names, folder / "model.safetensors")
  return tensor_file.read(str(folder), network)


def _refused(folder) -> str:
  arguments = str(folder), bert.Bert()
  return testing.refused(tensor_file.read, *arguments)


def test_bias_is_written_under_both_names(tmp_path):
  tensors = {"cls.predictions.bias": ONES}
  tensor_file.write(str(tmp_path), tensors, bert.Bert())
  found = safetensors.load_file(tmp_path / "model.safetensors")
  names = {"cls.predictions.bias", "cls.predictions.decoder.bias"}
  assert set(found) == names


def test_names_without_prefix_of_the_first_years_or_of_the_decoder(tmp_path):
  found = _read(
    tmp_path,
    embeddings__LayerNorm__gamma=ONES,
    pooler__dense__bias=ONES,
    cls__predictions__decoder__bias=2 * ONES,
    cls__predictions__transform__LayerNorm__beta=ONES,
  )
  assert sorted(found) == [
    "bert.embeddings.LayerNorm.weight",
    "bert.pooler.dense.bias",
    "cls.predictions.bias",
    "cls.predictions.decoder.bias",
    "cls.predictions.transform.LayerNorm.bias",
  ]
  np.testing.assert_array_equal(found["cls.predictions.bias"], 2 * ONES)


def test_names_of_the_network_with_its_norms_first(tmp_path):
  found = _read(
    tmp_path,
    bert.PreNormBert(),
    encoder__layer__0__intermediate__LayerNorm__bias=ONES,
    LayerNorm__weight=ONES,
    lm_head__decoder__bias=ONES,
  )
  assert sorted(found) == [
    "lm_head.bias",
    "lm_head.decoder.bias",
    "roberta_prelayernorm.LayerNorm.weight",
    "roberta_prelayernorm.encoder.layer.0.intermediate.LayerNorm.bias",
  ]


@pytest.mark.parametrize("kind", [np.float16, ml_dtypes.bfloat16, np.float64])
def test_all_becomes_float32(tmp_path, kind):
  found = _read(tmp_path, pooler__dense__bias=ONES.astype(kind))
  assert found["bert.pooler.dense.bias"].dtype == np.float32


def test_pickle_without_pytorch(tmp_path, monkeypatch):
  (tmp_path / "pytorch_model.bin").write_bytes(b"")
  monkeypatch.setitem(sys.modules, "torch", None)
  assert _refused(tmp_path) == (
    "--input must hold model.safetensors where PyTorch is not installed. "
    f"Received: '{tmp_path}/pytorch_model.bin'"
  )


@pytest.mark.parametrize(
  ("name", "content", "kind"),
  [
    ("model.safetensors", b"broken", "text"),
    ("model.safetensors", _FLOAT_8, "a safetensors file"),
    ("pytorch_model.bin", b"", "text"),
    ("pytorch_model.bin", b"PK\x03\x04", "a zip archive"),
    (
      "pytorch_model.bin",
      b"version https://git-lfs.github.com/spec/v1",
      "a Git LFS pointer",
    ),
  ],
)
def test_broken_file(tmp_path, name, content, kind):
  (tmp_path / name).write_bytes(content)
  assert _refused(tmp_path).startswith(
    "--input must hold readable tensors, of types that NumPy has. Received: "
    f"'{tmp_path}/{name}', which seems to be {kind}"
  )


def test_several_files(tmp_path):
  name = "model-00001-of-00002.safetensors"
  (tmp_path / name).touch()
  assert _refused(tmp_path) == (
    "--input must hold all tensors in one model.safetensors or "
    f"pytorch_model.bin. Received: '{tmp_path}' with ['{name}']"
  )


def test_pickle_with_other_names_than_text(tmp_path):
  torch.save({0: torch.ones(2)}, tmp_path / "pytorch_model.bin")
  assert set(tensor_file.read(str(tmp_path), bert.Bert())) == {"0"}


def test_output_matrix_that_is_not_the_embeddings(tmp_path):
  tensors = {
    "bert__embeddings__word_embeddings__weight": ONES,
    "cls__predictions__decoder__weight": 2 * ONES,
  }
  message = "decoder.weight must be bert.embeddings.*: .* where they differ"
  with pytest.raises(errors.UserError, match=message):
    _read(tmp_path, **tensors)
  tensors["cls__predictions__decoder__weight"] = ONES
  assert len(_read(tmp_path, **tensors)) == 2


def test_one_tensor_under_two_names(tmp_path):
  message = "a tensor must have one name. Received: .* with two of"
  with pytest.raises(errors.UserError, match=message):
    _read(tmp_path, LayerNorm__gamma=ONES, LayerNorm__weight=ONES)
