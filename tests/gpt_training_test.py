# SPDX-License-Identifier: Apache-2.0
"""Causal networks by the launcher: trained, resumed, evaluated, refused."""

import numpy as np
import pytest

from tests import causal_testing
from tests import config_testing
from tests import dataset_testing
from tests import fault_testing
from tests import gpt_testing
from tests import replica_testing
from tests import testing
from token_dropping.data.text import byte_tokenizer
from token_dropping.explain import __main__ as explain
from token_dropping.training import dry_run

NAME = gpt_testing.EXPERIMENT
KERNELS = {
  gpt_testing.GPT: "_attention_layer/_query_dense/kernel",
  gpt_testing.MODERNBERT: "attention/qkv_kernel",
}
DECODER = pytest.param(gpt_testing.MODERNBERT, marks=pytest.mark.slow)
FIELDS = {
  "vocab_size": 300,
  "dropout_rate": 0.1,
  "attention_dropout_rate": 0.1,
  **gpt_testing.IMPORTANCE,
}
SHORT = {
  "task": {
    "dropped_validation": True,
    "model": {"encoder": {"any": FIELDS}},
    "train_data": {"attend_within_documents": True},
    **gpt_testing.POSITIONS,
  },
  "trainer": {
    "best_checkpoint_export_subdir": "best",
    "best_checkpoint_eval_metric": "perplexity",
    "best_checkpoint_metric_comp": "lower",
  },
}


@pytest.fixture(scope="module", params=[gpt_testing.GPT, DECODER])
def folder(request, tmp_path_factory):
  """A folder with records, `tiny.yaml`, and a run of two steps, `whole`."""
  path = tmp_path_factory.mktemp("made") / request.param
  path.mkdir()
  fault_testing.write_records(path, testing.causal_features)
  (path / byte_tokenizer.FILE).write_bytes(causal_testing.model())
  files = [path / f"train-{index}" for index in range(3)]
  dataset_testing.write_counts(
    path,
    {file: len(range(index, 40, 3)) for index, file in enumerate(files)},
    objective="causal_lm",
    settings={"packing": "full"},
    validation={"records": 0, "bytes_per_token": 3.5},
  )
  fault_testing.write_tiny(path, SHORT, experiment=_experiment(path))
  with testing.eagerly():
    _launch(path, "whole")
  return path


def _launch(folder, run: str, mode="train_and_eval") -> None:
  experiment = _experiment(folder)
  fault_testing.launch(folder, folder / run, mode=mode, experiment=experiment)


def _experiment(folder) -> str:
  return f"{folder.name}/token_drop"


def test_a_run_that_goes_on_ends_with_the_same_bits(folder):
  """With dropout, losses at random positions, and thresholds."""
  testing.copy_as_it_was(folder / "whole", 1, folder / "cut")
  with testing.eagerly():
    _launch(folder, "cut", mode="train")
  fault_testing.assert_same(
    *(
      fault_testing.variables(folder / run / "ckpt-2")
      for run in ("cut", "whole")
    )
  )


@testing.eagerly()
def test_an_evaluation_says_what_text_costs(folder, capsys):
  _launch(folder, "whole", mode="eval")
  lines = capsys.readouterr().out.splitlines()
  (loss,) = (line for line in lines if line.startswith("  validation loss"))
  for words in ("next-token accuracy", "perplexity", "bits per byte"):
    assert words in loss
  assert loss.endswith("(whole sequences)")
  assert any(line.startswith("  dropped loss") for line in lines)


def test_a_run_holds_the_tokenizer_and_model_garden_names(folder):
  tokenizer = folder / "whole" / byte_tokenizer.FILE
  assert tokenizer.read_bytes() == causal_testing.model()
  names = fault_testing.variables(folder / "whole" / "ckpt-2")
  layer = f"encoder/_transformer_layers/1/{KERNELS[folder.name]}"
  assert f"{layer}/.ATTRIBUTES/VARIABLE_VALUE" in names
  name = "importance/selector/thresholds/.ATTRIBUTES/VARIABLE_VALUE"
  unknown, known, _ = names[name]  # drops in layer 1 of 3
  assert unknown == -1e9 and known > 5  # nats, hardly anything is learnt


