# SPDX-License-Identifier: Apache-2.0
"""From a run to a folder that `transformers` loads."""

import os

from token_dropping.common import errors
from token_dropping.common import files
from token_dropping.common import plain_yaml
from token_dropping.huggingface import byte_tokenizer_files
from token_dropping.huggingface import config_fields
from token_dropping.huggingface import model_card
from token_dropping.huggingface import network as network_lib
from token_dropping.huggingface import networks
from token_dropping.huggingface import subword_tokenizer_files
from token_dropping.huggingface import tensor_file
from token_dropping.huggingface import tokenizer_files
from token_dropping.huggingface import weights
from token_dropping.training import summaries
from token_dropping.training import trained_run

_EXTRA = 50  # of Model Garden's beam search: tokens beyond the source's


def export_run(model_dir: str, output_dir: str, checkpoint: str) -> str:
  """Writes the folder of a checkpoint, `latest`, `best` or a step; says what.

  Raises `UserError` for a network that Hugging Face does not have, or an
  existing folder; nothing is left half-written.
  """
  files.check_new(output_dir)
  run = trained_run.TrainedRun.read(
    model_dir, checkpoint, kinds=trained_run.KINDS
  )
  network = networks.of_config(run.encoder, run.vocabulary)
  config = _config(run, network)
  tensors = weights.to_tensors(network.of_model(run.build()))
  with files.new_folder(output_dir) as folder:
    path = os.path.join(folder, "config.json")
    files.write_json(path, config, ensure_ascii=False)
    tensor_file.write(folder, tensors, network)
    _write_tokenizer(folder, run, network)
    files.write(os.path.join(folder, "README.md"), _card(run, network))
  parameters = sum(tensor.size for tensor in tensors.values())
  return (
    f"Exported step {run.step:,} of {model_dir} to {output_dir}: "
    f"{config['architectures'][0]}, {parameters:,} parameters."
  )


def _config(run: trained_run.TrainedRun, network: network_lib.Network) -> dict:
  """Returns the content of `config.json`; checks that there is one."""
  model = run.task["model"]
  if "mlm_activation" in model:
    wanted = network.activation_of_head(run.encoder.hidden_activation)
    of_head = model["mlm_activation"]
    errors.require(
      of_head == wanted,
      f"task.model.mlm_activation must be {wanted!r}, as in the masked-LM head "
      f"of Hugging Face's {network.model_type}",
      repr(of_head),
    )
  head = model_card.HEADS[run.kind]
  fields = network.to_json(run.encoder, head, run.vocabulary)
  if run.kind == trained_run.CLASSIFICATION:
    count = model["num_classes"]
    made_up = [f"LABEL_{index}" for index in range(count)]
    fields |= config_fields.label_fields(run.label_names(count) or made_up)
  return fields


def _write_tokenizer(
  folder: str, run: trained_run.TrainedRun, network: network_lib.Network
) -> None:
  """Writes its files and, where text is generated, with which ids it ends."""
  length = _longest(run, network)
  fields = {"model_max_length": length} | network.tokenizer_fields
  words, own = run.vocabulary, {}
  if run.kind == trained_run.CAUSAL_LM:
    byte_tokenizer_files.write(folder, run.tokenizer, fields)
    unused = run.tokenizer.unused_ids(run.encoder.vocab_size)
    own = {"suppress_tokens": unused}
  elif run.kind == trained_run.TRANSLATION:
    subword_tokenizer_files.write(folder, run.tokenizer, fields)
    own = _decoding(run, network)
  else:
    tokenizer_files.write(folder, words, run.tokenizer.config, fields)
  if own:
    path = os.path.join(folder, "generation_config.json")
    content = network.token_ids(words) | own
    files.write_json(path, content, ensure_ascii=False)


def _longest(run: trained_run.TrainedRun, network: network_lib.Network) -> int:
  """Returns how many tokens a text may have: of a translation, as trained."""
  most = network.positions(run.encoder)
  if run.kind != trained_run.TRANSLATION:
    return most
  return min(run.task["train_data"]["seq_length"], most)


def _decoding(
  run: trained_run.TrainedRun, network: network_lib.Network
) -> dict:
  """Returns how translations are found, after Model Garden's beam search.

  By the defaults of `transformers` they would be others, and shorter.
  """
  most = network.positions(run.encoder)
  unused = [*range(len(run.tokenizer), run.encoder.vocab_size)]
  more = {"suppress_tokens": unused} if unused else {}
  return more | {
    "num_beams": 4,
    "length_penalty": 0.6,
    "early_stopping": False,
    "do_sample": False,
    "max_length": min(_longest(run, network) + _EXTRA, most),
  }


def _card(run: trained_run.TrainedRun, network: network_lib.Network) -> str:
  params = plain_yaml.read_yaml(os.path.join(run.model_dir, "params.yaml"))
  trainer = params.get("trainer") or {}
  curves = summaries.read_scalars(os.path.join(run.model_dir, "validation"))
  metrics = {k: v[run.step] for k, v in curves.items() if run.step in v}
  return model_card.format_card(run, network, trainer, metrics)
