# SPDX-License-Identifier: Apache-2.0
"""A translation and its tokenizer, from a run to `transformers` and back."""

import json
import shutil

import numpy as np
import pytest
import tensorflow as tf
import torch
import transformers

from tests import huggingface_testing as hf
from tests import testing
from tests import translation_testing
from token_dropping.huggingface import __main__ as command
from token_dropping.huggingface import importing
from token_dropping.huggingface import pegasus
from token_dropping.models.transformer import config as config_lib
from token_dropping.training import trained_run

_WORDS = ("ein", "alter", "hund", "eine", "katze", "und", "der", "x", "é")
TEXTS = [
  " ".join(np.random.default_rng(row).choice(_WORDS, 1 + row % 7))
  for row in range(100)
]
CONFIG = config_lib.TransformerConfig(  # unlike the defaults
  vocab_size=50,
  hidden_size=8,
  num_layers=3,
  num_decoder_layers=2,
  num_attention_heads=2,
  intermediate_size=12,
  norm_epsilon=1e-5,
  dropout_rate=0.2,
  attention_dropout_rate=0.3,
  intermediate_dropout_rate=0.4,
)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
  """A model, and its folders `run` and, of Hugging Face, `out`."""
  folder = tmp_path_factory.mktemp("pegasus")
  model = translation_testing.make_run(folder / "run")
  _convert("export", model_dir=folder / "run", output_dir=folder / "out")
  return model, folder


def _convert(name: str, **flags) -> None:
  arguments = [f"--{key}={value}" for key, value in flags.items()]
  testing.run_command(command, name, *arguments)


def _load(folder) -> transformers.PegasusForConditionalGeneration:
  kind = transformers.AutoModelForSeq2SeqLM
  theirs, info = kind.from_pretrained(folder, output_loading_info=True)
  assert type(theirs) is transformers.PegasusForConditionalGeneration
  assert not info["missing_keys"] and not info["unexpected_keys"]
  return theirs.eval()


def _assert_agree(model, theirs) -> None:
  """Compares logits of sentences of different lengths, at real tokens."""
  rng = np.random.default_rng(4)
  sources, targets = rng.integers(3, 50, [3, 12]), rng.integers(3, 50, [3, 9])
  sources[1, 8:], targets[0, 6:] = 0, 0
  batch = {"inputs": sources, "targets": targets}
  found = model({n: tf.constant(v, tf.int32) for n, v in batch.items()}).numpy()
  starts = np.zeros([3, 1], int)
  read = np.concatenate([starts, targets[:, :-1]], axis=1)
  with torch.no_grad():
    wanted = theirs(
      input_ids=torch.tensor(sources),
      attention_mask=torch.tensor((sources > 0).astype(int)),
      decoder_input_ids=torch.tensor(read),
    ).logits.numpy()
  real = targets > 0
  assert np.abs(wanted[real]).max() > 1
  np.testing.assert_allclose(found[real], wanted[real], atol=1e-4)


def test_logits_agree_and_no_tensor_is_left_over(made):
  """Also with norms that add 1e-6, Model Garden's."""
  model, folder = made
  _assert_agree(model, _load(folder / "out"))


def test_greedy_translations_are_equal_after_saving_and_loading(made, tmp_path):
  """As long as ours, of a hundred sentences."""
  _, folder = made
  _load(folder / "out").save_pretrained(tmp_path)
  tokenizer = transformers.AutoTokenizer.from_pretrained(folder / "out")
  tokenizer.save_pretrained(tmp_path)
  tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
  own = translation_testing.tokenizer().tokenize(TEXTS)
  read = tokenizer(TEXTS, padding=True, return_tensors="pt")
  read.pop("token_type_ids", None)
  np.testing.assert_array_equal(read["input_ids"], own.to_tensor())
  theirs = _load(tmp_path)
  ours = trained_run.TrainedRun.read(
    str(folder / "run"), kinds=[trained_run.TRANSLATION]
  ).build_translation(beam_size=1, extra_decode_length=8)
  search = tf.function(lambda ids: ours({"inputs": ids})["outputs"])
  wanted = search(own.to_tensor()).numpy()
  count = wanted.shape[1]
  found = theirs.generate(
    **read, num_beams=1, max_new_tokens=count, suppress_tokens=None
  ).numpy()[:, 1:]
  found = np.pad(found, [[0, 0], [0, count - found.shape[1]]])
  np.testing.assert_array_equal(found, wanted)


