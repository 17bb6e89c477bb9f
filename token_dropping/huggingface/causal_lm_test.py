# SPDX-License-Identifier: Apache-2.0
"""Causal language models and their tokenizer, to `transformers` and back."""

import json
import os
import shutil

import numpy as np
import pytest
import tensorflow as tf
import torch
import transformers

from tests import causal_testing
from tests import huggingface_testing as hf
from tests import run_testing
from tests import testing
from token_dropping.data.text import byte_tokenizer
from token_dropping.huggingface import __main__ as command
from token_dropping.huggingface import importing
from token_dropping.training import trained_run

LENGTH = 96
NEW = 64  # tokens to generate
UNUSED = [0, *range(300, 310)]  # the tokenizer has 300 tokens
TEXTS = [" ".join(["the cat"] * count) + "é" for count in range(16)]
# Of runs, by name; the second of three layers is local.
_DECODER = {
  "network": "modernbert_decoder",
  "global_rope_theta": 300.0,
  "local_rope_theta": 50.0,
}
RUNS = {
  "gpt": {},
  "decoder": _DECODER | {"local_attention": 12},
  "long_window": _DECODER | {"local_attention": 4 * LENGTH},
}
CLASSES = {"gpt": "GPT2LMHeadModel", "decoder": "ModernBertDecoderForCausalLM"}
# Fields of another model of `transformers`.
OTHER = {
  "gpt": {"activation_function": "gelu", "n_inner": None, "n_layer": 2},
  "decoder": {"hidden_activation": "silu", "classifier_activation": "relu"},
}


both = pytest.mark.parametrize("made", CLASSES, indirect=True)


@pytest.fixture(scope="module", params=RUNS)
def made(request, tmp_path_factory):
  """A model, and its folders `run` and, of Hugging Face, `out`."""
  folder = tmp_path_factory.mktemp(request.param)
  fields = {"max_position_embeddings": LENGTH} | RUNS[request.param]
  model = run_testing.make_causal_run(
    folder / "run", causal_testing.model(), **fields
  )
  run_testing.make_random(model)
  run_testing.save_checkpoint(folder / "run", model)
  _convert("export", model_dir=folder / "run", output_dir=folder / "out")
  return model, folder


def _convert(name: str, **flags) -> None:
  arguments = [f"--{key}={value}" for key, value in flags.items()]
  testing.run_command(command, name, *arguments)


def _logits(model, ids) -> np.ndarray:
  """Returns those of Keras."""
  return model({"input_word_ids": tf.constant(ids, tf.int32)})["logits"].numpy()


def _assert_agree(model, theirs) -> None:
  """Compares logits of texts of different lengths, at their tokens."""
  rows = causal_testing.tokenizer().tokenize(tf.constant(TEXTS))
  there = np.arange(LENGTH) < rows.row_lengths()[:, tf.newaxis]
  ids = rows.to_tensor(shape=[None, LENGTH]).numpy()
  with torch.no_grad():
    wanted = theirs(
      torch.tensor(ids, dtype=torch.int64),
      attention_mask=torch.tensor(there.numpy(), dtype=torch.int64),
    ).logits.numpy()
  there = there.numpy()
  assert np.abs(wanted[there]).max() > 1
  np.testing.assert_allclose(
    _logits(model, ids)[there], wanted[there], atol=1e-4
  )


def test_logits_agree_and_no_tensor_is_left_over(made):
  model, folder = made
  theirs, info = transformers.AutoModelForCausalLM.from_pretrained(
    folder / "out", output_loading_info=True
  )
  assert type(theirs).__name__ in CLASSES.values()
  assert not info["missing_keys"] and not info["unexpected_keys"]
  _assert_agree(model, theirs.eval())


