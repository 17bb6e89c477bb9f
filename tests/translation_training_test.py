# SPDX-License-Identifier: Apache-2.0
"""Translation through the launcher: trained, resumed, evaluated, refused."""

import functools
import shutil

import numpy as np
import pytest
import tensorflow as tf

from tests import config_testing
from tests import fault_testing
from tests import pair_testing
from tests import replica_testing
from tests import run_testing
from tests import testing
from tests import translation_testing
from token_dropping.data.batches import pair_data
from token_dropping.data.text import subword_tokenizer
from token_dropping.explain import __main__ as explain
from token_dropping.models.transformer import network as network_lib
from token_dropping.training import dry_run
from token_dropping.training import step_random

NAME = translation_testing.EXPERIMENT
DROPS = translation_testing.DROPS
SHORT = translation_testing.SHORT | {
  "trainer": {
    "best_checkpoint_export_subdir": "best",
    "best_checkpoint_eval_metric": "chrf",
  }
}


@pytest.fixture(scope="module", autouse=True)
def _short_translations():
  """Ends beam search soon: eagerly each of its steps takes long."""
  make = functools.partial(network_lib.make, extra_decode_length=2)
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(network_lib, "make", make)
    yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
  """A folder with records, `tiny.yaml`, and a run of two steps, `whole`."""
  path = tmp_path_factory.mktemp("translation")
  fault_testing.write_records(path, pair_testing.random_features)
  translation_testing.write_texts(path)
  fault_testing.write_tiny(path, SHORT, experiment=NAME)
  with testing.eagerly():
    _launch(path, "whole")
  return path


def _launch(folder, run: str, mode="train_and_eval", **values) -> None:
  fault_testing.launch(
    folder, folder / run, mode=mode, experiment=NAME, **values
  )


def test_a_run_that_goes_on_ends_with_the_same_bits(folder):
  """With dropout, importance of both sides, and thresholds."""
  testing.copy_as_it_was(folder / "whole", 1, folder / "cut")
  with testing.eagerly():
    _launch(folder, "cut", mode="train")
  found, wanted = (
    fault_testing.variables(folder / run / "ckpt-2") for run in ("cut", "whole")
  )
  fault_testing.assert_same(found, wanted)
  for name in ("importance", "target_importance"):
    assert f"{name}/table/.ATTRIBUTES/VARIABLE_VALUE" in wanted


def test_wrong_texts_are_refused_before_there_is_a_run(tmp_path):
  fault_testing.write_records(tmp_path, pair_testing.random_features)
  translation_testing.write_texts(tmp_path)
  (tmp_path / pair_data.TEXTS[0]).write_text("")
  fault_testing.write_tiny(tmp_path, SHORT, experiment=NAME)
  assert "\n" not in testing.refused(_launch, tmp_path, "run")
  assert not (tmp_path / "run").exists()


def test_each_side_has_lots_and_dropout_of_its_own():
  network = translation_testing.make_network(decoder_drop={})
  places = 2 + 4 * 4 + 3 * 6  # embeddings; layers of the encoder, the decoder
  step = tf.Variable(3, dtype=tf.int64)
  assert step_random.follow_step(network, step, seed=1) == places
  sides = network.encoder_layer, network.decoder_layer
  lots = [side.importance_scorer.seeds.uniform([9], -1) for side in sides]
  assert (lots[0] != lots[1]).numpy().all()


@testing.eagerly()
def test_another_run_goes_on_with_other_choices(folder):
  """Importance of other types begins anew, on both sides."""
  override = f"trainer.continue_from={folder / 'whole' / 'ckpt-1'}"
  for path in ("", ".decoder_drop"):
    override += f",{config_testing.ENCODER}{path}.importance.type=random"
  _launch(folder, "other", mode="train", params_override=override)
  assert (folder / "other" / "ckpt-2.index").exists()


@testing.eagerly()
def test_an_evaluation_and_a_run_say_what_was_seen(folder, capsys):
  _launch(folder, "whole", mode="eval")
  lines = capsys.readouterr().out.splitlines()
  (loss,) = (line for line in lines if line.startswith("  validation loss"))
  for words in ("token accuracy", "perplexity", "smoothed loss"):
    assert words in loss
  assert loss.endswith("(whole sequences)")
  assert any(line.startswith("  dropped loss") for line in lines)
  (bleu,) = (line for line in lines if line.startswith("  BLEU"))
  assert "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:" in bleu
  (chrf,) = (line for line in lines if line.startswith("  chrF"))
  assert "nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|version:" in chrf
  tokenizer = translation_testing.tokenizer()
  ranked = " ".join(line for line in lines if " important " in line).split()
  assert {*ranked} & {*tokenizer.names}  # pieces, not ids
  model = folder / "whole" / subword_tokenizer.FILE
  assert model.read_bytes() == tokenizer.model
  curves = fault_testing.curves(folder / "whole" / "train")
  assert {"kept_share", "target_kept_share", "padding_share"} <= curves.keys()


