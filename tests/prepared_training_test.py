# SPDX-License-Identifier: Apache-2.0
"""Tests of training on what `prepare` makes, whole and damaged."""

import contextlib
import json
import shutil

import pytest
import tensorflow as tf
import yaml
from official.core import exp_factory
from official.core import task_factory
from official.core import train_lib
from official.nlp import tasks
from official.nlp.configs import pretraining_experiments

from tests import dataset_testing
from tests import fault_testing
from tests import prepare_testing
from tests import testing
from token_dropping.common import files
from token_dropping.common import vocabulary
from token_dropping.data import inspect

REGISTERED = tasks, pretraining_experiments  # Model Garden's own
HEAD = {"inner_dim": 8, "num_classes": 2, "name": "next_sentence"}
SIZES = testing.SIZES | {
  "vocab_size": 100,
  "max_position_embeddings": prepare_testing.LENGTH,
}


@pytest.fixture(scope="module")
def make(tmp_path_factory):
  """Returns a function that prepares a dataset, or finds it ready."""
  root = tmp_path_factory.mktemp("datasets")
  tokens = [*vocabulary.SPECIAL_TOKENS, *prepare_testing.WORDS]
  vocab_file = testing.write_vocabulary(root / "vocab.txt", tokens)
  (root / "text.txt").write_text(prepare_testing.make_text(12))

  def prepared(packing, masking):
    folder = root / f"{packing}-{masking}"
    if not folder.exists():
      settings = prepare_testing.settings(root / "text.txt", folder)
      fields = {"packing": packing, "masking": masking}
      prepare_testing.run(settings, vocab_file=vocab_file, **fields)
    return folder

  return prepared


def _data(folder, packing, **fields) -> dict:
  common = {
    "global_batch_size": 4,
    "seq_length": prepare_testing.LENGTH,
    "max_predictions_per_seq": prepare_testing.SLOTS,
    "use_next_sentence_label": packing == "pairs",
    "use_v2_feature_names": True,
  }
  return {
    f"{split}_data": {"input_path": f"{folder}/{split}-*", **common, **fields}
    for split in ("train", "validation")
  }


def _heads(packing) -> list[dict]:
  return [HEAD] if packing == "pairs" else []


@pytest.mark.parametrize("packing", ["full", "pairs"])
@testing.eagerly()
def test_model_gardens_own_task_trains_on_static_records(
  make, tmp_path, packing
):
  params = exp_factory.get_exp_config("bert/pretraining")
  task = {
    **_data(make(packing, "static"), packing),
    "model": {"cls_heads": _heads(packing), "encoder": {"bert": SIZES}},
  }
  trainer = testing.TINY["trainer"]
  params.override({"task": task, "trainer": trainer})
  params.trainer.optimizer_config.learning_rate.polynomial.decay_steps = 2
  _, logs = train_lib.run_experiment(
    distribution_strategy=tf.distribute.OneDeviceStrategy("cpu"),
    task=task_factory.get_task(params.task),
    mode="train_and_eval",
    params=params,
    model_dir=str(tmp_path),
    run_post_eval=True,
  )
  assert tf.train.latest_checkpoint(str(tmp_path)).endswith("ckpt-2")
  assert 0 < logs["lm_example_loss"] < 10
  assert ("next_sentence_accuracy" in logs) == (packing == "pairs")


def _launch(data: dict, folder, packing="full", enable_xla=False) -> None:
  encoder = {"any": SIZES | {"token_allow_list": None, "token_deny_list": None}}
  model = {"encoder": encoder, "cls_heads": _heads(packing)}
  config = testing.merged(
    testing.TINY,
    {"task": {**data, "model": model}, "runtime": {"enable_xla": enable_xla}},
    {"trainer": {"validation_steps": 1}},
  )
  (folder / "tiny.yaml").write_text(yaml.safe_dump(config))
  fault_testing.launch(folder, folder / "run")


@pytest.mark.parametrize(
  ("packing", "unit", "enable_xla"),
  [
    pytest.param("full", "span", True, marks=pytest.mark.slow),
    ("pairs", "whole_word", False),
  ],
)
def test_dynamic_records_train(
  make, tmp_path, capsys, packing, unit, enable_xla
):
  fields = {"masking": "dynamic", "masking_unit": unit}
  folder, run = make(packing, "dynamic"), tmp_path / "run"
  data = _data(folder, packing, **fields)
  with contextlib.nullcontext() if enable_xla else testing.eagerly():
    _launch(data, tmp_path, packing, enable_xla)
  out = capsys.readouterr().out
  assert "Trained 2 steps, to step 2" in out
  assert "best guess without context" in out
  tags = fault_testing.curves(run / "train")
  assert ("next_sentence_accuracy" in tags) == (packing == "pairs")
  # Whoever has the run needs no dataset to make the same ids.
  words = (folder / "vocab.txt").read_bytes()
  assert (run / "vocab.txt").read_bytes() == words
  assert (run / "tokenizer_config.json").exists()


def test_data_of_causal_models_are_refused(tmp_path):
  folder = tmp_path / "data"
  settings = prepare_testing.write_text(tmp_path, objective="causal_lm")
  prepare_testing.run(settings, output_dir=str(folder))
  refused = testing.refused(_launch, _data(folder, "full"), tmp_path)
  assert refused == (
    "task.train_data.input_path must name data of prepare "
    f"--objective=masked_lm. Received: '{folder}', made for causal_lm"
  )


# Damage.


def _truncated(folder) -> tuple[str, str]:
  path = min(folder.glob("validation-*"))
  size = path.stat().st_size
  path.write_bytes(path.read_bytes()[:-9])
  return (f"{path} must have {size} bytes, ",) * 2


def _of_another_vocabulary(folder) -> tuple[str, str]:
  path = min(folder.glob("train-*"))
  record = prepare_testing.read(folder, "train")[0]
  record["input_word_ids"][3] = 100
  testing.write_records(path, [record])
  card = json.loads((folder / "dataset.json").read_text())
  card["train"]["records"] -= card["files"][path.name]["records"] - 1
  card["files"][path.name] = files.describe(str(path)) | {"records": 1}
  dataset_testing.write_card(folder, card)
  return tuple(f"Received: 100 in {p}, record 0" for p in (path.name, path))


def _inspect(folder) -> None:
  list(inspect.report(str(folder), 100, 0, quick=False, coloured=False))


@pytest.mark.parametrize("damage", [_truncated, _of_another_vocabulary])
def test_inspection_and_training_refuse(make, tmp_path, damage):
  folder = tmp_path / "data"
  shutil.copytree(make("full", "static"), folder)
  expected = damage(folder)
  assert expected[0] in testing.refused(_inspect, folder)
  refused = testing.refused(_launch, _data(folder, "full"), tmp_path)
  assert expected[1] in refused
  assert not (tmp_path / "run").exists()