@both
def test_greedy_generation_is_that_of_whole_forward_passes(made):
  """Theirs with a cache and padding before the prompts, ours without.

  As no logit depends on what comes after, one pass over what they wrote has
  the logits of every step.
  """
  model, folder = made
  tokenizer = transformers.AutoTokenizer.from_pretrained(
    folder / "out", padding_side="left"
  )
  own = causal_testing.tokenizer().tokenize(tf.constant(TEXTS)).to_list()
  assert tokenizer(TEXTS)["input_ids"] == own
  theirs = transformers.AutoModelForCausalLM.from_pretrained(folder / "out")
  assert theirs.generation_config.eos_token_id == 1
  assert theirs.generation_config.suppress_tokens == UNUSED
  found = theirs.eval().generate(
    **tokenizer(TEXTS, padding=True, return_tensors="pt"),
    max_new_tokens=NEW,
    min_new_tokens=NEW,
    do_sample=False,
  )[:, -NEW:]
  rows = [
    [*start, *end] for start, end in zip(own, found.tolist(), strict=True)
  ]
  ids = tf.ragged.constant(rows).to_tensor(shape=[None, LENGTH])
  logits = _logits(model, ids)
  logits[..., byte_tokenizer.END_OF_TEXT_ID] = -np.inf  # as they were told
  logits[..., UNUSED] = -np.inf
  lengths = {len(start) for start in own}
  assert len(lengths) == len(TEXTS)
  for row, start, end in zip(logits, own, found.numpy(), strict=True):
    steps = slice(len(start) - 1, len(start) + NEW - 1)
    np.testing.assert_array_equal(np.argmax(row[steps], axis=-1), end)


@both
def test_there_and_back_is_the_same_bytes(made, tmp_path, capsys):
  model, folder = made
  out = folder / "out"
  back, again = tmp_path / "back", tmp_path / "again"
  _convert("import", input=out, output_dir=back)
  _convert("export", model_dir=back, output_dir=again)
  assert capsys.readouterr().out.splitlines() == [
    f"Imported {out} to {back}: 3 layers, hidden size 8, 300 tokens.",
    f"Exported step 0 of {back} to {again}: {_class_of(out)}, "
    f"{model.count_params():,} parameters.",
  ]
  assert sorted(os.listdir(again)) == [
    "README.md",
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
  ]
  for file in os.listdir(again):
    if file != "README.md":  # another run, at step 0
      assert (again / file).read_bytes() == (out / file).read_bytes(), file
  card = (again / "README.md").read_text()
  assert "AutoModelForCausalLM.from_pretrained(FOLDER)" in card


def _class_of(folder) -> str:
  """Returns the name of the class that `config.json` names."""
  (name,) = json.loads((folder / "config.json").read_text())["architectures"]
  return name


def _save(out, folder) -> transformers.PreTrainedModel:
  """Saves another model of `transformers` with the tokenizer of a folder."""
  shutil.copytree(out, folder)
  names = {name: kind for kind, name in CLASSES.items()}
  changes = OTHER[names[_class_of(out)]]
  theirs = transformers.AutoConfig.from_pretrained(out, **changes)
  model = transformers.AutoModelForCausalLM.from_config(theirs)
  generator = torch.Generator().manual_seed(1)
  with torch.no_grad():
    for weight in model.parameters():
      weight.normal_(0.0, 0.3, generator=generator)
  model.save_pretrained(folder)
  return model.eval()


@both
def test_training_goes_on_from_a_model_of_transformers(made, tmp_path):
  """With other activations, GPT-2 in a feed-forward of four times the width."""
  theirs = _save(made[1] / "out", tmp_path / "in")
  importing.import_folder(str(tmp_path / "in"), str(tmp_path / "back"))
  run = trained_run.TrainedRun.read(
    str(tmp_path / "back"), kinds=[trained_run.CAUSAL_LM]
  )
  is_gpt = run.encoder.network == "gpt"
  assert run.encoder.intermediate_size == (32 if is_gpt else 16)
  _assert_agree(run.build(), theirs)
  name = f"{run.encoder.network}/token_drop"
  _assert_agree(hf.begin(tmp_path / "back", name), theirs)


def _drop_model(folder):
  (folder / byte_tokenizer.FILE).unlink()


def _other_model(folder):
  content = causal_testing.model(290)
  (folder / byte_tokenizer.FILE).write_bytes(content)


@pytest.mark.parametrize("made", ["gpt"], indirect=True)
@pytest.mark.parametrize(
  ("edit", "message"),
  [
    (
      _drop_model,
      "--input must hold tokenizer.model, as an export does: other tokenizers "
      "split text in another way. "
      "Received: '{0}' without it",
    ),
    (
      _other_model,
      "{0}/tokenizer.json must be the tokenizer of the tokenizer.model beside "
      "it. Received: another",
    ),
  ],
)
def test_other_tokenizers_are_refused(made, tmp_path, edit, message):
  shutil.copytree(made[1] / "out", tmp_path / "in")
  edit(tmp_path / "in")
  folders = str(tmp_path / "in"), str(tmp_path / "back")
  refused = testing.refused(importing.import_folder, *folders)
  assert refused == message.format(folders[0])
  assert os.listdir(tmp_path) == ["in"]
