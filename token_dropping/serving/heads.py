# SPDX-License-Identifier: Apache-2.0
"""The kinds of models that can be exported, by name."""

from token_dropping.common import errors
from token_dropping.serving import classifier
from token_dropping.serving import encoder
from token_dropping.serving import head
from token_dropping.serving import masked_lm
from token_dropping.serving import span_labeler
from token_dropping.training import trained_run

ENCODER = "encoder"
HEADS = {
  ENCODER: encoder.Encoder,
  trained_run.MASKED_LM: masked_lm.MaskedLM,
  trained_run.CLASSIFICATION: classifier.Classifier,
  trained_run.SPAN: span_labeler.SpanLabeler,
}


def make_head(
  name: str, run: trained_run.TrainedRun, output: str = head.LOGITS
) -> head.Head:
  """Builds a head with the weights of a run.

  Args:
    name: one of `HEADS`; empty means what the run trained.
    run: the run.
    output: `logits` or `softmax`.

  Raises:
    UserError: the run did not train such a head; see `head.Head`.
  """
  name = name or run.kind
  if name not in (ENCODER, run.kind):
    raise errors.UserError(
      f"--head must be {ENCODER} or {run.kind}, which {run.model_dir} holds. "
      f"Received: {name!r}"
    )
  return HEADS[name](run, output)
