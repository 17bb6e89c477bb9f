# SPDX-License-Identifier: Apache-2.0
"""All that the page and the terminal show, computed once."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from token_dropping.common import vocabulary
from token_dropping.dropping import drop_plan
from token_dropping.dropping.importance import importance_types
from token_dropping.explain import dropping
from token_dropping.explain import dropping_model
from token_dropping.explain import kept_share
from token_dropping.explain import sequences as sequences_lib
from token_dropping.explain import source_text
from token_dropping.explain import table_history
from token_dropping.explain import token_losses
from token_dropping.training import trained_run


@dataclasses.dataclass(frozen=True)
class Findings:
  """What a run drops of a text.

  Attributes:
    model_dir: folder of the run.
    step: int, of its checkpoint.
    plan: what is dropped in that step.
    importance: the type of the scores.
    source: the text and where it comes from.
    droppings: what happens to each sequence.
    losses: [n] float each, masked-LM loss in nats, NaN at special tokens.
    by_frequency: kept shares.
    by_part: kept shares.
    compared: mean losses of kept and of dropped tokens.
    history: of the importance table.
    vocab: of the run.
  """

  model_dir: str
  step: int
  plan: drop_plan.DropPlan
  importance: str
  source: source_text.SourceText
  droppings: list[dropping.Dropping]
  losses: list[np.ndarray]
  by_frequency: list[kept_share.Group]
  by_part: list[kept_share.Group]
  compared: list[token_losses.LossMean]
  history: table_history.TableHistory
  vocab: vocabulary.Vocabulary

  @property
  def sequences(self) -> Sequence[sequences_lib.TextSequence]:
    """The text."""
    return self.source.sequences

  @property
  def kept_share(self) -> float:
    """Mean share of the middle layers in which a token is, special ones too."""
    return float(np.concatenate([d.computed for d in self.droppings]).mean())

  def headline(self) -> list[tuple[str, str]]:
    """Returns what was looked at: names and values, for people."""
    return [
      ("run", f"{self.model_dir}, step {self.step:,}"),
      ("dropping", f"{self.plan.drop_type}: {describe(self.plan)}"),
      ("importance", self.importance),
      ("text", self._text()),
      ("kept here", f"{self.kept_share:.1%} of the tokens"),
    ]

  def _text(self) -> str:
    count = sequences_lib.count_tokens(self.sequences)
    number = len(self.sequences)
    shape = f"{count:,} tokens in {number:,} sequence{'s' * (number > 1)}"
    first = "the first " if self.source.cut else ""
    return f"{first}{shape} of {self.source.name}"


def collect(
  run: trained_run.TrainedRun, source: source_text.SourceText
) -> Findings:
  """Computes everything.

  Args:
    run: a pretraining run that drops tokens.
    source: the text.

  Raises:
    UserError: the checkpoint does not hold exactly the weights.
  """
  model = dropping_model.build(run)
  plan = dropping_model.current_plan(run)
  encoder = model.encoder_network
  droppings = dropping.look(encoder, plan, source.sequences)
  computed = [each.computed for each in droppings]
  mask_id = run.vocabulary.special_ids[vocabulary.MASK]
  losses = token_losses.masked_losses(model, source.sequences, mask_id)
  return Findings(
    model_dir=run.model_dir,
    step=run.step,
    plan=plan,
    importance=importance_types.resolve(
      run.encoder.importance.type, plan.drop_type
    ),
    source=source,
    droppings=droppings,
    losses=losses,
    by_frequency=kept_share.by_frequency(source.sequences, computed),
    by_part=kept_share.by_part(source.sequences, computed),
    compared=token_losses.compare(losses, computed),
    history=table_history.read(run.model_dir, encoder.importance_scorer),
    vocab=run.vocabulary,
  )


def describe(plan: drop_plan.DropPlan) -> str:
  """Returns where a plan keeps how much; layers are counted from 0.

  Example:

  >>> describe(drop_plan.DropPlan.create(12))
  '50% of the tokens from layer 5, all again from layer 11'
  """
  parts = []
  for stage in plan.stages:
    if stage.keep_k is None:
      parts.append(f"{100 * stage.keep_ratio:.3g}% of the tokens")
    else:
      parts.append(f"{stage.keep_k} tokens of a sequence")
    parts[-1] += f" from layer {stage.layer}"
  return f"{', '.join(parts)}, all again from layer {plan.restore_layer}"
