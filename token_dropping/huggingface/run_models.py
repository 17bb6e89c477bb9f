# SPDX-License-Identifier: Apache-2.0
"""The model of a run, whatever it was trained for, with its weights."""

import tf_keras
from official.nlp.modeling import models

from token_dropping import encoder_config
from token_dropping import trained_run

ARCHITECTURES = {
  trained_run.MASKED_LM: "BertForMaskedLM",
  trained_run.CLASSIFICATION: "BertForSequenceClassification",
  trained_run.SPAN: "BertForQuestionAnswering",
}


def build(run: trained_run.TrainedRun) -> tf_keras.Model:
  """Builds the model of a run as its Model Garden task does, and restores it.

  Returns:
    A `BertPretrainerV2`, `BertClassifier` or `BertSpanLabeler`; nothing drops.

  Raises:
    UserError: the checkpoint does not hold exactly the model's weights.
  """
  if run.kind == trained_run.MASKED_LM:
    return run.build_masked_lm()
  encoder = encoder_config.build_bert(run.encoder)
  if run.kind == trained_run.CLASSIFICATION:
    config = run.task["model"]
    model = models.BertClassifier(
      encoder,
      num_classes=config["num_classes"],
      use_encoder_pooler=config["use_encoder_pooler"],
    )
  else:
    model = models.BertSpanLabeler(encoder)
  run.restore({"model": model})
  return model
