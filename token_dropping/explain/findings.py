# SPDX-License-Identifier: Apache-2.0
"""All that the page and the terminal show, computed once."""

import dataclasses

import numpy as np
import pandas as pd

from token_dropping.common import vocabulary
from token_dropping.dropping import drop_plan
from token_dropping.dropping.importance import importance_types
from token_dropping.explain import dropping as dropping_lib
from token_dropping.explain import sequences as sequences_lib
from token_dropping.explain import source_text
from token_dropping.explain import table_history
from token_dropping.explain import token_groups
from token_dropping.training import trained_run

_LOSSES = {
  trained_run.MASKED_LM: "masked-LM loss",
  trained_run.CAUSAL_LM: "next-token loss",
}


@dataclasses.dataclass(frozen=True)
class Findings:
  """What a run drops of a text.

  Attributes:
    plan: what is dropped in the checkpoint's step.
    losses: [n] float each, in nats, NaN at special tokens: of the tokens, each
      masked; of a causal language model, of what follows them; NaN of a source.
    scores: by id and step; see `table_history`.
  """

  run: trained_run.TrainedRun
  plan: drop_plan.DropPlan
  source: source_text.SourceText
  droppings: list[dropping_lib.Dropping]
  losses: list[np.ndarray]
  scores: pd.DataFrame
  quantiles: pd.DataFrame

  @property
  def computed(self) -> list[np.ndarray]:
    """[n] float each, share of the middle layers that computed the tokens."""
    return [dropping.computed for dropping in self.droppings]

  @property
  def loss_name(self) -> str:
    """What the losses are of; empty where there are none."""
    return _LOSSES.get(self.run.kind, "")

  @property
  def unit(self) -> str:
    """That of the importance; empty where it has none."""
    return importance_types.get(self.run.encoder.importance_type).unit

  def tokens(self) -> pd.DataFrame:
    """Returns a row for every token that is not special."""
    sequences = self.source.sequences
    return token_groups.tabulate(sequences, self.computed, self.losses)

  def headline(self) -> dict[str, str]:
    sequences = self.source.sequences
    count, number = sequences_lib.count_tokens(sequences), len(sequences)
    kept = f"{np.concatenate(self.computed).mean():.1%} of the tokens"
    if padding := sum(sequence.padding for sequence in sequences):
      share = padding / (padding + sum(map(len, sequences)))
      kept += f"; {share:.1%} of the positions are padding"
    return {
      "run": f"{self.run.model_dir}, step {self.run.step:,}",
      "dropping": f"{self.plan.drop_type}: {describe_plan(self.plan)}",
      "importance": self.run.encoder.importance_type,
      "text": f"{'the first ' * self.source.cut}{count:,} tokens in {number:,} "
      f"sequence{'s' * (number > 1)} of {self.source.name}",
      "kept here": kept,
    }


def collect(
  run: trained_run.TrainedRun, source: source_text.SourceText
) -> Findings:
  """Computes everything for a pretraining run that drops tokens."""
  model = dropping_lib.build_model(run)
  plan = dropping_lib.current_plan(run)
  encoder = model.encoder_network
  scorer = encoder.importance_scorer
  if run.kind == trained_run.CAUSAL_LM:
    losses = dropping_lib.next_losses(model, source.sequences)
  elif run.kind == trained_run.TRANSLATION:
    encoder = dropping_lib.source_encoder(model)
    losses = [np.full(len(one), np.nan) for one in source.sequences]
  else:
    mask_id = run.vocabulary.special_ids[vocabulary.MASK]
    losses = dropping_lib.masked_losses(model, source.sequences, mask_id)
  scores = table_history.scores_by_step(run.model_dir, scorer)
  return Findings(
    run,
    plan,
    source,
    dropping_lib.look(encoder, plan, source.sequences),
    losses,
    scores,
    table_history.quantiles_by_step(run.model_dir, scores),
  )


def describe_plan(plan: drop_plan.DropPlan) -> str:
  """Returns where a plan keeps how much; layers are counted from 0.

  >>> describe_plan(drop_plan.DropPlan(12, (drop_plan.Stage(5),), 11))
  '50% of the tokens from layer 5, all again from layer 11'
  """
  parts = []
  for stage in plan.stages:
    kept = f"{stage.keep_k} tokens of a sequence"
    if stage.keep_k is None:
      kept = f"{100 * stage.keep_ratio:.3g}% of the tokens"
    parts.append(f"{kept} from layer {stage.layer}")
  return f"{', '.join(parts)}, all again from layer {plan.restore_layer}"
