# SPDX-License-Identifier: Apache-2.0
"""From a run to a folder that `transformers` loads."""

import os

from token_dropping import errors
from token_dropping import plain_yaml
from token_dropping import tokenizer_config
from token_dropping import trained_run
from token_dropping.huggingface import bert_config
from token_dropping.huggingface import json_file
from token_dropping.huggingface import model_card
from token_dropping.huggingface import new_folder
from token_dropping.huggingface import run_models
from token_dropping.huggingface import tensor_file
from token_dropping.huggingface import tokenizer_files
from token_dropping.huggingface import validation_metrics
from token_dropping.huggingface import weights


def export_run(model_dir: str, output_dir: str, checkpoint: str) -> str:
  """Writes the folder.

  Args:
    model_dir: folder of the run.
    output_dir: local folder to make.
    checkpoint: `latest`, `best` or a step.

  Returns:
    What was written, in one line.

  Raises:
    UserError: no such run, a network that Hugging Face's BERT is not, or
      `output_dir` exists. Nothing is left half-written.
  """
  new_folder.check_new(output_dir)
  run = trained_run.TrainedRun.read(model_dir, checkpoint)
  config = _config(run)
  tokenizer = tokenizer_config.TokenizerConfig.from_folder(model_dir)
  tensors = weights.to_tensors(weights.of_model(run_models.build(run)))
  with new_folder.new_folder(output_dir) as folder:
    json_file.write(os.path.join(folder, "config.json"), config)
    tensor_file.write(folder, tensors)
    length = run.encoder.max_position_embeddings
    tokenizer_files.write(folder, run.vocabulary, tokenizer, length)
    with open(os.path.join(folder, "README.md"), "w", encoding="utf-8") as file:
      file.write(model_card.format_card(_facts(run)))
  parameters = sum(tensor.size for tensor in tensors.values())
  return (
    f"Exported step {run.step:,} of {model_dir} to {output_dir}: "
    f"{config['architectures'][0]}, {parameters:,} parameters."
  )


def _config(run: trained_run.TrainedRun) -> dict:
  """Returns the content of `config.json`; checks that there is one."""
  model = run.task["model"]
  head = model.get("mlm_activation", run.encoder.hidden_activation)
  if head != run.encoder.hidden_activation:
    raise errors.UserError(
      "task.model.mlm_activation must be hidden_activation "
      f"({run.encoder.hidden_activation!r}): Hugging Face's BERT has one for "
      f"both. Received: {head!r}"
    )
  fields = bert_config.to_json(
    run.encoder,
    run_models.ARCHITECTURES[run.kind],
    run.vocabulary.special_ids["[PAD]"],
  )
  if run.kind == trained_run.CLASSIFICATION:
    fields |= bert_config.label_fields(model["num_classes"])
  return fields


def _facts(run: trained_run.TrainedRun) -> model_card.Facts:
  params = plain_yaml.read_yaml(os.path.join(run.model_dir, "params.yaml"))
  return model_card.Facts(
    run,
    params.get("trainer") or {},
    validation_metrics.read(run.model_dir, run.step),
  )
