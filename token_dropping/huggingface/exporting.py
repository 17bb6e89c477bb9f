# SPDX-License-Identifier: Apache-2.0
"""From a run to a folder that `transformers` loads."""

import os

from token_dropping.common import errors
from token_dropping.common import files
from token_dropping.common import plain_yaml
from token_dropping.common import vocabulary
from token_dropping.huggingface import bert_config
from token_dropping.huggingface import model_card
from token_dropping.huggingface import tensor_file
from token_dropping.huggingface import tokenizer_files
from token_dropping.huggingface import weights
from token_dropping.training import summaries
from token_dropping.training import trained_run


def export_run(model_dir: str, output_dir: str, checkpoint: str) -> str:
  """Writes the folder of a checkpoint, `latest`, `best` or a step; says what.

  Raises `UserError` for a network that Hugging Face's BERT is not, or an
  existing folder; nothing is left half-written.
  """
  files.check_new(output_dir)
  run = trained_run.TrainedRun.read(model_dir, checkpoint)
  config = _config(run)
  tensors = weights.to_tensors(weights.of_model(run.build()))
  with files.new_folder(output_dir) as folder:
    path = os.path.join(folder, "config.json")
    files.write_json(path, config, ensure_ascii=False)
    tensor_file.write(folder, tensors)
    length = run.encoder.max_position_embeddings
    tokenizer_files.write(folder, run.vocabulary, run.tokenizer_config, length)
    files.write(os.path.join(folder, "README.md"), _card(run))
  parameters = sum(tensor.size for tensor in tensors.values())
  return (
    f"Exported step {run.step:,} of {model_dir} to {output_dir}: "
    f"{config['architectures'][0]}, {parameters:,} parameters."
  )


def _config(run: trained_run.TrainedRun) -> dict:
  """Returns the content of `config.json`; checks that there is one."""
  model = run.task["model"]
  activation = run.encoder.hidden_activation
  of_head = model.get("mlm_activation", activation)
  errors.require(
    of_head == activation,
    "task.model.mlm_activation must be hidden_activation "
    f"({activation!r}): Hugging Face's BERT has one for both",
    repr(of_head),
  )
  architecture = model_card.ARCHITECTURES[run.kind]
  pad_id = run.vocabulary.id(vocabulary.PAD)
  fields = bert_config.to_json(run.encoder, architecture, pad_id)
  if run.kind == trained_run.CLASSIFICATION:
    count = model["num_classes"]
    made_up = [f"LABEL_{index}" for index in range(count)]
    fields |= bert_config.label_fields(run.label_names(count) or made_up)
  return fields


def _card(run: trained_run.TrainedRun) -> str:
  params = plain_yaml.read_yaml(os.path.join(run.model_dir, "params.yaml"))
  trainer = params.get("trainer") or {}
  curves = summaries.read_scalars(os.path.join(run.model_dir, "validation"))
  metrics = {k: v[run.step] for k, v in curves.items() if run.step in v}
  return model_card.format_card(run, trainer, metrics)