def test_what_would_change_output_is_written(made):
  _, folder = made
  content = json.loads((folder / "out/generation_config.json").read_text())
  count = len(translation_testing.tokenizer())
  assert content == {
    "pad_token_id": 0,
    "bos_token_id": None,
    "eos_token_id": 1,
    "decoder_start_token_id": 0,
    "forced_eos_token_id": None,
    "num_beams": 4,
    "length_penalty": 0.6,
    "early_stopping": False,
    "do_sample": False,
    "max_length": testing.SEQ_LENGTH + 50,
    "suppress_tokens": [*range(count, testing.VOCAB_SIZE)],
  }


def test_training_goes_on_from_what_was_exported(made, tmp_path):
  model, folder = made
  back = tmp_path / "back"
  _convert("import", input=folder / "out", output_dir=back)
  run = trained_run.TrainedRun.read(str(back), kinds=[trained_run.TRANSLATION])
  assert run.tokenizer.model == translation_testing.tokenizer().model
  begun = hf.begin(back, translation_testing.EXPERIMENT)
  for one, other in zip(begun.weights, model.weights, strict=True):
    np.testing.assert_array_equal(one, other)


def _there(**changes) -> dict:
  made = pegasus.Pegasus().to_json(CONFIG, "ForConditionalGeneration", None)
  return made | changes


def _back(content, source="config.json"):
  return pegasus.Pegasus().from_json(content, source)


def test_config_there_and_back():
  content = _there()
  assert _back(content) == CONFIG
  theirs = transformers.PegasusConfig.from_dict(content).to_dict()
  ids = [theirs[f"{name}_token_id"] for name in ("pad", "eos", "decoder_start")]
  assert ids == [0, 1, 0]
  assert theirs["decoder_layers"] == 2 and theirs["forced_eos_token_id"] is None


def test_norms_that_add_more_are_refused():
  refused = testing.refused(
    pegasus.Pegasus.of_config, CONFIG.replace(norm_epsilon=1e-3), None
  )
  rule = "norm_epsilon must be at most 1e-05 to be exported"
  assert refused == f"{rule}. Received: 0.001"


@pytest.mark.parametrize(
  ("name", "value", "rule"),
  [
    ("scale_embedding", False, "True"),
    ("activation_function", "gelu", "relu"),
    ("decoder_ffn_dim", 9, "that of the encoder, 12"),
    ("max_position_embeddings", 512, "1024"),
  ],
)
def test_what_our_network_cannot_be(name, value, rule):
  refused = testing.refused(_back, _there(**{name: value}), "a/config.json")
  message = f"{name} in a/config.json must be {rule}. Received: {value!r}"
  assert refused == message


def test_weights_that_ours_has_not_are_refused(made, tmp_path):
  """A bias of attention, for one."""
  _, folder = made
  shutil.copytree(folder / "out", tmp_path / "in")
  theirs = _load(tmp_path / "in")
  name = "model.encoder.layers.0.self_attn.q_proj.bias"
  with torch.no_grad():
    theirs.get_parameter(name)[0] = 1.0
  theirs.save_pretrained(tmp_path / "in")
  folders = str(tmp_path / "in"), str(tmp_path / "back")
  refused = testing.refused(importing.import_folder, *folders)
  rule = f"{name} must be what a Transformer computes with, which learns none"
  assert refused == f"{rule}. Received: others in '{folders[0]}'"
