# SPDX-License-Identifier: Apache-2.0
"""`README.md` of an exported model: what it is, how it was trained."""

from token_dropping.dropping import drop_plan
from token_dropping.dropping.drops import drop_types
from token_dropping.models import encoder_config
from token_dropping.training import trained_run

_TASKS = {
  # Kind: pipeline of the hub, class to load, what it is.
  trained_run.MASKED_LM: ("fill-mask", "AutoModelForMaskedLM", "a masked LM"),
  trained_run.CLASSIFICATION: (
    "text-classification",
    "AutoModelForSequenceClassification",
    "a classifier of texts",
  ),
  trained_run.SPAN: (
    "question-answering",
    "AutoModelForQuestionAnswering",
    "a model that finds answers in a text",
  ),
}


def format_card(
  run: trained_run.TrainedRun, trainer: dict, metrics: dict[str, float]
) -> str:
  """Returns the card in Markdown; `trainer` is the part of `params.yaml`."""
  pipeline, loader, what = _TASKS[run.kind]
  parts = [
    f"---\nlibrary_name: transformers\npipeline_tag: {pipeline}\n"
    "tags:\n- bert\n- token-dropping\n---",
    f"# BERT, {what}",
    _introduction(run),
    _usage(loader),
    "## Network\n\n" + _table(_network(run)),
    "## Training\n\n" + _table(_training(run, trainer)),
  ]
  if metrics:
    rows = [(f"`{k}`", f"{v:.4f}") for k, v in sorted(metrics.items())]
    step = f"## Validation at step {run.step:,}\n\n"
    parts.append(step + _table(rows))
  return "\n\n".join(parts) + "\n"


def _introduction(run: trained_run.TrainedRun) -> str:
  text = "An ordinary BERT: `transformers` loads it without other code."
  plan = _plan(run)
  if plan is None:
    return text
  about = drop_types.get(plan.drop_type).about
  return (
    f"{text}\nIt was trained with token dropping: {about}.\n"
    "In use, all tokens go through all layers."
  )


def _usage(loader: str) -> str:
  return (
    "```python\n"
    f"from transformers import {loader}, AutoTokenizer\n\n"
    "tokenizer = AutoTokenizer.from_pretrained(FOLDER)\n"
    f"model = {loader}.from_pretrained(FOLDER)\n"
    "```"
  )


def _network(run: trained_run.TrainedRun) -> list[tuple[str, str]]:
  config = run.encoder
  return [
    ("layers", f"{config.num_layers}"),
    ("hidden size", f"{config.hidden_size:,}"),
    ("attention heads", f"{config.num_attention_heads}"),
    ("feed-forward size", f"{config.intermediate_size:,}"),
    ("positions", f"{config.max_position_embeddings:,}"),
    ("vocabulary", f"{len(run.vocabulary):,} tokens"),
    ("embedding rows", f"{config.vocab_size:,}"),
  ]


def _training(
  run: trained_run.TrainedRun, trainer: dict
) -> list[tuple[str, str]]:
  data = run.task.get("train_data") or {}
  batch, length = data.get("global_batch_size"), data.get("seq_length")
  rows = [
    ("steps", f"{run.step:,} of {trainer.get('train_steps', 0):,}"),
    ("batch", f"{batch} sequences of {length} tokens"),
  ]
  if data.get("max_predictions_per_seq"):
    predictions = f"at most {data['max_predictions_per_seq']} a sequence"
    rows.append(("predictions", predictions))
  rows += _optimizer(trainer.get("optimizer_config") or {})
  plan = _plan(run)
  if plan is not None:
    rows += [
      ("kept tokens", f"{_kept(stage)} from layer {stage.layer}")
      for stage in plan.stages
    ]
    rows.append(("all tokens", f"from layer {plan.restore_layer}"))
  return rows


def _plan(run: trained_run.TrainedRun):
  """Returns where the run dropped tokens, None for a plain BERT."""
  if not isinstance(run.encoder, encoder_config.TokenDropEncoderConfig):
    return None
  plan = run.encoder.drop_plan
  return plan if plan.drops else None


def _kept(stage: drop_plan.Stage) -> str:
  return f"{stage.keep_k}" if stage.keep_k else f"{stage.keep_ratio:.0%}"


def _optimizer(config: dict) -> list[tuple[str, str]]:
  rows = []
  for part, label in (("optimizer", "optimizer"), ("learning_rate", "rate")):
    fields = config.get(part) or {}
    if kind := fields.get("type"):
      rate = (fields.get(kind) or {}).get("initial_learning_rate")
      rows.append((label, kind if rate is None else f"{kind}, from {rate:g}"))
  return rows


def _table(rows: list[tuple[str, str]]) -> str:
  lines = ["| | |", "| --- | --- |"]
  return "\n".join(lines + [f"| {name} | {value} |" for name, value in rows])
