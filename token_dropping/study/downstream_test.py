# SPDX-License-Identifier: Apache-2.0
"""Tests of the fine-tuning after each run: refusals and commands."""

import pytest

from token_dropping import errors
from token_dropping.study import downstream
from token_dropping.study import plan as plans
from token_dropping.study import runs
from token_dropping.study import study_testing

DATA = {
  "task": "classification",
  "train_file": "train.tsv",
  "validation_file": "validation.tsv",
}


@pytest.mark.parametrize(
  ("part", "message"),
  [
    (
      plans.Downstream(DATA, experiment="bert/token_drop"),
      "downstream.experiment must be one of bert/token_drop_glue, "
      "bert/token_drop_squad. Received: 'bert/token_drop'",
    ),
    (
      plans.Downstream(DATA, overrides={"task": {"epoch": 1.0}}),
      "downstream.overrides must use keys of the experiment; the nearest is "
      "task.epochs. Received: task.epoch=1.0",
    ),
    (
      plans.Downstream({**DATA, "seq_length": 0}),
      "downstream.data: seq_length must be at least",
    ),
  ],
)
def test_wrong_parts(part, message):
  with pytest.raises(errors.UserError) as caught:
    downstream.check(part)
  assert str(caught.value).startswith(message)


def test_commands(tmp_path):
  path = study_testing.write_plan(tmp_path)
  run, _ = runs.expand(plans.read(path), study_testing.folders(tmp_path))
  part = plans.Downstream(DATA, config_files=("some.yaml",))
  downstream.check(part)
  prepare, train = downstream.commands(part, run, "files")
  assert prepare[2] == "token_dropping.data.finetune"
  assert set(prepare[3:]) == {
    "--task=classification",
    "--train_file=files/train.tsv",
    "--validation_file=files/validation.tsv",
    f"--pretrained={run.model_dir}",
    f"--output_dir={run.folder}/downstream/data",
  }
  assert train[2:6] == (
    "token_dropping.train",
    "--experiment=bert/token_drop_glue",
    f"--pretrained={run.model_dir}",
    "--config_file=some.yaml",
  )
  assert '"seed": 1' in train[6]
  assert train[7] == f"--model_dir={run.folder}/downstream/model"


def test_a_score_knows_its_settings_not_their_files(tmp_path):
  (tmp_path / "a.yaml").write_text("task: {epochs: 2.0}")
  part = plans.Downstream(DATA, config_files=(str(tmp_path / "a.yaml"),))
  found = downstream.identity(part)
  assert found["config_files"] == [{"task": {"epochs": 2.0}}]
  assert found["data"] == DATA
