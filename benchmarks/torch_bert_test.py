# SPDX-License-Identifier: Apache-2.0
"""Tests of BERT in PyTorch: Hugging Face's numbers, and the command."""

import json
import os
import pathlib
import subprocess
import sys

import pytest
import torch
import transformers

from benchmarks import torch_bert

CASE = torch_bert.Case(16, 2, 200, 16, 2, "float32", 0.0, None, False)
SMALL = ("--width=16", "--layers=2", "--vocab=200", "--no-compile")


@pytest.mark.parametrize("head_everywhere", [False, True])
def test_the_loss_is_hugging_faces(head_everywhere):
  theirs = transformers.BertForMaskedLM(
    transformers.BertConfig(
      vocab_size=CASE.vocab_size,
      hidden_size=CASE.width,
      num_hidden_layers=CASE.num_layers,
      num_attention_heads=CASE.heads,
      intermediate_size=4 * CASE.width,
      max_position_embeddings=CASE.seq_length,
      hidden_act="gelu_new",
      hidden_dropout_prob=0.0,
      attention_probs_dropout_prob=0.0,
    )
  )
  with torch.no_grad():  # no bias is 0, nor any scale 1
    for parameter in theirs.parameters():
      parameter.add_(0.1 * torch.randn_like(parameter))
  batch = {name: torch.tensor(x) for name, x in CASE.batch().items()}
  labels = torch.full_like(batch["input_word_ids"], -100)
  labels.scatter_(1, batch["masked_lm_positions"], batch["masked_lm_ids"])
  wanted = theirs(
    batch["input_word_ids"],
    token_type_ids=batch["input_type_ids"],
    labels=labels,
  )
  step = torch_bert.Step(CASE, head_everywhere, compiled=False)
  step.load({name: x.numpy() for name, x in theirs.state_dict().items()})
  assert step() == pytest.approx(wanted.loss.item(), rel=1e-5)


def test_the_file_runs_alone(tmp_path):
  path = tmp_path / "torch_bert.py"
  path.write_text(pathlib.Path(torch_bert.__file__).read_text("utf-8"))
  command = [sys.executable, "-P", path.name, *SMALL, "--rounds=2"]
  command += ["--seq", "16", "32", "--batch", "2", "1", "--dropout=0"]
  command += ["--head", "predicted", "everywhere", "--dtype=float32"]
  done = subprocess.run(
    command, cwd=tmp_path, env=os.environ, capture_output=True, text=True
  )
  assert done.returncode == 0, done.stderr
  result = json.loads(done.stdout.splitlines()[-1])
  assert result["arguments"]["seq"] == [16, 32]
  assert list(result["steps"]) == [
    "S=16 B=2 head=predicted",
    "S=16 B=2 head=everywhere",
    "S=32 B=1 head=predicted",
    "S=32 B=1 head=everywhere",
  ]
  for step in result["steps"].values():
    rate = 32 / step["seconds"]
    assert step["tokens_per_s"] == pytest.approx(rate) and rate > 0


@pytest.mark.parametrize(
  ("arguments", "message"),
  [
    (
      "--seq 8 16 --batch 1 2 3",
      "--batch must be one, or one for each of --seq. Received: [1, 2, 3] for "
      "[8, 16]",
    ),
    ("--width 100", "--width must be a multiple of 64, or smaller. Received: "),
    ("--rounds 0", "--rounds: must be a whole number above 0. Received: 0"),
    ("--dropout 1", "--dropout: must be in [0, 1). Received: 1"),
  ],
)
def test_wrong_arguments_are_refused(arguments, message, capsys):
  with pytest.raises(SystemExit):
    torch_bert.main(arguments.split())
  assert message in capsys.readouterr().err