@testing.eagerly()
def test_a_page_shows_which_tokens_of_sources_are_dropped(
  folder, tmp_path, capsys
):
  """Of records, what `kept_share` and `padding_share` count; and of lines."""
  run = shutil.copytree(folder / "whole", tmp_path / "run")
  flags = {"model_dir": run, "output": tmp_path / "page.html"}
  message = testing.refused(testing.run_command, explain, **flags)
  assert "validation_data must have records of the run's vocabulary" in message
  records = [
    pair_testing.packed([([5, 6, 7], [8]), ([9] * count, [10])])
    for count in (5, 9)
  ]
  path = testing.write_records(tmp_path / "records", records)
  run_testing.edit(run, "task", "validation_data", "input_path", value=path)
  testing.run_command(explain, **flags)
  out = " ".join(capsys.readouterr().out.split())
  # 8 of 10 and 8 of 14 tokens stay, of 32 positions.
  assert "kept here 66.7% of the tokens; 25.0% of the positions are pad" in out
  assert "Importance over training, even shares" in out
  testing.run_command(explain, **flags, text="der hund\n\neine katze")
  out = capsys.readouterr().out
  (line,) = (line for line in out.splitlines() if line.count("</s>") == 2)
  assert "~" in line
  assert line.replace("~", "") == "der hund </s> eine katze </s>"
  html = flags["output"].read_text()
  assert "even shares" in html and " loss</" not in html and "nats" not in html


@testing.eagerly()
def test_a_dry_run_says_what_a_step_costs(folder):
  yaml = str(folder / "tiny.yaml")
  params = config_testing.parse(yaml, experiment=NAME)
  lines = dry_run.run_dry(params).splitlines()
  assert lines[2].split()[:1] == ["Transformer"]
  assert lines[3].startswith("  token dropping")


def _train(replicas: int) -> list:
  changes = {
    "task": {"model": {"encoder": {"any": DROPS}}},
    "trainer": {"optimizer_config": {"optimizer": {"adam": {"epsilon": 1e-3}}}},
  }
  run = replica_testing.Run(testing.mirrored(replicas), changes, name=NAME)
  source, target = run.task._scorers(run.model)
  for scorer in (source, target):  # far enough apart that no lot decides
    scorer.table.assign(np.linspace(0.0, 49.0, testing.VOCAB_SIZE))
  target.selector.thresholds.assign([20.5, 0.0, 0.0])
  losses = run.train(translation_testing.records(16))
  tables = [source.table.numpy(), target.table.numpy()]
  return [*losses, *run.scores().values(), *tables, *run.model.get_weights()]


@pytest.mark.slow  # slices add up in `task_test`, replicas with GPT-2
@testing.eagerly()
def test_two_replicas_train_as_one():
  replica_testing.assert_same(_train(2), _train(1), rtol=1e-5)


ANY = config_testing.ENCODER


@pytest.mark.parametrize(
  ("path", "value", "rule"),
  [
    (f"{ANY}.drop.type", "pool", f"{ANY}.drop.type must be skip, context or "),
    (f"{ANY}.vocab_file", "vocab.txt", f"{ANY}.vocab_file must be unset: "),
    (
      f"{ANY}.drop_at_inference",
      True,
      f"{ANY}.drop_at_inference must be false: ",
    ),
    (
      f"{ANY}.decoder_drop.token_keep_k",
      13,
      f"{ANY}.decoder_drop: token_keep_k must be ",
    ),
    (
      f"{ANY}.decoder_drop.importance.type",
      "unmasked",
      f"{ANY}.decoder_drop: importance.type must be one of ",
    ),
    (
      f"{ANY}.importance.type",
      "next_token_loss",
      f"{ANY}: importance.type must be one of cross_attention, frequency, ",
    ),
    ("task.label_smoothing", 1.0, "task.label_smoothing must be in [0, 1)"),
  ],
)
def test_wrong_fields_are_one_line_with_their_path(path, value, rule):
  changes = {path: value}
  if path.endswith("token_keep_k"):
    changes[f"{ANY}.decoder_drop.token_keep_ratio"] = None
  assert config_testing.refused_changes(changes, NAME).startswith(rule)


def test_the_best_checkpoint_is_by_what_is_evaluated():
  path = "trainer.best_checkpoint_eval_metric"
  found = config_testing.refused_changes({path: "bits_per_byte"}, NAME)
  assert found.startswith(f"{path} must be one of ")
