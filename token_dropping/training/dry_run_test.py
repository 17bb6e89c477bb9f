# SPDX-License-Identifier: Apache-2.0
"""Tests of `--dry_run`, through the launcher."""

import os

import yaml

from tests import config_testing
from tests import drops_testing
from tests import testing
from token_dropping.dropping import keep_schedule
from token_dropping.models import multiply_adds
from token_dropping.tasks import experiments

SHAPE = multiply_adds.BertShape(
  num_layers=3,
  hidden_size=8,
  intermediate_size=16,
  vocab_size=testing.VOCAB_SIZE,
  seq_length=testing.SEQ_LENGTH,
  predictions=testing.PREDICTIONS,
)


def test_reports_loss_parameters_cost_and_memory(tmp_path, capsys):
  head = {"inner_dim": 8, "num_classes": 2, "name": "next_sentence"}
  label = {"use_next_sentence_label": True}
  task = {
    "model": {"cls_heads": [head]},
    "train_data": label | {"masking": "dynamic"},
    "validation_data": label,
  }
  more = {"task": task, "runtime": {"enable_xla": True}}
  path = tmp_path / "tiny.yaml"
  path.write_text(yaml.safe_dump(testing.merged(testing.TINY, more)))
  testing.launch(experiment="bert/token_drop", config_file=path, dry_run=True)
  first, *lines = capsys.readouterr().out.splitlines()
  assert first == "attention: plain, since runtime.num_gpus is 0"
  assert lines[0].startswith("Dry run: one step on 1 replica(s), loss ")
  # Embeddings 50*8 + 16*8 + 2*8 and their norm 16; a layer 4*(8*8+8) + 8*16+16
  # + 16*8+8 + 2*16 = 600, of which three; pooler 72; head 72 + 16 + 50; that of
  # the sentences 72 + 18.
  parameters = 560 + 3 * 600 + 72 + 138 + 90
  assert lines[1].split() == ["parameters", f"{parameters:,}"]
  assert "BERT" in lines[2] and "token dropping" in lines[3]
  dropped = multiply_adds.token_drop_macs(SHAPE, drops_testing.make_plan(3))
  share = dropped / multiply_adds.dense_macs(SHAPE)
  assert lines[3].endswith(f", {share:.3f} of BERT")
  peak = float(lines[4].split()[2])
  assert 0.1 < peak < 24
  loss = float(lines[0].rsplit(" ", 1)[1].rstrip("."))
  # Near a uniform guess, log 50 + log 2; the pooler says something already.
  assert 3.6 < loss < 6.5
  assert os.listdir(tmp_path) == ["tiny.yaml"]  # nothing is written


def test_cost_is_the_mean_over_the_kinds_of_steps():
  changes = {"task.semantic_consistency.interval": 2, "trainer.train_steps": 5}
  params = config_testing.changed(changes)
  half = drops_testing.make_plan(3)
  dropped, full = (
    multiply_adds.token_drop_macs(SHAPE, plan)
    for plan in (half, keep_schedule.full_plan(half))
  )
  # Two of five steps have a full pass too.
  mean = experiments.hooks_of(params).mean_macs(SHAPE)
  assert abs(mean / (dropped + 2 / 5 * full) - 1) < 1e-6