@testing.eagerly()
def test_a_dry_run_says_what_a_step_costs(folder):
  """All is at the made-up records; the head is at half of the positions."""
  yaml = str(folder / "tiny.yaml")
  params = config_testing.parse(yaml, experiment=_experiment(folder))
  lines = dry_run.run_dry(params).splitlines()
  assert lines[2].split()[0] in ("GPT", "ModernBERT")
  assert lines[3].startswith("  token dropping")


@pytest.mark.parametrize(
  "text", [{}, {"text": "A quick\nfox, a fox."}], ids=["records", "text"]
)
def test_a_page_shows_what_is_dropped_and_the_loss_of_what_follows(
  folder, tmp_path, capsys, text
):
  page = tmp_path / "page.html"
  testing.run_command(
    explain, model_dir=folder / "whole", output=page, max_sequences=2, **text
  )
  out = capsys.readouterr().out
  (title,) = (line for line in out.splitlines() if "95% interval" in line)
  assert title.startswith("Next-token loss on whole sequences")
  assert "~" in out  # something is dropped
  html = page.read_text()
  assert "next-token loss" in html and "masked" not in html


def _train(name: str, replicas: int) -> list:
  changes = {
    "task": {"model": {"encoder": {"any": gpt_testing.IMPORTANCE}}},
    "trainer": {"optimizer_config": replica_testing.STEADY},
  }
  strategy = testing.mirrored(replicas)
  run = replica_testing.Run(strategy, changes, name=f"{name}/token_drop")
  scorer = run.model.encoder_network.importance_scorer
  # Far enough apart that no lot decides.
  scorer.table.assign(np.linspace(0.0, 49.0, testing.VOCAB_SIZE))
  scorer.selector.thresholds.assign([0.0, 20.5, 0.0])
  rows = [testing.causal_features(seed)["input_word_ids"] for seed in range(16)]
  losses = run.train({"input_word_ids": np.array(rows, np.int32)})
  return [*losses, *run.scores().values(), *run.model.get_weights()], scorer


@pytest.mark.parametrize("name", [gpt_testing.GPT, DECODER])
@testing.eagerly()
def test_two_replicas_train_as_one(name):
  """Thresholds too, but for what the lot moves them."""
  (one, single), (two, several) = (
    _train(name, replicas) for replicas in (1, 2)
  )
  replica_testing.assert_same(two, one, rtol=1e-5)
  replica_testing.assert_same([several.table], [single.table])
  thresholds = single.selector.thresholds.numpy()
  np.testing.assert_allclose(several.selector.thresholds, thresholds, atol=1e-3)
  assert abs(thresholds[1] - 20.5) > 0.01


@pytest.mark.parametrize(
  ("field", "value", "rule"),
  [
    ("vocab_file", "vocab.txt", "vocab_file must be unset: "),
    ("always_keep_cls", False, "always_keep_cls must be true: "),
  ],
)
def test_wrong_fields_are_one_line_with_their_path(field, value, rule):
  path = f"{config_testing.ENCODER}.{field}"
  found = config_testing.refused_changes({path: value}, NAME)
  assert found.startswith(f"{config_testing.ENCODER}.{rule}")


@pytest.mark.parametrize(
  ("field", "value"), [("type", "kept_ones"), ("ratio", 0.0), ("ratio", 1.5)]
)
def test_loss_positions_have_ranges(field, value):
  path = f"task.loss_positions.{field}"
  found = config_testing.refused_changes({path: value}, NAME)
  assert found.startswith(f"{path} must be ")


def test_the_best_checkpoint_is_by_what_is_evaluated():
  """Bits per byte are known only where `dataset.json` is."""
  path = "trainer.best_checkpoint_eval_metric"
  found = config_testing.refused_changes({path: "bits_per_byte"}, NAME)
  assert found.startswith(f"{path} must be one of ")
  config_testing.check({path: "perplexity"}, NAME)
