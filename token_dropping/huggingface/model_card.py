# SPDX-License-Identifier: Apache-2.0
"""`README.md` of an exported model: what it is, how it was trained."""

from importlib import resources

import jinja2

from token_dropping.dropping.drops import drop_types
from token_dropping.huggingface import network as network_lib
from token_dropping.training import trained_run

# The last parts of the names of classes.
HEADS = {
  trained_run.MASKED_LM: "ForMaskedLM",
  trained_run.CLASSIFICATION: "ForSequenceClassification",
  trained_run.SPAN: "ForQuestionAnswering",
  trained_run.CAUSAL_LM: "ForCausalLM",
  trained_run.TRANSLATION: "ForConditionalGeneration",
}
_LOADERS = HEADS | {trained_run.TRANSLATION: "ForSeq2SeqLM"}
_ANSWERS = "a model that finds answers in a text"
# The pipeline of the hub, and what it is.
_TASKS = {
  trained_run.MASKED_LM: ("fill-mask", "a masked LM"),
  trained_run.CLASSIFICATION: ("text-classification", "a classifier of texts"),
  trained_run.SPAN: ("question-answering", _ANSWERS),
  trained_run.CAUSAL_LM: ("text-generation", "a causal language model"),
  trained_run.TRANSLATION: ("translation", "a translation of sentences"),
}


def format_card(
  run: trained_run.TrainedRun,
  network: network_lib.Network,
  trainer: dict,
  metrics: dict[str, float],
) -> str:
  """Returns the card in Markdown; `trainer` is the part of `params.yaml`."""
  pipeline, what = _TASKS[run.kind]
  environment = jinja2.Environment(
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    keep_trailing_newline=True,
  )
  template = resources.files(__package__).joinpath("card.md")
  plan = run.encoder.drop_plan if run.encoder.drop_plan.drops else None
  return environment.from_string(template.read_text("utf-8")).render(
    pipeline=pipeline,
    loader=f"AutoModel{_LOADERS[run.kind]}",
    network=network,
    what=what,
    about=drop_types.get(plan.drop_type).about if plan else "",
    plan=plan,
    run=run,
    trainer=trainer,
    data=run.task.get("train_data") or {},
    optimizer=_optimizer(trainer.get("optimizer_config") or {}),
    metrics=metrics,
  )


def _optimizer(config: dict) -> list[tuple]:
  """Returns names, kinds and first rates; `None` where there is no rate."""
  rows = []
  for part, name in (("optimizer", "optimizer"), ("learning_rate", "rate")):
    fields = config.get(part) or {}
    if kind := fields.get("type"):
      rate = (fields.get(kind) or {}).get("initial_learning_rate")
      rows.append((name, kind, rate))
  return rows
